"""From a seed to a textured object: object N is the same everywhere."""

import numpy as np

from viewdistill.errors import ViewDistillError
from viewdistill.objects.families import HELD_OUT_FAMILIES, TRAIN_FAMILIES
from viewdistill.objects.textured import ProceduralObject, assemble

TRAIN_SEEDS = range(1_000_000)
"""Objects that priors may be trained on."""
TEST_SEEDS = range(10_000_000, 20_000_000)
"""Objects of the training families that were never trained on."""
HELD_OUT_SEEDS = range(20_000_000, 30_000_000)
"""Objects of the two families that were never trained on."""


def generate(seed: int) -> ProceduralObject:
    """The object of a seed.

    Args:
        seed: In `TRAIN_SEEDS`, `TEST_SEEDS` or `HELD_OUT_SEEDS`; the range decides which families are drawn from.

    Raises:
        ViewDistillError: The seed is in none of the ranges.
    """
    if seed in HELD_OUT_SEEDS:
        families = HELD_OUT_FAMILIES
    elif seed in TRAIN_SEEDS or seed in TEST_SEEDS:
        families = TRAIN_FAMILIES
    else:
        raise ViewDistillError(
            f"object seed {seed} is in no range: use 0-999999 (training), 10000000-19999999 (test) "
            "or 20000000-29999999 (held-out families)"
        )
    rng = np.random.Generator(np.random.PCG64(seed))
    family = families[rng.integers(len(families))]
    return assemble(family(rng), rng)
