"""`viewdistill objects`: every image of a folder to a mesh, on this machine or on a Ray cluster."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from commands.parsing import build_parser, one_line
from commands.stages.configuration import REPOSITORY
from commands.table import SUBCOMMANDS
from viewdistill.errors import ViewDistillError

if TYPE_CHECKING:
    from commands.scaling.batch import Batch
    from commands.scaling.images import ImageFile
    from commands.scaling.worker import Job, Outcome

EPILOG = """\
Works on this machine, or on the Ray cluster that the environment's RAY_ADDRESS names; all its machines need the same
version of this repository. Objects that are complete are left alone, and one that was stopped goes on where it was.
objects.log in a run folder holds what its stages said. With a URL, packages of its protocol are needed (s3fs for s3://).
A fit that was stopped goes on from its checkpoint where --out is a folder, and begins again where it is a URL."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder with images")
    parser.add_argument(
        "--out",
        default="runs",
        metavar="RUNS",
        help="folder that all workers see, or URL as s3://bucket/runs, to write a run folder each to (default runs)",
    )
    parser.add_argument("--preset", metavar="NAME", help="overlays of configs/presets/NAME on the stages' YAMLs")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of everything random (default: the YAMLs')")
    parser.add_argument(
        "--source", choices=("surface", "field"), default="surface", help="stage to make the meshes from"
    )
    parser.add_argument(
        "--options",
        action="append",
        default=[],
        metavar="STAGE=OPTIONS",
        help="more options of one stage, as 'field=--trainer.max_steps 600'; may be given several times",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="objects at a time on this machine (default: one a GPU, or one a pair of cores); not for a cluster",
    )


def run(arguments: argparse.Namespace) -> None:
    """Make all objects that are not complete, and list those that could not be made.

    Raises:
        ViewDistillError: There is nothing to work on, an option is wrong, Ray is not there, or objects failed.
    """
    from commands.scaling.images import find_images

    if arguments.workers is not None and arguments.workers < 1:
        raise ViewDistillError(f"--workers {arguments.workers}: must be at least 1")
    images, batch = find_images(arguments.folder), read_batch(arguments)
    check_commands(batch)
    jobs = Jobs(images, batch, arguments.out)
    failed = [outcome for outcome in make(jobs, arguments.workers) if outcome.error is not None]
    if not failed:
        return
    for outcome in failed:
        print(one_line(f"{outcome.name}: {outcome.error}"), file=sys.stderr)
    raise ViewDistillError(
        f"{len(failed)} of {len(images)} objects failed; once mended, the same command makes these and no others"
    )


def make(jobs: Jobs, workers: int | None) -> Iterator[Outcome]:
    """Do the jobs, telling of each when it is done; Ray is only started where there is one."""
    from commands.scaling.cluster import cluster, outcomes

    start = time.perf_counter()
    first = next(jobs.pending(1), None)
    if first is not None:
        with cluster(workers) as share:
            for count, outcome in enumerate(outcomes(jobs.pending(share.cores), share), 1):
                how = "failed" if outcome.error else f"complete, {len(outcome.stages)} stages run"
                print(f"{outcome.name}: {how} ({outcome.seconds:.0f} s, {outcome.worker}, {count} done)", flush=True)
                yield outcome
    yield from jobs.unreadable
    print(f"{jobs.complete} of {len(jobs.images)} objects were complete before; {time.perf_counter() - start:.0f} s")


class Jobs:
    """The objects of a folder that are not complete.

    Args:
        images: Name of the object → image.
        batch: What to do.
        out: Where results go.

    Raises:
        ViewDistillError: Results cannot go there.
    """

    def __init__(self, images: dict[str, Path], batch: Batch, out: str) -> None:
        from commands.scaling.results import results_at

        self.images, self.batch = images, batch
        self.out = out if "://" in out else str(Path(out).absolute())
        self.results, self.digests = results_at(self.out), batch.digests()
        self.complete = 0
        """Objects that were complete already, of those that `pending` has come to."""
        self.unreadable: list[Outcome] = []
        """Of images that no job can be made of."""

    def pending(self, threads: int) -> Iterator[Job]:
        """A job for every object that is not complete, read when it is drawn."""
        from commands.scaling.images import ImageFile
        from commands.scaling.worker import Job, Outcome

        self.complete, self.unreadable = 0, []
        for name, path in self.images.items():
            try:
                image = ImageFile.read(name, path)
            except ViewDistillError as error:
                self.unreadable.append(Outcome(name, str(error)))
                continue
            if self.is_complete(image):
                self.complete += 1
                continue
            yield Job(image, self.batch, self.digests, self.out, str(Path.cwd()), threads)

    def is_complete(self, image: ImageFile) -> bool:
        """Whether all stages of the object are complete and were made from what they would be made from now."""
        keys = self.batch.keys(self.digests, (image.content, image.description))
        progress = self.results.progress(image.name)
        return all(progress.get(stage) == key for stage, key in keys.items())


def read_batch(arguments: argparse.Namespace) -> Batch:
    """What the options ask for.

    Raises:
        ViewDistillError: There is no such preset or stage, or options that cannot be split.
    """
    from commands.scaling.batch import NEEDS, Batch

    presets = REPOSITORY / "configs" / "presets"
    if arguments.preset is not None and not (presets / arguments.preset).is_dir():
        there = ", ".join(sorted(path.name for path in presets.iterdir()))
        raise ViewDistillError(f"--preset {arguments.preset}: there is none of this name; there are: {there}")
    options: dict[str, tuple[str, ...]] = {}
    for text in arguments.options:
        stage, _, values = text.partition("=")
        if stage.lower() not in NEEDS or not values:
            raise ViewDistillError(f"--options {text}: give STAGE=OPTIONS, the stage one of {', '.join(NEEDS)}")
        try:
            options[stage.lower()] = (*options.get(stage.lower(), ()), *shlex.split(values))
        except ValueError as error:
            raise ViewDistillError(f"--options {text}: {error}") from error
    return Batch(arguments.preset, arguments.seed, arguments.source, tuple(options.items()))


def check_commands(batch: Batch) -> None:
    """Refuse options that a stage's subcommand does not know, before anything is started.

    Raises:
        ViewDistillError: There is such an option.
    """
    for stage in batch.stages:
        name, *options = batch.command(stage, Path("image.png"), Path("runs/image"))
        unknown = build_parser(SUBCOMMANDS[name]).parse_known_args(options)[1]
        if unknown and not SUBCOMMANDS[name].open_ended:
            raise ViewDistillError(f"--options {stage}: unrecognised {' '.join(unknown)}")
        if any(option.startswith("--print_config") for option in unknown):
            raise ViewDistillError(f"--options {stage}: --print_config is for `viewdistill {name}`")
