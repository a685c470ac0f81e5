"""Generation of a textured object from a seed; the same on every machine."""

import numpy as np

from viewdistill.errors import ViewDistillError
from viewdistill.objects.choosing_prints import choose_printed_materials
from viewdistill.objects.families.catalogue import (
    FREE_FORM_FAMILIES,
    HELD_OUT_FAMILIES,
    PARAMETRIC_FAMILIES,
    TRAIN_FAMILIES,
)
from viewdistill.objects.geometry.limbs import with_limbs
from viewdistill.objects.textured import ProceduralObject, assemble

TRAIN_SEEDS = range(1_000_000)
"""Training objects."""
TEST_SEEDS = range(10_000_000, 20_000_000)
"""Held-out objects of the training families."""
HELD_OUT_SEEDS = range(20_000_000, 30_000_000)
"""Objects of the two held-out families."""

PATTERNED_SEEDS = range(1_000_000, 2_000_000)
"""Training objects with bold prints and thin parts."""
PATTERNED_TEST_SEEDS = range(30_000_000, 40_000_000)
"""Held-out objects with bold prints and thin parts."""

FREE_FORM_SHARE = 0.45
"""Share of free forms among patterned objects: on their smooth shapes, paint is easily mistaken for relief."""
LIMBED_SHARE = 0.75
"""Share of patterned free forms with thin parts; a third of it for named families, which have their own."""


def generate(seed: int) -> ProceduralObject:
    """Generate the object of a seed.

    Args:
        seed: In one of the ranges above, which choose the families.

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
    """Return a shape for prints: free forms are more frequent than in training, and most shapes get thin parts."""
    families = FREE_FORM_FAMILIES if rng.uniform() < FREE_FORM_SHARE else PARAMETRIC_FAMILIES
    shape = families[rng.integers(len(families))](rng)
    if rng.uniform() < (LIMBED_SHARE if families is FREE_FORM_FAMILIES else LIMBED_SHARE / 3):
        shape = with_limbs(shape, rng)
    return assemble(shape, rng, choose_printed_materials)
