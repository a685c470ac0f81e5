"""Further pictures of the object: what `--reference` says, and the pictures framed as the input is."""

from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from commands import options
from commands.inputs.input_choices import read_known_view
from datamodules.posed_views import ViewCamera, clear_views, save_cameras, save_view
from datamodules.runs.run_folder import InputMeta, RunFolder
from viewdistill.errors import ViewDistillError
from viewdistill.input.cut_out import load_cut_out
from viewdistill.input.framing import fit_framing, keep_framing, native_side

HELP = (
    "another picture of the object and where its camera was: degrees of azimuth from the input's camera (90 is the "
    "object's own left, the right of the picture) and of elevation, as back.png:180,30; may be given several times"
)


@dataclass(frozen=True)
class ReferencePicture:
    """A picture and the angles of its camera; distance and lens are the input camera's."""

    path: Path
    """The picture."""
    azimuth_deg: float
    """From the input camera, counter-clockwise seen from above, degrees."""
    elevation_deg: float
    """Degrees."""

    def __str__(self) -> str:
        return f"{self.path}:{self.azimuth_deg:.10g},{self.elevation_deg:.10g}"

    @property
    def angles(self) -> tuple[float, float]:
        """Azimuth and elevation."""
        return self.azimuth_deg, self.elevation_deg


def reference_picture(value: str) -> ReferencePicture:
    """Parse ``PATH:AZIMUTH,ELEVATION``.

    Raises:
        ArgumentTypeError: It has another form, or an angle is out of range.
    """
    path, colon, angles = value.rpartition(":")
    azimuth, comma, elevation = angles.partition(",")
    if not (path and colon and comma):
        raise ArgumentTypeError(f"{options.shown(value)}: must be PICTURE:AZIMUTH,ELEVATION, as back.png:180,30")
    return ReferencePicture(
        options.path(path),
        options.Number(-360, 360, unit="degrees")(azimuth),
        options.Number(-90, 90, unit="degrees")(elevation),
    )


def read_reference(value: str) -> ReferencePicture:
    """Return ``PATH:AZIMUTH,ELEVATION`` as a reference.

    Raises:
        ViewDistillError: It has another form, or an angle is out of range.
    """
    try:
        return reference_picture(value)
    except ArgumentTypeError as error:
        raise ViewDistillError(f"reference {error}") from None


def split_first(references: Sequence[ReferencePicture]) -> tuple[ReferencePicture, tuple[ReferencePicture, ...]]:
    """Return the first reference, which becomes the input, and the others as seen from its camera."""
    first, *others = references
    turned = tuple(replace(one, azimuth_deg=one.azimuth_deg - first.azimuth_deg) for one in others)
    return first, turned


@dataclass(frozen=True)
class FramedReference:
    """A reference as it is written."""

    rgba: UInt8[np.ndarray, "size size 4"]
    """The framed picture."""
    camera: ViewCamera
    """Its camera."""
    notes: tuple[str, ...]
    """What was noticed about the picture."""


def framed_reference(picture: ReferencePicture, keep_framing_of_all: bool | None, meta: InputMeta) -> FramedReference:
    """Cut a reference out and frame it.

    Args:
        picture: The picture.
        keep_framing_of_all: As of the input; none: as the description beside the picture says, else not.
        meta: Of the input, whose distance and lens hold.

    Raises:
        ViewDistillError: The picture cannot be used.
    """
    cut_out = load_cut_out(picture.path, None)
    known = read_known_view(picture.path.with_suffix(".json"))
    keep = known.framing == "kept" if keep_framing_of_all is None else keep_framing_of_all
    rgba = (keep_framing if keep else fit_framing)(cut_out.rgba, native_side(cut_out.rgba, keep))
    camera = ViewCamera(picture.azimuth_deg, picture.elevation_deg, meta.distance, meta.fovy_deg)
    return FramedReference(rgba, camera, tuple(f"{picture.path.name}: {note}" for note in cut_out.notes))


def write_references(folder: RunFolder, references: Sequence[FramedReference]) -> None:
    """Write the references of a run, in place of those of an earlier attempt."""
    clear_views(folder.references)
    if not references:
        if folder.references.is_dir():
            folder.references.rmdir()
        return
    for index, reference in enumerate(references):
        save_view(folder.references, index, reference.rgba)
    save_cameras(folder.references, [reference.camera for reference in references])
