"""Images of a class, sampled from the text-conditioned prior and shared by all objects of that class.

They lie in a cache, ``<cache>/<fingerprint>/<class>/000.png``, …; the fingerprint stands for the prior and for how it
was sampled. A run keeps only the list of them, in the record of its ``class_images`` stage.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from datamodules.prompts import Prompts
from datamodules.run_folder import RunFolder, read_json
from viewdistill.errors import ViewDistillError


@dataclass(frozen=True)
class ClassImages:
    """Where the images of a class are, and what they were asked for."""

    prompts: Prompts
    """Template and class word."""
    folder: Path
    """Within the cache."""
    count: int
    """Images ``000.png`` to ``count - 1``."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files."""
        return tuple(self.folder / f"{index:03d}.png" for index in range(self.count))

    @property
    def figures(self) -> dict[str, object]:
        """What `load` reads, for the stage's record."""
        template, class_word = self.prompts.template, self.prompts.class_word
        return {"template": template, "class_word": class_word, "folder": str(self.folder), "count": self.count}

    @classmethod
    def load(cls, folder: RunFolder) -> "ClassImages":
        """Read the record of a run's ``class_images`` stage, and make sure that the images are there.

        Raises:
            ViewDistillError: The stage is not complete, its record is damaged, or the cache has been emptied since.
        """
        images = cls.recorded(folder)
        if missing := [path for path in images.paths if not path.is_file()]:
            raise ViewDistillError(
                f"{missing[0]}: no longer in the cache; run `viewdistill class-images {folder.root}`"
            )
        return images

    @classmethod
    def recorded(cls, folder: RunFolder) -> "ClassImages":
        """Read the record of a run's ``class_images`` stage, whether or not the images are still there.

        Raises:
            ViewDistillError: The stage is not complete, or its record is damaged.
        """
        path = folder.record("class_images")
        again = f"run `viewdistill class-images {folder.root}`"
        if not path.is_file():
            raise ViewDistillError(f"{folder.root}: no complete class_images stage here; {again}")
        try:
            figures = read_json(path)["figures"]
            prompts = Prompts(str(figures["template"]), str(figures["class_word"]))
            return cls(prompts, Path(figures["folder"]), int(figures["count"]))
        except (KeyError, TypeError, ValueError):
            raise ViewDistillError(f"{path}: damaged record; {again}") from None


def folder_name(class_word: str) -> str:
    """A folder name for a class word; different words get different names."""
    plain = re.sub(r"[^a-z0-9]+", "-", class_word.lower()).strip("-")
    return plain if plain == class_word else f"{plain}-{hashlib.sha256(class_word.encode()).hexdigest()[:8]}"


def read_rgb(path: Path) -> Float[Tensor, "3 height width"]:
    """Colours in [0, 1] of an RGB image.

    Raises:
        ViewDistillError: The file is missing or damaged.
    """
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise ViewDistillError(f"{path}: not readable ({error}); delete it and run its stage again") from error
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255
