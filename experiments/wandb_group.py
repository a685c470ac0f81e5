"""Finished runs of the ablations for Weights & Biases: a group a study, in it a run for every arm, object and seed.

    python -m experiments.wandb_group A2                       # kept in runs/ablations/wandb, for `wandb sync`
    WANDB_MODE=online python -m experiments.wandb_group A2     # sent; sent again, a run is updated and not doubled

Runs are told apart by study, arm, object, seed, priors and settings. What is kept on disk already is not kept again.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commands.parsing import OneLineParser, one_line
from commands.tracking.run import DEFAULTS, Mode, run_mode
from experiments.ablate import RUNS, load_studies
from experiments.comparison import Run, load_runs
from experiments.plan import digest
from experiments.studies import Study
from viewdistill.errors import ViewDistillError

PROJECT = "viewdistill-ablations"
"""Project of W&B, apart from that of single objects."""

DIGITS = 8
"""Of fingerprints in names of groups and tags."""


def build_parser() -> OneLineParser:
    """The options."""
    summary, examples = (__doc__ or "").split("\n\n", 1)
    parser = OneLineParser(
        prog="python -m experiments.wandb_group",
        description=summary,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("studies", nargs="*", metavar="STUDY", help="ids or YAML files (default: all that are shipped)")
    parser.add_argument("--runs", type=Path, default=RUNS, metavar="DIR", help=f"folder of all runs (default {RUNS})")
    parser.add_argument("--project", default=PROJECT, help=f"W&B project (default {PROJECT})")
    return parser


def run_id(run: Run) -> str:
    """The same for the same run, wherever its files are."""
    return digest([run.study, run.arm, run.object, run.seed, run.prior, run.settings])[:16]


def settings_of(run: Run, study: Study) -> dict[str, Any]:
    """What W&B groups and filters by."""
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
    arguments = build_parser().parse_args(argv)
    studies = {study.id: study for study in load_studies(arguments.studies)}
    arms = {(study.id, arm.name) for study in studies.values() for arm in study.arms}
    runs = [run for run in load_runs(arguments.runs) if (run.study, run.arm) in arms]
    if not runs:
        raise ViewDistillError(f"{arguments.runs}: no scores of {', '.join(studies)}; run `make ablations` first")
    mode = run_mode()
    if mode == "disabled":
        raise ViewDistillError("WANDB_MODE=disabled keeps nothing; set it to offline or online")
    for variable, value in DEFAULTS.items():
        os.environ.setdefault(variable, value)
    new = sum(log_run(run, studies[run.study], arguments.runs, arguments.project, mode) for run in runs)
    place = f"sent to {arguments.project}" if mode == "online" else f"kept in {arguments.runs / 'wandb'}"
    print(f"{new} of {len(runs)} runs {place}; groups {', '.join(sorted({run.study for run in runs}))}")


def main() -> None:
    """Command line."""
    try:
        track(None)
    except ViewDistillError as error:
        print(f"wandb_group: {one_line(str(error))}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
