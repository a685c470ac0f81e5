"""Ablations: arms of studies on test objects with exact ground truth; every shared stage is computed once.

    python -m experiments.running.ablate                    # A1 to A8, 8 objects, 2 seeds
    python -m experiments.running.ablate A2 A6 --quick  # two of them on 2 objects with 1 seed: a quick look, no result
    python -m experiments.running.ablate my_study.yaml      # one of your own

Complete stages are never run again; a stopped run resumes where it was. Failures are listed at the end, do not stop the
rest, and are retried the next time. `python -m experiments.reporting.tables` makes tables.
Changes of the code are not detected: remove ``stages/`` in the folder of the runs after changing a stage.
"""

import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from commands import options
from commands.arguments import add_out_argument
from commands.parsing import OneLineParser, one_line
from commands.scaling.cluster import available_cores
from datamodules.runs.run_folder import write_json
from experiments.running.comparison import FEWEST_OBJECTS, FEWEST_SEEDS
from experiments.running.execution import Execute, StageFailedError, Task, complete, execute_all, viewdistill
from experiments.running.plan import PlannedRun, Planner, Priors
from experiments.running.ray_execution import on_ray
from experiments.running.scores import default_threads, score
from experiments.running.studies import ABLATIONS, Study
from experiments.script import add_studies_argument, parse_request, run_script, script_parser
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY

QUICK = 2, 1
"""Objects and seeds of ``--quick``."""

RUNS = Path("runs/ablations")
"""Folder of all runs."""


@dataclass
class StudyProgress:
    """One bar for everything, with the running tasks beside it and lines for failures above."""

    progress: Progress
    bar: TaskID
    running: list[str]
    failures: dict[str, int]
    """Messages, and the number of runs lost to each."""

    @classmethod
    def of(cls, progress: Progress, total: int) -> "StudyProgress":
        """A new bar."""
        return cls(progress, progress.add_task("", total=total), [], {})

    def started(self, task: Task) -> None:
        """Show a task."""
        self.running.append(task.label)
        self._show()

    def settled(self, task: Task, error: StageFailedError | None) -> None:
        """Count a task, and report a failure once."""
        if task.label in self.running:
            self.running.remove(task.label)
        if error is not None:
            if str(error) not in self.failures:
                self.progress.console.print(f"failed: {one_line(str(error))}", markup=False, highlight=False)
            self.failures[str(error)] = self.failures.get(str(error), 0) + task.key.startswith("score:")
        self.progress.advance(self.bar)
        self._show()

    def _show(self) -> None:
        self.progress.update(self.bar, description=", ".join(self.running) or "done")


def run_studies(
    runs: Sequence[PlannedRun], prior: str, jobs: int, console: Console, execute: Execute
) -> dict[str, int]:
    """Compute and score runs.

    Args:
        runs: In order of priority.
        prior: Fingerprint of their priors.
        jobs: Stages at a time, one thread each.
        console: Console for progress.
        execute: Runs a subcommand.

    Returns:
        Messages of failures, each with the number of runs without scores because of it.
    """
    tasks: list[Task] = []
    scored: dict[str, PlannedRun] = {}
    for run in runs:
        for node in run.nodes:
            label = f"{node.stage} {run.study.id} {run.arm.name} {run.case.label}"
            needed = tuple(needed.key for needed in node.needs)
            tasks.append(Task(node.key, label, needed, lambda node=node: complete(node, execute)))
        key = f"score:{run.folder.root}"
        scored[key] = run
        label = f"scores {run.study.id} {run.arm.name} {run.case.label}"
        needed = tuple(node.key for node in run.nodes)
        tasks.append(Task(key, label, needed, lambda run=run: score(run, prior, execute)))
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        display = StudyProgress.of(progress, len({task.key for task in tasks}))

        def settled(task: Task, error: StageFailedError | None) -> None:
            display.settled(task, error)
            if error is not None and task.key in scored:
                run = scored[task.key]
                # Scores of an earlier attempt belong to other stages.
                run.scores.unlink(missing_ok=True)
                write_json(run.failure, {"stage": error.stage, "message": error.message})

        execute_all(tasks, jobs, display.started, settled)
    return display.failures


@dataclass(frozen=True)
class Request:
    """Options of this script."""

    studies: tuple[str, ...] = ()
    """Ids or YAML files of studies; all shipped ones when not given."""
    quick: bool = False
    """Whether to accept too few objects and seeds for a result."""
    objects: int | None = None
    """Test objects."""
    seeds: int | None = None
    """Seeds per object."""
    skip: int = 0
    """Test objects to skip before them."""
    jobs: int | None = None
    """Parallel stages; one per GPU or per core when not given."""
    processes: bool = False
    """Whether each stage has its own process, instead of Ray's workers."""
    preset: str = "ablation"
    """Overlays on the shipped YAMLs; none where empty."""
    view_prior: Path = REPOSITORY / "priors" / "nano" / "zero123"
    """View-conditioned prior."""
    text_prior: Path = REPOSITORY / "priors" / "nano" / "stable-diffusion"
    """Text-conditioned prior."""
    out: Path = RUNS
    """Folder of all runs."""


