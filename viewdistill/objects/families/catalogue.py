"""Families of objects, and the two held out from all training.

Teapots and dogs are held out: spouts, lids, handles, muzzles, legs and ears occur in other families (watering can, jug,
mug, cat, pig, toy horse), so they need a new combination of known parts.
"""

from collections.abc import Callable

import numpy as np

from viewdistill.objects.families import animals, buildings, craft, figures, furniture, household, nature, vehicles
from viewdistill.objects.geometry import freeform
from viewdistill.objects.geometry.parts import Shape

Family = Callable[[np.random.Generator], Shape]

PARAMETRIC_FAMILIES: tuple[Family, ...] = (
    household.mug,
    household.bottle,
    household.lamp,
    household.watering_can,
    household.jug,
    household.clock,
    household.gift_box,
    household.flower_pot,
    furniture.chair,
    furniture.table,
    furniture.stool,
    furniture.sofa,
    furniture.cupboard,
    furniture.bed,
    animals.cat,
    animals.pig,
    animals.elephant,
    animals.bird,
    animals.duck,
    animals.penguin,
    animals.fish,
    animals.turtle,
    vehicles.car,
    vehicles.truck,
    vehicles.train,
    craft.boat,
    craft.plane,
    craft.rocket,
    craft.submarine,
    nature.mushroom,
    nature.tree,
    nature.cactus,
    nature.snowman,
    nature.cake,
    nature.ice_cream,
    buildings.house,
    buildings.castle,
    buildings.tower,
    buildings.windmill,
    buildings.letter_box,
    figures.robot,
    figures.teddy_bear,
    figures.doll,
    figures.guitar,
    figures.camera,
    figures.hat,
    figures.toy_horse,
)
FREE_FORM_FAMILIES: tuple[Family, ...] = (
    freeform.turned_vase,
    freeform.metaballs,
    freeform.smooth_creature,
    freeform.superquadric_assembly,
    freeform.noisy_blob,
    freeform.stacked_blocks,
    freeform.swept_loop,
)

TRAIN_FAMILIES: tuple[Family, ...] = (*PARAMETRIC_FAMILIES, *FREE_FORM_FAMILIES, *FREE_FORM_FAMILIES)
"""Training families, drawn with equal weight; the free forms occur twice, so they are a quarter of all objects."""

HELD_OUT_FAMILIES: tuple[Family, ...] = (household.teapot, animals.dog)
"""Held-out families."""
