"""`viewdistill object`: everything from one image, or from words, to the mesh and its report."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commands import options
from commands.arguments import add_recipe_arguments
from commands.inputs.reference_pictures import HELP, ReferencePicture, reference_picture, split_first
from commands.pipeline.display import Display
from commands.pipeline.names import run_name
from commands.pipeline.outcome import Outcome, tell
from commands.pipeline.recipe import Recipe, read_options
from commands.pipeline.walk import command_lines, jobs_of, stale, walk
from commands.reporting.summary import write_summary
from commands.tracking.object import track_object
from datamodules.runs.run_folder import RunFolder
from datamodules.runs.stages import STAGES, Source
from viewdistill.errors import ViewDistillError

EPILOG = """\
Stages whose results hold are skipped: those that were made from these settings, this image and these priors. A call
that was stopped, however, goes on where it was. object.log in the run folder holds what the stages say.
Priors and configurations are those of the installation; the working directory does not matter."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    image: Path | None = None
    """Image of an object."""
    text: str | None = None
    """Words in place of an image."""
    preset: str | None = None
    """Folder of ``configs/presets``; the shipped YAMLs alone when not given, or ``nano``."""
    runs: Path = Path("runs")
    """Folder of all runs."""
    source: Source = "surface"
    """Stage that the mesh is made from."""
    seed: int | None = None
    """Seed of everything random; the YAMLs' own when not given."""
    mask: Path | None = None
    """Mask of the image."""
    class_word: str | None = None
    """Kind of object; chosen when not given."""
    elevation: float | None = None
    """Elevation of the input camera, degrees; estimated when not given."""
    references: Sequence[ReferencePicture] = ()
    """Further pictures of the object; the first stands for the image where there is none."""
    options: Sequence[str] = ()
    """More options of stages, each as ``STAGE=OPTIONS``."""
    live: bool = False
    """Whether to show the fields in a browser while they are fitted."""
    only: str | None = None
    """The one stage to run; those before it have to be complete."""
    dry_run: bool = False
    """Whether to print the commands of what would be run, and to run nothing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument("image", nargs="?", type=options.path, metavar="IMG", help="image of an object")
    parser.add_argument("--text", type=options.text, metavar="WORDS", help='words in place of IMG, as "a red mug"')
    parser.add_argument(
        "--runs",
        type=options.output_folder,
        default=Path("runs"),
        metavar="DIR",
        help="folder of all runs (default runs)",
    )
    add_recipe_arguments(parser)
    parser.add_argument("--mask", type=options.existing_file, metavar="PNG", help="as of `viewdistill input`")
    parser.add_argument("--class-word", type=options.text, metavar="NOUN", help="as of `viewdistill input`")
    parser.add_argument(
        "--elevation",
        type=options.Number(-90, 90, unit="degrees"),
        metavar="DEG",
        help="as of `viewdistill input`",
    )
    parser.add_argument(
        "--reference", dest="references", action="append", default=[], type=reference_picture, metavar="PICTURE:AZ,EL",
        help=f"{HELP}; without IMG, the first is the input",
    )  # fmt: skip
    parser.add_argument(
        "--live", action="store_true", help="show the fields in a browser while they are fitted (extra `view`)"
    )
    parser.add_argument(
        "--only", choices=tuple(STAGES), metavar="STAGE", help="run this stage alone, after those that it reads"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the commands of the stages that would be run, and run nothing"
    )


def run(request: Request) -> None:
    """Run all stages whose results do not hold, and say where the results are.

    Raises:
        ViewDistillError: An option is wrong, or a stage fails.
    """
    recipe, subject = recipe_of(request)
    folder = RunFolder(request.runs / run_name(subject))
    stages = recipe.route.stages if request.only is None else (request.only,)
    if request.only is not None and request.only not in recipe.route.stages:
        raise ViewDistillError(f"--only {request.only}: not on the way to this mesh: {', '.join(recipe.route.stages)}")
    jobs = jobs_of(recipe, subject, folder.root, stages)
    if request.dry_run:
        for line in command_lines(recipe, subject, folder.root, stale(jobs)):
            print(line)
        return
    with Display() as display:
        ran = walk(jobs, display, recipe.object_command(subject, request.runs))
    if request.only is None:
        write_summary(folder)
        if ran:
            track_object(folder)
        tell(Outcome.of(folder), display)


def recipe_of(request: Request) -> tuple[Recipe, Path | str]:
    """Return the choices, and the image or the words that they are for.

    Raises:
        ViewDistillError: There is neither image nor text, or both; or an option is wrong.
    """
    if request.image is not None and request.text is not None:
        raise ViewDistillError("an image and --text both say what the object is; give one of them")
    if request.text is not None and request.references:
        raise ViewDistillError("--reference is for pictures of one object; give the object as an image too, not words")
    image, elevation, references = pictures_of(request)
    subject = image if request.text is None else " ".join(request.text.split())
    if subject is None:
        raise ViewDistillError('which object? Give an image, as `viewdistill object photo.png`, or --text "a red mug"')
    recipe = Recipe(
        request.preset,
        request.seed,
        request.source,
        request.text is not None,
        request.mask,
        request.class_word,
        elevation,
        references,
        request.live,
        read_options(request.options),
    )
    return recipe, subject


def pictures_of(request: Request) -> tuple[Path | None, float | None, tuple[ReferencePicture, ...]]:
    """Return the input image and the elevation of its camera, as far as they are known, and the further references."""
    if request.image is not None or not request.references:
        return request.image, request.elevation, tuple(request.references)
    first, others = split_first(request.references)
    return first.path, first.elevation_deg if request.elevation is None else request.elevation, others
