"""Studies and scores of runs, small and written by hand."""

from collections.abc import Mapping
from pathlib import Path

from datamodules.runs.run_folder import write_json
from experiments.running.comparison import FORMAT
from experiments.running.studies import Study

PRIOR = "ab" * 32
"""Fingerprint of the runs that `write_run` writes."""

COLUMNS = """\
columns:
  - {name: PSNR, figure: views/field/psnr, better: higher}
  - {name: Chamfer, figure: geometry/surface/chamfer, better: lower}
"""

ARMS = """\
arms:
  usd: {options: {field: [--model.init_args.guidance.method=usd]}}
  sds_1: {options: {field: [--model.init_args.guidance.method=sds]}}
"""

STUDY = f"""\
id: toy
question: Which guidance?
reference: usd
stages: [input, field]
field_views: true
{COLUMNS}{ARMS}"""


def toy_study(folder: Path, text: str = STUDY) -> Study:
    """A study of two arms, or of other text, through its file."""
    path = folder / "toy.yaml"
    path.write_text(text, encoding="utf-8")
    return Study.load(path)


def write_run(
    root: Path,
    arm: str,
    number: int,
    seed: int,
    figures: Mapping[str, float | None],
    prior: str = PRIOR,
    settings: str = "",
    reasons: Mapping[str, str] | None = None,
) -> Path:
    """The scores of a finished run of the study ``toy``."""
    path = root / "toy" / arm / f"{number}-seed{seed}" / "scores.json"
    content = {"format": FORMAT, "study": "toy", "arm": arm, "object": number, "seed": seed, "prior": prior}
    content |= {"figures": figures, "reasons": reasons or {}, "settings": settings or arm}
    costs = {"input": {"seconds": 1.0, "peak_memory_mb": 200.0}, "field": {"seconds": 60.0, "peak_memory_mb": 900.0}}
    write_json(path, content | {"costs": costs})
    return path


def write_runs(
    root: Path, psnr: Mapping[str, Mapping[int, float]], seeds: int = 1, prior: str = PRIOR, settings: str = ""
) -> None:
    """Runs by arm and object; their other figure is a tenth of the PSNR."""
    for arm, values in psnr.items():
        for number, value in values.items():
            for seed in range(seeds):
                figures = {"views/field/psnr": value, "geometry/surface/chamfer": value / 10}
                write_run(root, arm, number, seed, figures, prior, settings)
