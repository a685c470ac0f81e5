"""The entry point in Python: `viewdistill.distill`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from commands.inputs.reference_pictures import read_reference
from commands.pipeline.display import Display
from commands.pipeline.names import run_name
from commands.pipeline.object import Request, recipe_of
from commands.pipeline.outcome import Outcome
from commands.pipeline.recipe import option_texts
from commands.pipeline.walk import jobs_of, walk
from commands.process import prepare_process
from commands.reporting.summary import write_summary
from commands.tracking.object import track_object
from datamodules.runs.run_folder import RunFolder
from datamodules.runs.stages import Source


def distill(
    image: str | Path | None = None,
    *,
    text: str | None = None,
    preset: str | None = None,
    runs: str | Path = "runs",
    source: Source = "surface",
    seed: int | None = None,
    mask: str | Path | None = None,
    class_word: str | None = None,
    elevation: float | None = None,
    references: Sequence[str] = (),
    options: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> Outcome:
    """Make a mesh of an object, like `viewdistill object`; results that are up to date are reused.

    Args:
        image: Image of the object.
        text: Words instead of an image.
        preset: Folder of ``configs/presets``, as ``debug``; the shipped YAMLs alone when not given, or ``nano``.
        runs: Folder of all runs.
        source: Source stage of the mesh.
        seed: Seed of everything random; the YAMLs' own when not given.
        mask: Mask of the image, the object white.
        class_word: Kind of object; chosen by the text-conditioned prior when not given.
        elevation: Elevation of the input camera, degrees; estimated when not given.
        references: Further pictures, each as ``PICTURE:AZIMUTH,ELEVATION``, degrees; without an image, the first is it.
        options: Stage → more options, as ``{"field": "--trainer.max_steps 600"}``.
        quiet: Whether to show no progress.

    Returns:
        Files, mesh and scores.

    Raises:
        ViewDistillError: The image or an option cannot be used, or a stage fails.
    """
    prepare_process()
    request = Request(
        None if image is None else Path(image),
        text,
        preset,
        Path(runs),
        source,
        seed,
        None if mask is None else Path(mask),
        class_word,
        elevation,
        [read_reference(value) for value in references],
        option_texts(options or {}),
    )
    recipe, subject = recipe_of(request)
    folder = RunFolder(request.runs / run_name(subject))
    jobs = jobs_of(recipe, subject, folder.root)
    with Display(quiet) as display:
        ran = walk(jobs, display, recipe.object_command(subject, request.runs))
    write_summary(folder)
    if ran:
        track_object(folder)
    return Outcome.of(folder)
