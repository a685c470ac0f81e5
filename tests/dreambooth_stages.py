"""Finished stages before the specialisation, written without a prior."""

from pathlib import Path

import numpy as np
from PIL import Image

from datamodules.class_images import ClassImages
from datamodules.posed_views import ViewCamera, save_cameras, save_view
from datamodules.prompts import Prompts
from datamodules.runs.run_folder import RunFolder, write_json


def finish_novel_views(folder: RunFolder) -> None:
    """Two green views."""
    for index in range(2):
        save_view(folder.novel_views, index, np.full((16, 16, 4), (0, 200 - index, 0, 255), np.uint8))
    save_cameras(folder.novel_views, [ViewCamera(120.0, 20.0), ViewCamera(240.0, 20.0)])
    finish(folder, "novel_views", {})


def finish_class_images(folder: RunFolder, cache: Path) -> None:
    """Three grey images of "a mug"."""
    images = ClassImages(Prompts("a {}", "mug"), cache, 3)
    cache.mkdir()
    for path in images.paths:
        Image.fromarray(np.full((16, 16, 3), 100, np.uint8)).save(path)
    finish(folder, "class_images", images.figures)


def finish(folder: RunFolder, stage: str, figures: dict[str, object]) -> None:
    """The record of a stage."""
    record = {"stage": stage, "seconds": 0.0, "peak_memory_mb": 0.0, "files": {}, "figures": figures}
    write_json(folder.record(stage), record)
