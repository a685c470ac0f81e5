"""From a seed to a textured object: object N is the same everywhere."""

import numpy as np

from viewdistill.errors import ViewDistillError
from viewdistill.objects.choosing_prints import choose_printed_materials
from viewdistill.objects.families import FREE_FORM_FAMILIES, HELD_OUT_FAMILIES, PARAMETRIC_FAMILIES, TRAIN_FAMILIES
from viewdistill.objects.limbs import with_limbs
from viewdistill.objects.textured import ProceduralObject, assemble

TRAIN_SEEDS = range(1_000_000)
"""Objects that priors may be trained on."""
TEST_SEEDS = range(10_000_000, 20_000_000)
"""Objects of the training families that were never trained on."""
HELD_OUT_SEEDS = range(20_000_000, 30_000_000)
"""Objects of the two families that were never trained on."""

PATTERNED_SEEDS = range(1_000_000, 2_000_000)
"""Objects with bold prints and thin parts that priors may be trained on."""
PATTERNED_TEST_SEEDS = range(30_000_000, 40_000_000)
"""Such objects that were never trained on."""

FREE_FORM_SHARE = 0.45
"""Of patterned objects: smooth shapes without a name, on which paint is easily taken for relief."""
LIMBED_SHARE = 0.75
"""Of free forms among patterned objects that get thin parts; of the named families, which have their own, a third."""


def generate(seed: int) -> ProceduralObject:
    """The object of a seed.

    Args:
        seed: In one of the ranges above, which decide what is drawn from.

    Raises:
        ViewDistillError: The seed is in none of the ranges.
    """
    if seed in PATTERNED_SEEDS or seed in PATTERNED_TEST_SEEDS:
        return _patterned(np.random.Generator(np.random.PCG64(seed)))
    if seed in HELD_OUT_SEEDS:
        families = HELD_OUT_FAMILIES
    elif seed in TRAIN_SEEDS or seed in TEST_SEEDS:
        families = TRAIN_FAMILIES
    else:
        raise ViewDistillError(
            f"object seed {seed} is in no range: use 0-999999 (training), 10000000-19999999 (test), "
            "20000000-29999999 (held-out families), 1000000-1999999 (patterned, training) "
            "or 30000000-39999999 (patterned, test)"
        )
    rng = np.random.Generator(np.random.PCG64(seed))
    family = families[rng.integers(len(families))]
    return assemble(family(rng), rng)


def _patterned(rng: np.random.Generator) -> ProceduralObject:
    """A shape of the training families, free forms more often than there, with prints and, mostly, with thin parts."""
    families = FREE_FORM_FAMILIES if rng.uniform() < FREE_FORM_SHARE else PARAMETRIC_FAMILIES
    shape = families[rng.integers(len(families))](rng)
    if rng.uniform() < (LIMBED_SHARE if families is FREE_FORM_FAMILIES else LIMBED_SHARE / 3):
        shape = with_limbs(shape, rng)
    return assemble(shape, rng, choose_printed_materials)
