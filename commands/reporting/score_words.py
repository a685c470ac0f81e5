"""Scores of a run with what they mean, for the report."""

from dataclasses import dataclass
from typing import Any

from datamodules.runs.run_folder import RunFolder, read_json
from viewdistill.report.page import Score
from viewdistill.schema import parse

GEOMETRY = {
    "chamfer": ("Chamfer distance", "mean distance to the true surface, both ways; the object is about 1 long"),
    "volume_iou": ("Volume IoU", "shared share of the two solids; 1 is best"),
    "f_score_001": ("F-score at 0.01", "share of the surface within 0.01 of the other; 1 is best"),
    "f_score_002": ("F-score at 0.02", "share of the surface within 0.02 of the other; 1 is best"),
    "normal_consistency": ("Normals", "mean cosine between normals of nearest points; 1 is best"),
}  # fmt: skip
"""Key in ``evaluation.json`` → name and meaning."""

VIEWS = {
    "psnr": ("PSNR, dB", "likeness of pixels with the true views; 20 is rough, 30 is close"),
    "ssim": ("SSIM", "likeness of structure with the true views; 1 is best"),
    "lpips": ("LPIPS", "difference as a network sees it; 0 is best"),
}
"""The same for views."""


@dataclass(frozen=True)
class Tables:
    """What is read of an ``evaluation.json``."""

    geometry: tuple[dict[str, Any], ...] = ()
    """A row for each protocol."""
    views: tuple[dict[str, Any], ...] = ()
    """A row for each set of views."""


def scores(folder: RunFolder) -> tuple[Score, ...]:
    """Return the scores of an evaluated run, geometry first; none where it was not evaluated.

    Raises:
        ViewDistillError: The file of scores is damaged.
    """
    if not folder.evaluation.is_file():
        return ()
    remedy = "run `viewdistill evaluate` again"
    content = parse(Tables, read_json(folder.evaluation, remedy), folder.evaluation, remedy, unknown_keys=True)
    geometry = [score for row in content.geometry for score in worded(row, str(row.get("protocol")), GEOMETRY)]
    views = [score for row in content.views for score in worded(row, str(row.get("of")), VIEWS)]
    return (*geometry, *views)


def worded(row: dict[str, Any], of: str, words: dict[str, tuple[str, str]]) -> list[Score]:
    """Return the figures of a row that are known, with their words."""
    means = {name: row[name].get("mean") for name in words if isinstance(row.get(name), dict)}
    known = {name: mean for name, mean in means.items() if isinstance(mean, int | float)}
    return [Score(words[name][0], of, f"{mean:.4g}", words[name][1]) for name, mean in known.items()]
