"""Random numbers as a function of (seed, step, purpose): a resumed run draws what an undisturbed one would."""

from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """What the numbers are for; each purpose has a stream of its own."""

    CAMERAS = 0
    RAYS = 1
    OCCUPANCY = 2
    DIFFUSION = 3


def generator_at(seed: int, step: int, purpose: Purpose, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that depends on nothing but its arguments.

    Args:
        seed: Seed of the run, not negative.
        step: Optimisation step, not negative.
        purpose: Which stream.
        device: Where the numbers will be drawn.
    """
    state = np.random.SeedSequence([seed, step, int(purpose)]).generate_state(1, np.uint64)
    # torch seeds are signed 64-bit numbers
    return torch.Generator(device).manual_seed(int(state[0] >> np.uint64(1)))