def build_parser() -> OneLineParser:
    """Build the parser of the options."""
    parser = script_parser("running.ablate", __doc__)
    add_studies_argument(parser)
    parser.add_argument("--quick", action="store_true", help="2 objects with 1 seed")
    parser.add_argument("--objects", type=options.COUNT, metavar="N", help=f"test objects (default {FEWEST_OBJECTS})")
    parser.add_argument("--seeds", type=options.COUNT, metavar="N", help=f"seeds per object (default {FEWEST_SEEDS})")
    parser.add_argument(
        "--skip",
        type=options.Integer(),
        default=Request.skip,
        metavar="N",
        help="test objects to skip before them",
    )
    parser.add_argument(
        "--jobs",
        type=options.Integer(1, 10_000),
        metavar="N",
        help="stages side by side (default: one per GPU, or one per core)",
    )
    parser.add_argument(
        "--processes",
        action="store_true",
        help="a process per stage in place of Ray's workers, which keep priors loaded",
    )
    parser.add_argument("--preset", default=Request.preset, help="overlays on the YAML (default ablation; '' for none)")
    for name, folder in (("--view-prior", Request.view_prior), ("--text-prior", Request.text_prior)):
        parser.add_argument(
            name, type=options.path, default=folder, metavar="PRIOR", help=f"default {folder.name} of priors/nano"
        )
    add_out_argument(parser, Request.out)
    return parser


def counts(request: Request) -> tuple[int, int]:
    """Return the numbers of objects and of seeds.

    Raises:
        ViewDistillError: They are too few for a result, without ``--quick``.
    """
    fewest = QUICK if request.quick else (FEWEST_OBJECTS, FEWEST_SEEDS)
    objects = fewest[0] if request.objects is None else request.objects
    seeds = fewest[1] if request.seeds is None else request.seeds
    if not request.quick and (objects < FEWEST_OBJECTS or seeds < FEWEST_SEEDS):
        raise ViewDistillError(
            f"{objects} objects with {seeds} seeds are too few for a result: {FEWEST_OBJECTS} and {FEWEST_SEEDS} at "
            "least; say --quick for a look"
        )
    return objects, seeds


def load_studies(names: Sequence[str]) -> list[Study]:
    """Return studies by id or path; all shipped ones without any.

    Raises:
        ViewDistillError: A study does not exist or is damaged.
    """
    paths = [Path(name) if name.endswith((".yaml", ".yml")) else ABLATIONS / f"{name}.yaml" for name in names]
    return [Study.load(path) for path in paths or sorted(ABLATIONS.glob("*.yaml"))]


@contextmanager
def executor(request: Request) -> Generator[tuple[Execute, int]]:
    """Return the executor of subcommands, and the number of parallel stages.

    Raises:
        ViewDistillError: Ray is not available.
    """
    if request.processes:
        yield viewdistill, request.jobs or available_cores()
    else:
        with on_ray(request.jobs) as workers:
            yield workers


def ablate(argv: Sequence[str] | None, execute: Execute | None = None) -> int:
    """Plan and run.

    Args:
        argv: Options; those of the process when not given.
        execute: Runs a subcommand; what the options say when not given.

    Returns:
        0, or 1 where something failed.

    Raises:
        ViewDistillError: An option, a study or a prior is wrong.
    """
    request = parse_request(build_parser(), Request, argv)
    objects, seeds = counts(request)
    folder = REPOSITORY / "configs" / "presets" / request.preset
    if request.preset and not folder.is_dir():
        raise ViewDistillError(f"{folder}: no such preset")
    default_threads()
    priors = Priors(request.view_prior, request.text_prior)
    planner = Planner(request.out, priors, request.preset)
    runs: list[PlannedRun] = []
    for study in load_studies(request.studies):
        numbers = study.population[request.skip :][:objects]
        if len(numbers) < objects:
            raise ViewDistillError(f"{study.id} has {len(study.population)} objects; ask for no more with --objects")
        runs += planner.plan(study, numbers, range(seeds))
    console = Console()
    with nullcontext((execute, request.jobs or 1)) if execute else executor(request) as (run_one, jobs):
        failures = run_studies(runs, priors.fingerprint, jobs, console, run_one)
    stages = {node.key for run in runs for node in run.nodes}
    asked = sum(len(run.nodes) for run in runs)
    scored = sum(run.scores.is_file() for run in runs)
    console.print(f"{scored} of {len(runs)} runs have scores; {len(stages)} stages served {asked}", highlight=False)
    for message, cost in failures.items():
        console.print(f"{cost} runs failed: {one_line(message)}", markup=False, highlight=False)
    return 1 if failures else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the ablations; returns the exit status."""
    # transformers' messages about A3's prior would disturb this command's bar.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    return run_script("ablate", lambda: ablate(argv))


if __name__ == "__main__":
    sys.exit(main())
