"""Sizes of the mesh, and sources of its texture."""

from dataclasses import dataclass

from viewdistill.errors import ViewDistillError
from viewdistill.mesh.cleaning import CleaningSettings
from viewdistill.mesh.from_field import MeshSettings

SHIPPED = "configs/mesh.yaml"
"""The settings."""

BOUNDS = {
    "resolution": (8, 2048),
    "texture_size": (8, 16384),
    "faces": (8, 10**8),
    "opacity_size": (8, 4096),
}
"""Setting → smallest and largest value."""


@dataclass(frozen=True)
class MeshStageSettings:
    """The settings of the mesh stage, as the YAML has them."""

    resolution: int
    """Marching-cubes nodes per axis."""
    texture_size: int
    """Side of the texture, texels."""
    faces: int
    """Largest number of faces."""
    opacity_size: int
    """Side of the views for choosing a field's iso-value, pixels."""
    projection: bool | None
    """Whether the texture comes from the input image and the refined views, which must be complete; where not given,
    from the input image and, of a surface, from the refined views where they are complete."""
    input_weight: float
    """Weight of the input image in the texture, where a refined view has 1.

    The input is the ground truth of the visible side: with 1,000, beside 16 refined views, its share of the colour is
    99 % at 45 degrees and 95 % at 60 degrees. It decreases smoothly beyond 70 degrees (82 %), where its pixels are
    stretched, and at the rim, where it may show the background.
    """

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            ViewDistillError: A value is out of bounds.
        """
        for name, (low, high) in BOUNDS.items():
            value: int = getattr(self, name)
            if not low <= value <= high:
                raise ViewDistillError(f"{name} is {value:,}; give {low} to {high:,}")
        if not 0 <= self.input_weight < float("inf"):
            raise ViewDistillError(f"input_weight is {self.input_weight:g}; give 0 or more")

    @property
    def sizes(self) -> MeshSettings:
        """Sizes of the mesh."""
        return MeshSettings(
            resolution=self.resolution,
            texture_size=self.texture_size,
            cleaning=CleaningSettings(face_budget=self.faces),
        )
