from dataclasses import replace
from pathlib import Path

import pytest

from datamodules.prompts import Prompts, check_template
from viewdistill.errors import ViewDistillError

PROMPTS = Prompts("photo of a {}", "toy robot", "vvv", "sss")


def test_prompts_grow_more_specific() -> None:
    assert PROMPTS.of_class == "photo of a toy robot"
    assert PROMPTS.of_object == "photo of a vvv toy robot"
    assert PROMPTS.of_input == "photo of a sss vvv toy robot"


def test_only_prompts_with_words_are_known() -> None:
    assert list(PROMPTS.known) == ["class", "object", "input"]
    assert list(replace(PROMPTS, input_identifier="").known) == ["class", "object"]
    assert list(Prompts("a {}", "mug").known.values()) == ["a mug"]


def test_prompts_come_back(tmp_path: Path) -> None:
    PROMPTS.save(tmp_path / "prompts.json")
    assert Prompts.load(tmp_path / "prompts.json") == PROMPTS


def test_other_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "prompts.json").write_text('{"template": "a {}"}')
    with pytest.raises(ViewDistillError, match=r"prompts\.json: class_word: missing; delete it and run"):
        Prompts.load(tmp_path / "prompts.json")


@pytest.mark.parametrize("template", ["a thing", "a {} of {}", "a {x}", "{", "a {} }"])
def test_templates_need_one_place(template: str) -> None:
    with pytest.raises(ViewDistillError, match="template"):
        check_template(template)
