"""Random numbers as a function of (seed, step, purpose): a resumed run draws what an undisturbed one would."""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


class Purpose(IntEnum):
    """What the numbers are for; each purpose has a stream of its own."""

    CAMERAS = 0
    RAYS = 1
    OCCUPANCY = 2
    DIFFUSION = 3
    IMAGES = 4
    """Noise that an image is sampled from; the step is the image's index."""
    EXAMPLES = 5
    """Which training images a step sees."""
    WEIGHTS = 6
    """First weights; the step is 0."""
    COMMON_NOISE = 7
    """Noise that all sampled views of an object have in common; the step is 0."""
    TURN = 8
    """By how much the azimuths of a step's cameras are turned together."""
    ELEVATIONS = 9
    """By which of two rules the elevation of each camera of a step is drawn."""


def generator_at(
    seed: int, step: int, purpose: Purpose, device: torch.device | str = "cpu", process: int = 0
) -> torch.Generator:
    """A generator that depends on nothing but its arguments.

    Args:
        seed: Seed of the run, not negative.
        step: Optimisation step, not negative.
        purpose: Which stream.
        device: Where the numbers will be drawn.
        process: Of several that share a fit and must not draw the same; the first draws what one alone would.
    """
    entropy = [seed, step, int(purpose), *([process] if process else [])]
    state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
    # torch seeds are signed 64-bit numbers
    return torch.Generator(device).manual_seed(int(state[0] >> np.uint64(1)))


def image_noise(
    seed: int,
    indices: Sequence[int],
    shape: tuple[int, int, int],
    device: torch.device | str = "cpu",
    purpose: Purpose = Purpose.IMAGES,
) -> Float[Tensor, "images c h w"]:
    """Noise of several sampled images, each a function of (seed, its index) alone; the same on every device.

    Args:
        seed: Seed of the run, not negative.
        indices: Of the images.
        shape: Channels, height and width of one.
        device: Where the result goes.
        purpose: Which stream.
    """
    noise = [torch.randn(shape, generator=generator_at(seed, index, purpose)) for index in indices]
    return torch.stack(noise).to(device)
