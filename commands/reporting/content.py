"""Content of a run's report, gathered from its files."""

import io
import shlex
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from commands.reporting.run_warnings import run_warnings
from commands.reporting.score_words import scores
from datamodules.posed_views import ViewCamera, load_cameras, load_references
from datamodules.runs.curves import load_curves
from datamodules.runs.run_folder import InputMeta, MadeBy, RunFolder
from datamodules.runs.stage_record import complete_records
from datamodules.runs.stages import STAGES, Route
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.export import InputCamera
from viewdistill.mesh.video import first_frame
from viewdistill.report.curve_plot import curve_svg
from viewdistill.report.mesh_data import data_url, viewer_mesh
from viewdistill.report.page import Gallery, Page, PictureColumn, Plot, ReportedStage
from viewdistill.version import __version__


def gather(folder: RunFolder, meta: InputMeta) -> Page:
    """Collect all existing content and the names of missing stages.

    Raises:
        ViewDistillError: A file of a complete stage is missing or damaged.
    """
    words = folder.record("picture").is_file()
    stages = [stage for stage in Route(words=words).stages if stage != "report"]
    records = complete_records(folder, stages)
    camera = InputCamera(meta.elevation_deg, meta.azimuth_deg, meta.distance, meta.fovy_deg)
    return Page(
        name=meta.name,
        caption=meta.caption,
        version=__version__,
        input_facts=input_facts(meta),
        warnings=tuple(run_warnings(meta, records)),
        missing=tuple(stage for stage in stages if stage not in records),
        galleries=galleries(folder, records),
        stages=tuple(stage_of(folder, name, record) for name, record in records.items()),
        mesh=viewer_mesh(folder.glb, camera) if "mesh" in records else None,
        mesh_facts=mesh_facts(records["mesh"]) if "mesh" in records else {},
        video=data_url(read_bytes(folder.turntable), "video/mp4") if folder.turntable.is_file() else "",
        poster=poster_url(folder.turntable),
        scores=scores(folder),
        command=object_command(folder),
        commands=tuple(command_of(folder, meta, stage) for stage in records),
    )


def object_command(folder: RunFolder) -> str:
    """Return the one command line that makes the object again; empty where its stages were run one by one.

    Raises:
        ViewDistillError: What the run keeps of it is damaged.
    """
    if not folder.command.is_file():
        return ""
    return shlex.join(MadeBy.load(folder.command).words)


def command_of(folder: RunFolder, meta: InputMeta, stage: str) -> str:
    """Return the command line that makes a stage again, with the settings that the run folder keeps of it."""
    config = folder.config(stage)
    kept = [f"--config={config}"] if config.is_file() else []
    if stage != "input":
        subcommand, *options = STAGES[stage].subcommand
        place = [f"--out={folder.root}", "--", meta.caption] if stage == "picture" else [str(folder.root)]
        return shlex.join(("viewdistill", subcommand, *options, *kept, *place))
    known = [f"--elevation={meta.elevation_deg:g}", f"--class-word={meta.class_word}"]
    return shlex.join(("viewdistill", "input", f"--out={folder.root}", *known, "--", meta.source))


def input_facts(meta: InputMeta) -> dict[str, str]:
    """The input camera and words, with who said them."""
    return {
        "source": meta.source,
        "elevation": f"{meta.elevation_deg:g}° ({meta.elevation_source})",
        "class word": f"{meta.class_word} ({meta.class_word_source})",
        "mask": meta.mask_source,
        "framing": meta.framing,
        "camera": f"distance {meta.distance:g}, vertical field of view {meta.fovy_deg:g}°",
    }


def mesh_facts(record: dict[str, Any]) -> dict[str, str]:
    """Figures of the mesh stage, for people."""
    names = {
        "source": "made from",
        "vertices": "vertices",
        "faces": "triangles",
        "watertight": "watertight",
        "sound": "sound",
        "genus": "handles",
        "input_iou": "silhouette IoU with the input",
        "texels_from_views": "texture from views",
    }
    figures = record.get("figures", {})
    return {text: figure_text(name, figures[name]) for name, text in names.items() if name in figures}


