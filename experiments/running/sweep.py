"""A W&B sweep over the field stage without W&B's service: all points of its grid, one after another.

    python -m experiments.running.sweep guidance runs/robot              # to runs/sweeps/guidance/00, 01, …
    python -m experiments.running.sweep my_sweep.yaml runs/robot --config configs/presets/debug/field.yaml

Sweeps are files in the format of `wandb sweep` (configs/sweeps/guidance.yaml). Every point has a folder with a copy of
the run's input and, unless WANDB_MODE is disabled, a run of W&B in the group of the sweep's name. A point that is
complete and whose settings hold is not run again.
"""

import itertools
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from commands import options
from commands.arguments import add_option, add_run_argument
from commands.parsing import OneLineParser, parse
from commands.requirements import require
from commands.stages.job import run_stage
from commands.table import SUBCOMMANDS
from commands.tracking.object import track_object
from datamodules.runs.run_folder import RunFolder
from experiments.script import parse_request, run_script, script_parser
from viewdistill import resources
from viewdistill.documents import read_yaml
from viewdistill.errors import ViewDistillError
from viewdistill.schema import Range
from viewdistill.schema import parse as parse_document

SWEEPS = resources.CONFIGS / "sweeps"
"""Folder of the shipped sweeps."""

Value = str | bool | int | Annotated[float, Range()] | None


@dataclass(frozen=True)
class Parameter:
    """Values of one setting."""

    values: list[Value] | None = None
    """All of these."""
    value: Value = None
    """A single value, without ``values``."""

    @property
    def choices(self) -> list[Value]:
        """All values."""
        return [self.value] if self.values is None else self.values


@dataclass(frozen=True)
class Sweep:
    """The entries of a sweep's file used here; W&B uses the rest."""

    name: str
    """Group of its runs."""
    method: str
    """The service's method of choosing points."""
    parameters: dict[str, Parameter]
    """Setting of the field's YAML → its values."""

    def points(self) -> list[dict[str, Value]]:
        """Return all combinations, in order."""
        choices = [parameter.choices for parameter in self.parameters.values()]
        return [dict(zip(self.parameters, point, strict=True)) for point in itertools.product(*choices)]


@dataclass(frozen=True)
class Request:
    """Options of this script."""

    sweep: Path
    """The file, or the name of a shipped one."""
    run_folder: Path
    """A run with a complete input stage."""
    out: Path = Path("runs") / "sweeps"
    """Folder of all sweeps."""
    config: tuple[Path, ...] = ()
    """Overlays on the field's YAML."""


def build_parser() -> OneLineParser:
    """Build the parser of the options."""
    parser = script_parser("running.sweep", __doc__)
    parser.add_argument("sweep", type=options.path, metavar="SWEEP", help="a shipped sweep, as guidance, or a file")
    add_run_argument(parser, "an input stage")
    add_option(parser, "--out", options.output_folder, Request.out, "DIR", "folder")
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        type=options.existing_file,
        metavar="YAML",
        help="overlay on field.yaml",
    )
    return parser


def load_sweep(named: Path) -> Sweep:
    """Read a sweep.

    Raises:
        ViewDistillError: The sweep is missing, damaged, or not a grid.
    """
    shipped = SWEEPS / f"{named}.yaml"
    path = shipped if named.suffix == "" and shipped.is_file() else named
    content: Any = read_yaml(path)
    sweep = parse_document(Sweep, content, path, "fix it; W&B documents the format of sweeps", unknown_keys=True)
    if sweep.method != "grid":
        raise ViewDistillError(f"{path}: method {sweep.method} needs W&B's service; give grid")
    return sweep


def run(request: Request) -> None:
    """Run all points.

    Raises:
        ViewDistillError: The sweep is damaged, a setting is wrong, or a fit fails.
    """
    sweep, source = load_sweep(request.sweep), RunFolder(request.run_folder)
    require(source)
    overlays = [f"--config={path}" for path in request.config]
    points = sweep.points()
    # All settings are resolved before the first fit.
    folders = [RunFolder(request.out / sweep.name / f"{index:02d}") for index in range(len(points))]
    jobs = [
        SUBCOMMANDS["field"].load().prepare(parse(["field", str(folder.root), *overlays, *arguments(point)]).request)
        for folder, point in zip(folders, points, strict=True)
    ]
    for folder, point, job in zip(folders, points, jobs, strict=True):
        print(f"{folder.root}: {' '.join(arguments(point))}", flush=True)
        ignored = shutil.ignore_patterns("wandb")
        shutil.copytree(source.stage("input"), folder.stage("input"), dirs_exist_ok=True, ignore=ignored)
        if run_stage(job, again=False):
            track_object(folder)


def arguments(point: dict[str, Value]) -> list[str]:
    """Return a point as options of the field stage, as W&B's agent gives them."""
    return [f"--{name}={'null' if value is None else value}" for name, value in point.items()]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit status."""
    request = parse_request(build_parser(), Request, argv)
    return run_script("sweep", lambda: run(request))


if __name__ == "__main__":
    sys.exit(main())
