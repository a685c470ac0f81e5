"""What tells that results of a batch still hold."""

import os
from pathlib import Path

import pytest

from commands.pipeline.recipe import Recipe
from commands.scaling.batch import digests, keys


def changed_stages(first: Recipe, second: Recipe) -> set[str]:
    """Stages whose results do not hold for another batch."""
    image = (b"picture", None)
    before, after = (keys(recipe, digests(recipe), image) for recipe in (first, second))
    return {stage for stage in after if before.get(stage) != after[stage]}


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (Recipe(options=(("input", ("--elevation=5",)),)), {"input"}),
        (Recipe(options=(("field", ("--trainer.max_steps=7",)),)), {"field"}),
        (Recipe(options=(("class_images", ("--data.count=7",)),)), {"class_images"}),
        (Recipe(options=(("mesh", ("--faces=9",)),)), {"mesh"}),
        (Recipe(seed=4), set(Recipe().route.stages) - {"input", "mesh", "report"}),
        (Recipe(preset="debug"), set(Recipe().route.stages) - {"input", "mesh", "report"}),
        (Recipe(source="field"), {"mesh"}),
    ],
)
def test_a_change_reaches_its_stages_and_what_follows(change: Recipe, first: set[str]) -> None:
    expected: set[str] = set()
    for stage in change.route.stages:
        if stage in first or expected.intersection(change.route.needs(stage)):
            expected.add(stage)
    assert changed_stages(Recipe(), change) == expected
    assert changed_stages(change, change) == set()


def test_an_image_and_its_description_reach_everything() -> None:
    recipe = Recipe()
    settings = digests(recipe)
    found = [keys(recipe, settings, image) for image in ((b"a", None), (b"b", None), (b"a", b"{}"), (b"", b"a"))]
    for stage in recipe.route.stages:
        assert len({key[stage] for key in found}) == 4, stage


def test_weights_count_by_content_and_not_by_place_or_time(tmp_path: Path) -> None:
    def digest(place: Path) -> str:
        changed = ("field", ("--model.guidance.view_prior", str(place)))
        return digests(Recipe(options=(changed,), source="field"))["field"]

    prior = tmp_path / "prior"
    prior.mkdir()
    (prior / "weights.safetensors").write_bytes(b"one")
    before = digest(prior)
    os.utime(prior / "weights.safetensors", (1, 1))
    assert digest(prior) == before
    (prior / "weights.safetensors").write_bytes(b"two")
    assert digest(prior) != before
