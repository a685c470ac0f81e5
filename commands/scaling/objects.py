"""`viewdistill objects`: every image of a folder to a mesh, on this machine or on a Ray cluster."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from commands import options
from commands.arguments import add_recipe_arguments
from commands.parsing import one_line
from commands.pipeline.recipe import Recipe, read_options
from commands.scaling.batch import digests, keys
from commands.scaling.cluster import cluster, outcomes
from commands.scaling.images import ImageFile, find_images
from commands.scaling.results import results_at
from commands.scaling.worker import Job, JobOutcome
from datamodules.runs.memory_limit import chosen_limit
from datamodules.runs.stages import Source
from viewdistill.errors import ViewDistillError

EPILOG = """\
Works on this machine, or on the Ray cluster that the environment's RAY_ADDRESS names; all its machines need the same
version of this repository. Objects that are complete are left alone, and one that was stopped goes on where it was.
objects.log in a run folder holds what its stages said. With a URL, packages of its protocol are needed (s3fs for s3://).
A fit that was stopped goes on from its checkpoint where --out is a folder, and begins again where it is a URL."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    folder: Path
    """Folder with images."""
    out: str = "runs"
    """Folder or URL of the run folders."""
    preset: str | None = None
    """Folder of ``configs/presets``; the shipped YAMLs alone when not given, or ``nano``."""
    seed: int | None = None
    """Seed of everything random; the YAMLs' own when not given."""
    source: Source = "surface"
    """Stage that the meshes are made from."""
    options: Sequence[str] = ()
    """More options of stages, each as ``STAGE=OPTIONS``."""
    workers: int | None = None
    """Objects at a time on this machine; one per GPU, or one per pair of cores, when not given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument("folder", type=options.existing_folder, metavar="FOLDER", help="folder with images")
    parser.add_argument(
        "--out",
        type=options.text,
        default="runs",
        metavar="RUNS",
        help="folder that all workers see, or URL as s3://bucket/runs, to write a run folder each to (default runs)",
    )
    add_recipe_arguments(parser)
    parser.add_argument(
        "--workers",
        type=options.COUNT,
        metavar="N",
        help="objects at a time on this machine (default: one a GPU, or one a pair of cores); not for a cluster",
    )


def run(request: Request) -> None:
    """Make all objects that are not complete, and list those that could not be made.

    Raises:
        ViewDistillError: There is nothing to work on, an option is wrong, Ray is not there, or objects failed.
    """
    images, recipe = find_images(request.folder), recipe_of(request)
    jobs = Jobs(images, recipe, request.out)
    failed = [outcome for outcome in make(jobs, request.workers) if outcome.error is not None]
    if not failed:
        return
    for outcome in failed:
        print(one_line(f"{outcome.name}: {outcome.error}"), file=sys.stderr)
    raise ViewDistillError(
        f"{len(failed)} of {len(images)} objects failed; fix the problems and run the same command again, "
        "which makes only these"
    )


def recipe_of(request: Request) -> Recipe:
    """Return the choices that all objects share.

    Raises:
        ViewDistillError: There is no such stage, or options that cannot be split.
    """
    return Recipe(request.preset, request.seed, request.source, options=read_options(request.options))


def make(jobs: "Jobs", workers: int | None) -> Iterator[JobOutcome]:
    """Do the jobs, telling of each when it is done; Ray is only started where there is one."""
    start = time.perf_counter()
    first = next(jobs.pending(1), None)
    if first is not None:
        with cluster(workers) as found:
            for count, outcome in enumerate(outcomes(jobs.pending(found.share.cores), found), 1):
                how = "failed" if outcome.error else f"complete, {len(outcome.stages)} stages run"
                print(f"{outcome.name}: {how} ({outcome.seconds:.0f} s, {outcome.worker}, {count} done)", flush=True)
                yield outcome
    yield from jobs.unreadable
    print(f"{jobs.complete} of {len(jobs.images)} objects were complete before; {time.perf_counter() - start:.0f} s")


class Jobs:
    """The objects of a folder that are not complete.

    Args:
        images: Name of the object → image.
        recipe: The choices of all objects.
        out: Where results go.

    Raises:
        ViewDistillError: Results cannot go there, or a setting of a stage is wrong.
    """

    def __init__(self, images: dict[str, Path], recipe: Recipe, out: str) -> None:
        self.images, self.recipe = images, recipe
        self.out = out if "://" in out else str(Path(out).absolute())
        self.results, self.digests = results_at(self.out), digests(recipe)
        self.complete = 0
        """Objects that were complete already, of those that `pending` has come to."""
        self.unreadable: list[JobOutcome] = []
        """Of images that no job can be made of."""

    def pending(self, threads: int) -> Iterator[Job]:
        """A job for every object that is not complete, read when it is drawn."""
        self.complete, self.unreadable = 0, []
        for name, path in self.images.items():
            try:
                image = ImageFile.read(name, path)
            except ViewDistillError as error:
                self.unreadable.append(JobOutcome(name, str(error)))
                continue
            if self.is_complete(image):
                self.complete += 1
                continue
            yield Job(image, self.recipe, self.digests, self.out, str(Path.cwd()), threads, chosen_limit())

    def is_complete(self, image: ImageFile) -> bool:
        """Whether all stages of the object are complete and were made from what they would be made from now."""
        wanted = keys(self.recipe, self.digests, (image.content, image.description))
        progress = self.results.progress(image.name)
        return all(progress.get(stage) == key for stage, key in wanted.items())
