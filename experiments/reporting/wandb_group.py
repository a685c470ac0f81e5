"""Finished runs of the ablations for Weights & Biases: one group per study, with a run per arm, object and seed.

    python -m experiments.reporting.wandb_group A2  # kept in runs/ablations/wandb, for `wandb sync`
    WANDB_MODE=online python -m experiments.reporting.wandb_group A2  # sent; again: updated, not doubled

Runs are identified by study, arm, object, seed, priors and settings. Runs already on disk are skipped.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands import options
from commands.parsing import OneLineParser
from commands.tracking.run import DEFAULTS, Mode, run_mode
from experiments.running.ablate import RUNS, load_studies
from experiments.running.comparison import Run, load_runs
from experiments.running.plan import digest
from experiments.running.studies import Study
from experiments.script import add_runs_argument, add_studies_argument, parse_request, run_script, script_parser
from viewdistill.errors import ViewDistillError

PROJECT = "viewdistill-ablations"
"""Project of W&B, apart from that of single objects."""

DIGITS = 8
"""Of fingerprints in names of groups and tags."""


@dataclass(frozen=True)
class Request:
    """Options of this script."""

    studies: tuple[str, ...] = ()
    """Ids or YAML files of studies; all shipped ones when not given."""
    runs: Path = RUNS
    """Folder of all runs."""
    project: str = PROJECT
    """W&B project."""


def build_parser() -> OneLineParser:
    """Build the parser of the options."""
    parser = script_parser("reporting.wandb_group", __doc__)
    add_studies_argument(parser)
    add_runs_argument(parser, Request.runs)
    parser.add_argument(
        "--project", type=options.text, default=Request.project, help="W&B project (default %(default)s)"
    )
    return parser


def run_id(run: Run) -> str:
    """Return the identity of a run, independent of its place."""
    return digest([run.study, run.arm, run.object, run.seed, run.prior, run.settings])[:16]


def settings_of(run: Run, study: Study) -> dict[str, Any]:
    """Return the settings for W&B's groups and filters."""
    arm = next(arm for arm in study.arms if arm.name == run.arm)
    return {
        "study": run.study,
        "question": study.question,
        "arm": run.arm,
        "reference": study.reference,
        "object": run.object,
        "seed": run.seed,
        "prior": run.prior,
        "settings": run.settings,
        "options": arm.options,
        **({} if arm.at is None else {"at": arm.at, "line": arm.line}),
    }


def summary_of(run: Run) -> dict[str, float]:
    """Figures and costs by flat names; what is missing is left out."""
    costs = {f"cost/{stage}/{name}": value for stage, cost in run.costs.items() for name, value in cost.items()}
    return {name: value for name, value in {**run.figures, **costs}.items() if value is not None}


def log_run(run: Run, study: Study, folder: Path, project: str, mode: Mode) -> bool:
    """Make one run of W&B.

    Args:
        run: A finished run.
        study: Its study.
        folder: Where W&B keeps its files, in ``wandb/``.
        project: W&B project.
        mode: Whether it is sent or kept.

    Returns:
        Whether it is new here.

    Raises:
        ViewDistillError: W&B refuses, or cannot be reached.
    """
    # Imported here because W&B reads its variables, which `track` sets, when it is first imported.
    import wandb

    if mode == "offline" and any(folder.glob(f"wandb/offline-run-*-{run_id(run)}")):
        return False
    try:
        tracked = wandb.init(
            id=run_id(run),
            resume="allow" if mode == "online" else None,
            name=f"{run.arm} {run.object}-seed{run.seed}",
            project=project,
            group=f"{run.study}-{run.prior[:DIGITS]}",
            job_type=run.arm,
            tags=[f"study:{run.study}", f"prior:{run.prior[:DIGITS]}"],
            config=settings_of(run, study),
            dir=str(folder),
            mode=mode,
            reinit="finish_previous",
            settings=wandb.Settings(x_disable_stats=True),
        )
        tracked.summary.update(summary_of(run))
        tracked.finish()
    except wandb.Error as error:
        raise ViewDistillError(f"W&B failed ({error}); WANDB_MODE=offline keeps the runs for `wandb sync`") from error
    return True


def track(argv: Sequence[str] | None) -> None:
    """Give W&B all finished runs of some studies.

    Args:
        argv: Options; those of the process when not given.

    Raises:
        ViewDistillError: There are none, a file is damaged, or W&B failed.
    """
    request = parse_request(build_parser(), Request, argv)
    studies = {study.id: study for study in load_studies(request.studies)}
    arms = {(study.id, arm.name) for study in studies.values() for arm in study.arms}
    runs = [run for run in load_runs(request.runs) if (run.study, run.arm) in arms]
    if not runs:
        raise ViewDistillError(f"{request.runs}: no scores of {', '.join(studies)}; run `make ablations` first")
    mode = run_mode()
    if mode == "disabled":
        raise ViewDistillError("WANDB_MODE=disabled keeps nothing; set it to offline or online")
    for variable, value in DEFAULTS.items():
        os.environ.setdefault(variable, value)
    new = sum(log_run(run, studies[run.study], request.runs, request.project, mode) for run in runs)
    place = f"sent to {request.project}" if mode == "online" else f"kept in {request.runs / 'wandb'}"
    print(f"{new} of {len(runs)} runs {place}; groups {', '.join(sorted({run.study for run in runs}))}")


def main(argv: Sequence[str] | None = None) -> int:
    """Give W&B the runs; returns the exit status."""
    return run_script("wandb_group", lambda: track(argv))


if __name__ == "__main__":
    sys.exit(main())
