"""Inputs of an ablation: test objects, each seen once, from an exactly known camera."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from commands.generation.examples import EXAMPLES
from datamodules.runs.run_folder import write_json
from viewdistill.cameras import FOVY_ZERO123
from viewdistill.input.framing import SMALLEST_SIDE
from viewdistill.objects.generator import generate
from viewdistill.objects.render import poses, render
from viewdistill.pictures import write_picture


@dataclass(frozen=True)
class Case:
    """One object and the camera of its input view."""

    object: int
    """Seed of the procedural object."""
    azimuth: float
    """Azimuth of the input camera in the object's own frame, degrees; a run calls it 0."""
    elevation: float
    """Elevation of the input camera, degrees."""
    name: str = ""
    """Its name, if any."""

    @property
    def label(self) -> str:
        """Name of its runs."""
        return self.name or str(self.object)

    @classmethod
    def of_example(cls, seed: int) -> "Case":
        """Return the input of the object in ``examples/`` with this seed."""
        (example,) = (example for example in EXAMPLES if example.seed == seed)
        return cls(seed, example.object_azimuth_deg, example.elevation_deg, example.name)

    @classmethod
    def of(cls, seed: int, elevation: float | None = None) -> "Case":
        """Draw the input camera of an object: in front of it, from eye level to 30 degrees above.

        Args:
            seed: Seed of the object.
            elevation: Replaces the drawn one, degrees.
        """
        rng = np.random.default_rng([seed, 3])
        azimuth, drawn = round(float(rng.uniform(-40, 40)), 1), round(float(rng.uniform(0, 30)), 1)
        return cls(seed, azimuth, drawn if elevation is None else elevation)

    def path(self, folder: Path) -> Path:
        """Return the path of the input view in a folder; its name encodes the object and the camera."""
        return folder / f"{self.object}_{self.azimuth:g}_{self.elevation:g}.png"

    def write(self, folder: Path) -> None:
        """Render the input view, once, with a description beside it for the input stage and the scores.

        Args:
            folder: Folder of the inputs.
        """
        path = self.path(folder)
        if not path.is_file():
            obj = generate(self.object)
            description = {
                "elevation_deg": self.elevation,
                "object_azimuth_deg": self.azimuth,
                "framing": "kept",
                "caption": obj.caption,
                "seed": self.object,
            }
            write_json(path.with_suffix(".json"), description)
            c2w = poses([self.azimuth], [self.elevation])
            write_picture(path, render(obj, c2w, FOVY_ZERO123, SMALLEST_SIDE, supersample=4).rgba[0])
