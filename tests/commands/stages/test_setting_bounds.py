"""Numbers in settings: each has bounds, which what is shipped keeps and what means nothing does not."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from commands.setting_bounds import BOUNDS, LARGEST, check_numbers, numbers
from commands.stages.field import Request, prepare
from commands.stages.picture import Request as PictureRequest
from commands.stages.picture import prepare as prepare_picture
from viewdistill.errors import ViewDistillError
from viewdistill.resources import CONFIGS

PLAIN = ("input.yaml", "mesh.yaml")
"""Settings of stages without Lightning; their dataclasses have the bounds."""

SHIPPED = [path for path in sorted(CONFIGS.rglob("*.yaml")) if path.name not in PLAIN and path.parent.name != "sweeps"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_what_is_shipped_is_within_bounds_and_every_number_has_some(path: Path):
    content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    check_numbers(content)
    unbounded = {".".join(key) for key, _ in numbers(content, ()) if key[-1] not in BOUNDS and key[0] != "trainer"}
    assert unbounded == set()


@given(st.sampled_from(sorted(BOUNDS)), st.one_of(st.floats(), st.integers()))
def test_a_number_is_within_its_bounds_or_refused(name: str, value: float):
    bounds = BOUNDS[name]
    if bounds.low <= value <= bounds.high:
        check_numbers({"model": {"init_args": {name: [value]}}})
    else:
        with pytest.raises(ViewDistillError, match=rf"model\.{name} is .*: must be a number at least"):
            check_numbers({"model": {"init_args": {name: [value]}}})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2 * LARGEST, 10**400])
def test_settings_of_others_are_finite_too(value: float):
    with pytest.raises(ViewDistillError, match="a number"):
        check_numbers({"model": {"init_args": {"own": value}}})
    check_numbers({"model": {"init_args": {"own": -1.5, "flag": True, "word": "nan"}}})


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("--model.weights.sparsity=.nan", "model.weights.sparsity is nan: must be a number at least 0"),
        (
            "--model.optimizer.betas=[0.9, 1.5]",
            "model.optimizer.betas is 1.5: must be a number at least 0 and at most 1",
        ),
        ("--data.elevation_range=[.inf, 3]", "data.elevation_range is inf: must be a number at least -360"),
        ("--model.seed=-1", "model.seed is -1: must be a number at least 0"),
        ("--trainer.max_steps=10000000000000000000000", "max_steps is a number of more than 63 bits"),
    ],
)
def test_a_setting_is_refused_with_its_name(tmp_path: Path, setting: str, message: str):
    with pytest.raises(ViewDistillError) as problem:
        prepare(Request(tmp_path / "runs" / "toy", settings=(setting,)))
    assert message in str(problem.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["null", "~", "[1, 2]", "{a: 1}", "007", 'a "mug"', "yes: no", "🐘", "a\x7fb\x9fc"])
def test_words_are_words_whatever_yaml_would_make_of_them(tmp_path: Path, text: str):
    assert prepare_picture(PictureRequest(tmp_path / "[1]", text=text)).settings["data"]["init_args"]["text"] == text