def figure_text(name: str, value: Any) -> str:
    """One figure, for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "texels_from_views":
        return f"{value:.0%}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def stage_of(folder: RunFolder, name: str, record: dict[str, Any]) -> ReportedStage:
    """Costs, settings and curves of a complete stage."""
    config = folder.config(name)
    figures = record.get("figures")
    plots = [
        Plot(metric, curve.values[-1], svg)
        for metric, curve in load_curves(folder.curves(name)).items()
        if (svg := curve_svg(metric, curve.steps, curve.values))
    ]
    return ReportedStage(
        name=name,
        seconds=record["seconds"],
        peak_memory_mb=record["peak_memory_mb"],
        finished_at=record.get("finished_at", ""),
        settings=read_bytes(config).decode(errors="replace") if config.is_file() else "",
        figures=yaml.safe_dump(figures, sort_keys=False, allow_unicode=True) if figures else "",
        plots=tuple(plots),
    )


def galleries(folder: RunFolder, complete: Collection[str]) -> tuple[Gallery, ...]:
    """All pictures of complete stages, in the order of the stages; the input image first."""
    pictures = [PictureColumn("framed, over white", (picture_url(folder.rgba),))]
    for path, camera in load_references(folder):
        pictures.append(PictureColumn(f"reference, {camera_text(camera)}", (picture_url(path),)))
    novel_note = "Samples of the view-conditioned prior, from which the specialisation learns the object."
    samples_note = "Samples of each prompt; the first row shows instances."
    makers: dict[str, Callable[[], Gallery]] = {
        "field": lambda: field_gallery(folder),
        "novel_views": lambda: posed_gallery("Novel views", novel_note, folder.novel_views),
        "specialize_1": lambda: sheet("Specialisation, stage 1", samples_note, folder.samples("specialize_1")),
        "specialize_2": lambda: sheet("Specialisation, stage 2", samples_note, folder.samples("specialize_2")),
        "views": lambda: refined_gallery(folder),
        "mesh": lambda: replace(
            sheet("Mesh from eight sides", "Colour above, shape below.", folder.contact_sheet), scrolls=True
        ),
    }
    note = (
        "The image that everything else is made from." if len(pictures) == 1 else "What everything else is made from."
    )
    first = Gallery("Input", note, tuple(pictures))
    return (first, *(make() for stage, make in makers.items() if stage in complete))


def field_gallery(folder: RunFolder) -> Gallery:
    """The last picture of the field's validation."""
    views = folder.stage("field") / "views"
    rings = sorted(views.glob("step_*.png"))
    note = "The radiance field at the end of the fit: the input on the left, colour above, opacity below."
    return sheet("Field", note, rings[-1] if rings else views)


def posed_gallery(title: str, note: str, views: Path) -> Gallery:
    """A folder of posed views."""
    columns = [PictureColumn(camera_text(camera), (picture_url(path),)) for path, camera in load_cameras(views)]
    return Gallery(title, note, tuple(columns))


def refined_gallery(folder: RunFolder) -> Gallery:
    """Refined views below the renders that they were made from, where those are still there."""
    columns: list[PictureColumn] = []
    for path, camera in load_cameras(folder.refined_views):
        pair = [view for view in (folder.raw_views / path.name, path) if view.is_file()]
        columns.append(PictureColumn(camera_text(camera), tuple(map(picture_url, pair))))
    note = "Above: the field's render. Below: refined by the specialised prior."
    return Gallery("Refined views", note, tuple(columns), turn=True)


def sheet(title: str, note: str, picture: Path) -> Gallery:
    """One sheet of many pictures; a stage can be told to draw none."""
    if not picture.is_file():
        return Gallery(title, "The stage has left no pictures.")
    return Gallery(title, note, (PictureColumn(picture.name, (picture_url(picture),)),), wide=True)


def camera_text(camera: ViewCamera) -> str:
    """Return a view's camera in words."""
    return f"azimuth {camera.azimuth_deg:g}°, elevation {camera.elevation_deg:g}°"


def picture_url(path: Path) -> str:
    """A PNG as the URL of itself.

    Raises:
        ViewDistillError: The file cannot be read or is damaged.
    """
    content = read_bytes(path)
    try:
        Image.open(io.BytesIO(content)).verify()
    except (OSError, SyntaxError) as error:
        raise ViewDistillError(f"{path}: damaged picture ({error}); run its stage again") from error
    return data_url(content, "image/png")


def poster_url(video: Path) -> str:
    """Return the first frame of a video as the URL of itself; empty where there is none."""
    frame = first_frame(video) if video.is_file() else None
    return data_url(frame, "image/png") if frame is not None else ""


def read_bytes(path: Path) -> bytes:
    """A file's content.

    Raises:
        ViewDistillError: The file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ViewDistillError(f"{path}: not readable ({error.strerror}); run its stage again") from error
