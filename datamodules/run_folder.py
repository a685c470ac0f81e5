"""The files of one object's run: every name is fixed here, and everything is written under a temporary name first.

A run folder is ``runs/<object>/``. Stages speak to each other only through its files; each stage has a folder of its
own whose ``stage.json`` is written last, so its presence means that the stage is complete.
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
"""How the input was framed: cropped, scaled and centred like Zero-1-to-3's demo, or left as its camera saw it."""

EVALUATION_FILE = "evaluation.json"
"""Name of the scores of a run or of a prediction, see `viewdistill evaluate`."""

ElevationSource = Literal["option", "file", "estimate", "default"]
"""Who said the elevation: the user, the description beside the image, the view-conditioned prior, or nobody."""

ClassWordSource = Literal["option", "caption", "prior", "default"]
"""Who said the class word: the user, the image's caption, the text-conditioned prior, or nobody."""


@dataclass(frozen=True)
class InputMeta:
    """What is known about the input view; stored as ``input/meta.json``."""

    name: str
    """Name of the object: the stem of the image."""
    elevation_deg: Annotated[float, Range(-90.0, 90.0)]
    """Elevation of the input camera, degrees above the xy-plane."""
    framing: Framing
    """Whether the object was scaled and centred, or left as its camera saw it."""
    source: str
    """The image as the user gave it."""
    azimuth_deg: Annotated[float, Range()] = 0.0
    """Azimuth of the input camera, degrees; 0 by definition."""
    distance: Annotated[float, Range(0.0, open_ends=True)] = DISTANCE
    """Distance of the input camera from the origin, world units."""
    fovy_deg: Annotated[float, Range(0.0, 180.0, open_ends=True)] = FOVY_ZERO123
    """Vertical field of view of the input camera, degrees."""
    caption: str = ""
    """Words for the object, for priors that are conditioned on text; may be empty."""
    class_word: str = "object"
    """What kind of thing the object is, one or two words, for "a {class}" in the prompts of the specialisation."""
    seed: int | None = None
    """Seed of the procedural object that the image shows, where it shows one."""
    mask_source: MaskSource = "alpha"
    """What cut the object out."""
    elevation_source: ElevationSource = "default"
    """Who said the elevation."""
    elevation_confidence: float | None = None
    """Probability that the estimate is within 10 degrees, where one was made, see `viewdistill.guidance.elevation`."""
    elevation_alternatives: tuple[float, ...] = ()
    """Other elevations worth a try, degrees, where one was estimated."""
    class_word_source: ClassWordSource = "default"
    """Who said the class word."""
    class_word_margin: float | None = None
    """How clear the prior's choice was, where it made one, see `viewdistill.diffusion.classifier`."""
    notes: tuple[str, ...] = ()
    """What was noticed about the image: what was left out or changed, and what is doubtful, a sentence each."""

    def save(self, path: Path) -> None:
        """Write as JSON, atomically."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> "InputMeta":
        """Read what `save` wrote.

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
        """Folder of one stage."""
        return self.root / stage

    def record(self, stage: str) -> Path:
        """Record of a stage, written last: seconds, memory and files. Its presence means that the stage is complete."""
        return self.root / stage / "stage.json"

    def config(self, stage: str) -> Path:
        """The resolved settings that a stage was run with; stages without a YAML have none."""
        return self.root / stage / "config.yaml"

    def curves(self, stage: str) -> Path:
        """What a fitted stage logged, see `datamodules.curves`."""
        return self.root / stage / "curves.csv"

    @property
    def picture(self) -> Path:
        """The input image of an object that was given in words, RGBA; the words lie beside it as JSON."""
        return self.root / "picture" / "picture.png"

    @property
    def candidates(self) -> Path:
        """All samples that `picture` was chosen from."""
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
        """The latest checkpoint of the radiance field; there from the first save on, complete only with `record`."""
        return self.root / "field" / "last.ckpt"

    @property
    def field_config(self) -> Path:
        """The resolved configuration that the field was fitted with."""
        return self.root / "field" / "config.yaml"

    @property
    def novel_views(self) -> Path:
        """Samples of the view-conditioned prior around the object: a folder of posed views."""
        return self.root / "novel_views"

    def lora(self, stage: Literal["specialize_1", "specialize_2"]) -> Path:
        """LoRA of the text-conditioned prior's UNet in the layout that diffusers loads."""
        return self.root / stage / "pytorch_lora_weights.safetensors"

    def prompts(self, stage: Literal["specialize_1", "specialize_2"]) -> Path:
        """The words that a LoRA was trained with, see `datamodules.prompts`."""
        return self.root / stage / "prompts.json"

    def samples(self, stage: Literal["specialize_1", "specialize_2"]) -> Path:
        """Samples of every prompt that a LoRA was trained with, as a picture."""
        return self.root / stage / "samples.png"

    @property
    def raw_views(self) -> Path:
        """The field's renders from the cameras of `refined_views`, before refinement: a folder of posed views."""
        return self.root / "views" / "renders"

    @property
    def refined_views(self) -> Path:
        """The field's renders after the specialised prior denoised them: a folder of posed views."""
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
        """All results on one page that needs no other file."""
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
        """Scores against the truth, where it was evaluated."""
        return self.root / EVALUATION_FILE
