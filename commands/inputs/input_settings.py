"""Settings of the input stage's estimates."""

from dataclasses import dataclass

from viewdistill.diffusion.class_words import ClassWords
from viewdistill.errors import ViewDistillError
from viewdistill.precision import Precision

SHIPPED = "configs/input.yaml"
"""The settings."""


@dataclass(frozen=True)
class InputSettings:
    """Priors and sizes of the estimates."""

    view_prior: str
    """Folder of the view-conditioned prior, diffusers layout, or its name on the hub; estimates the elevation."""
    elevation_guidance_scale: float
    """Guidance scale of its sampled views."""
    elevation_steps: int
    """DDIM steps of each, 1 to 1,000."""
    text_prior: str
    """Folder or name of the text-conditioned prior; chooses the class word."""
    clip: str | None
    """Folder or name of a CLIP model, which chooses instead of the text prior."""
    class_words: ClassWords
    """Vocabulary of class words."""
    precision: Precision
    """Precision of the priors."""

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            ViewDistillError: A value is out of bounds.
        """
        if not 1 <= self.elevation_steps <= 1000:
            raise ViewDistillError(f"elevation_steps is {self.elevation_steps}; give 1 to 1,000")
        if not 0 <= self.elevation_guidance_scale <= 100:
            raise ViewDistillError(f"elevation_guidance_scale is {self.elevation_guidance_scale:g}; give 0 to 100")
