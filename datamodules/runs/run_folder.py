"""Files of one object's run: all names are defined here, and all files are written atomically.

A run folder is ``runs/<object>/``. Stages communicate only through its files. Each stage has its own folder, whose
``stage.json`` is written last, so its presence means that the stage is complete.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from viewdistill.cameras import DISTANCE, FOVY_ZERO123
from viewdistill.documents import read_document, read_json
from viewdistill.files import atomic_path, make_folder, write_json
from viewdistill.input.sources import MaskSource
from viewdistill.schema import Range

__all__ = ["InputMeta", "RunFolder", "atomic_path", "make_folder", "read_json", "write_json"]

Framing = Literal["fitted", "kept"]
"""Framing of the input: cropped, scaled and centred as in Zero-1-to-3's demo, or kept as the camera saw it."""

EVALUATION_FILE = "evaluation.json"
"""Name of the scores of a run or of a prediction, see `viewdistill evaluate`."""

ElevationSource = Literal["option", "file", "estimate", "default"]
"""Source of the elevation: the user, the description beside the image, the view-conditioned prior, or the default."""

ClassWordSource = Literal["option", "caption", "prior", "default"]
"""Source of the class word: the user, the image's caption, the text-conditioned prior, or the default."""


@dataclass(frozen=True)
class InputMeta:
    """Description of the input view; stored as ``input/meta.json``."""

    name: str
    """Name of the object: the stem of the image."""
    elevation_deg: Annotated[float, Range(-90.0, 90.0)]
    """Elevation of the input camera, degrees above the xy-plane."""
    framing: Framing
    """Framing: scaled and centred, or kept as the camera saw it."""
    source: str
    """The user's image."""
    azimuth_deg: Annotated[float, Range()] = 0.0
    """Azimuth of the input camera, degrees; 0 by definition."""
    distance: Annotated[float, Range(0.0, open_ends=True)] = DISTANCE
    """Distance of the input camera from the origin, world units."""
    fovy_deg: Annotated[float, Range(0.0, 180.0, open_ends=True)] = FOVY_ZERO123
    """Vertical field of view of the input camera, degrees."""
    caption: str = ""
    """Description of the object, for text-conditioned priors; may be empty."""
    class_word: str = "object"
    """Class word, one or two words, for "a {class}" in the prompts of the specialisation."""
    seed: int | None = None
    """Seed of the procedural object in the image, if it is one."""
    mask_source: MaskSource = "alpha"
    """Source of the cut-out."""
    elevation_source: ElevationSource = "default"
    """Source of the elevation."""
    elevation_confidence: float | None = None
    """Probability that an estimate is within 10 degrees of the truth, see `viewdistill.guidance.elevation`."""
    elevation_alternatives: tuple[float, ...] = ()
    """Plausible alternatives to an estimated elevation, degrees."""
    class_word_source: ClassWordSource = "default"
    """Source of the class word."""
    class_word_margin: float | None = None
    """Margin of the prior's choice, if it made one, see `viewdistill.diffusion.classifier`."""
    notes: tuple[str, ...] = ()
    """Notes on the image: omissions, changes and doubts, one sentence each."""

    def save(self, path: Path) -> None:
        """Write as JSON, atomically."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> "InputMeta":
        """Read a file of `save`.

        Raises:
            ViewDistillError: The file is missing, damaged, or not of this version.
        """
        return read_document(path, cls, "delete it and run `viewdistill input`")


@dataclass(frozen=True)
class MadeBy:
    """The command that makes a whole run; stored as ``command.json``."""

    words: list[str]
    """Of the command line, the program's name first."""

    def save(self, path: Path) -> None:
        """Write as JSON, atomically."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> "MadeBy":
        """Read what `save` wrote.

        Raises:
            ViewDistillError: The file is missing, damaged, or not of this version.
        """
        return read_document(path, cls, "delete it and run `viewdistill object` again")


@dataclass(frozen=True)
class RunFolder:
    """Names of the files under ``runs/<object>/``."""

    root: Path
    """The folder of one object."""

    @property
    def name(self) -> str:
        """Name of the object."""
        return self.root.name

    def stage(self, stage: str) -> Path:
        """Return the folder of one stage."""
        return self.root / stage

    def record(self, stage: str) -> Path:
        """Return the path of a stage's record, written last: seconds, memory and files. It marks completion."""
        return self.root / stage / "stage.json"

    def config(self, stage: str) -> Path:
        """Return the path of a stage's resolved settings; stages without a YAML have none."""
        return self.root / stage / "config.yaml"

    def curves(self, stage: str) -> Path:
        """Return the path of a fitted stage's curves, see `datamodules.runs.curves`."""
        return self.root / stage / "curves.csv"

    @property
    def picture(self) -> Path:
        """Input image of an object given in words, RGBA; the words lie beside it as JSON."""
        return self.root / "picture" / "picture.png"

    @property
    def candidates(self) -> Path:
        """All candidates for `picture`."""
        return self.root / "picture" / "candidates.png"

    @property
    def rgba(self) -> Path:
        """The framed input image, 8-bit RGBA with straight alpha."""
        return self.root / "input" / "rgba.png"

    @property
    def input_meta(self) -> Path:
        """Camera and source of the input image, see `InputMeta`."""
        return self.root / "input" / "meta.json"

    @property
    def references(self) -> Path:
        """Pictures that the user gave beside the input image, framed: a folder of posed views, if there are any."""
        return self.root / "input" / "references"

    @property
    def field_checkpoint(self) -> Path:
        """Latest checkpoint of the radiance field; exists from the first save on, complete only with `record`."""
        return self.root / "field" / "last.ckpt"

    @property
    def field_config(self) -> Path:
        """Resolved configuration of the field's fit."""
        return self.root / "field" / "config.yaml"

    @property
    def novel_views(self) -> Path:
        """Samples of the view-conditioned prior around the object: a folder of posed views."""
        return self.root / "novel_views"

    def lora(self, stage: Literal["specialize_1", "specialize_2"]) -> Path:
        """Return the path of a LoRA of the text-conditioned prior's UNet, in diffusers' layout."""
        return self.root / stage / "pytorch_lora_weights.safetensors"

    def prompts(self, stage: Literal["specialize_1", "specialize_2"]) -> Path:
        """Return the path of a LoRA's prompts, see `datamodules.prompts`."""
        return self.root / stage / "prompts.json"

    def samples(self, stage: Literal["specialize_1", "specialize_2"]) -> Path:
        """Return the path of a picture with samples of a LoRA's prompts."""
        return self.root / stage / "samples.png"

    @property
    def raw_views(self) -> Path:
        """The field's renders from the cameras of `refined_views`, before refinement: a folder of posed views."""
        return self.root / "views" / "renders"

    @property
    def refined_views(self) -> Path:
        """The field's renders, denoised by the specialised prior: a folder of posed views."""
        return self.root / "views"

    @property
    def surface_checkpoint(self) -> Path:
        """The latest checkpoint of the signed distance field."""
        return self.root / "surface" / "last.ckpt"

    @property
    def glb(self) -> Path:
        """The textured mesh, +Y up."""
        return self.root / "mesh" / "object.glb"

    @property
    def obj(self) -> Path:
        """The same mesh as Wavefront OBJ, beside its ``.mtl`` and ``.png``."""
        return self.root / "mesh" / "object.obj"

    @property
    def stl(self) -> Path:
        """Its geometry alone, for printing: +Z up, in millimetres."""
        return self.root / "mesh" / "object.stl"

    @property
    def turntable(self) -> Path:
        """Orbit video of the mesh."""
        return self.root / "mesh" / "turntable.mp4"

    @property
    def contact_sheet(self) -> Path:
        """Eight views of the mesh beside the input."""
        return self.root / "mesh" / "contact_sheet.png"

    @property
    def report(self) -> Path:
        """All results on one self-contained page."""
        return self.root / "report" / "report.html"

    @property
    def command(self) -> Path:
        """The command line that makes the whole object, where one did, see `MadeBy`."""
        return self.root / "command.json"

    @property
    def summary(self) -> Path:
        """Seconds, peak memory and files of all stages."""
        return self.root / "summary.json"

    @property
    def evaluation(self) -> Path:
        """Scores against the truth, if the run was evaluated."""
        return self.root / EVALUATION_FILE
