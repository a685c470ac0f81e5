"""Random numbers as a function of (seed, step, purpose): a resumed run draws the same as an uninterrupted one."""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


class Purpose(IntEnum):
    """Purposes of random numbers; each has its own stream."""

    CAMERAS = 0
    RAYS = 1
    OCCUPANCY = 2
    DIFFUSION = 3
    IMAGES = 4
    """Initial noise of a sampled image; the step is the image's index."""
    EXAMPLES = 5
    """Training images of a step."""
    WEIGHTS = 6
    """Initial weights; the step is 0."""
    COMMON_NOISE = 7
    """Noise shared by all sampled views of an object; the step is 0."""
    TURN = 8
    """Common rotation of the azimuths of a step's cameras."""
    ELEVATIONS = 9
    """Choice between two rules for the elevation of each camera of a step."""


def generator_at(
    seed: int, step: int, purpose: Purpose, device: torch.device | str = "cpu", process: int = 0
) -> torch.Generator:
    """Yield a generator that depends only on the arguments.

    Args:
        seed: Seed of the run, not negative.
        step: Optimisation step, not negative.
        purpose: Stream of random numbers.
        device: Device of the generator.
        process: Rank among processes that share a fit and must draw differently; rank 0 draws as a single process.
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
    """Return noise of several sampled images, each a function of (seed, its index) alone; the same on every device.

    Args:
        seed: Seed of the run, not negative.
        indices: Of the images.
        shape: Channels, height and width of one.
        device: Device of the result.
        purpose: Stream of random numbers.
    """
    noise = [torch.randn(shape, generator=generator_at(seed, index, purpose)) for index in indices]
    return torch.stack(noise).to(device)
