import numpy as np
import pytest

from viewdistill.objects.families.catalogue import TRAIN_FAMILIES
from viewdistill.objects.generator import TEST_SEEDS, generate
from viewdistill.objects.nouns import NOUNS, noun_of_caption


def test_every_family_has_its_noun_in_the_list():
    drawn = {family(np.random.default_rng(0)).noun for family in TRAIN_FAMILIES}
    assert drawn <= set(NOUNS)


def test_the_generators_own_captions_give_their_nouns():
    for seed in TEST_SEEDS[:40]:
        obj = generate(seed)
        assert noun_of_caption(obj.caption) == obj.noun, obj.caption


@pytest.mark.parametrize(
    ("caption", "noun"),
    [
        ("a red mug with white stripes", "mug"),
        ("a pink and navy mushroom with a magenta label and orange trim", "mushroom"),
        ("An old Watering Can.", "watering can"),
        ("a stack of blocks with pink body", "stack of blocks"),
        ("a photo of a hamburger on a plate", "hamburger"),
        ("the picture of a tall giraffe", "giraffe"),
        ("two smuggled hatboxes", "hatboxes"),
        ("teapot", "teapot"),
        ("", None),
        (" … ", None),
    ],
)
def test_captions_by_hand(caption: str, noun: str | None):
    assert noun_of_caption(caption) == noun
