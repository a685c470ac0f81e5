"""Further pictures of the object, as priors look at them beside the input image."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class FurtherReference(NamedTuple):
    """A picture with its camera."""

    image: Float[Tensor, "1 3 height width"]
    """In [0, 1], over white."""
    azimuth_deg: float
    """Of its camera, seen from the input camera, degrees."""
    elevation_deg: float
    """Of its camera, degrees."""
