"""Errors of settings in words: key, value, what is allowed; no types of Python."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jsonargparse
import pytest

from commands.settings_errors import settings_message


@dataclass
class Inner:
    """Settings within settings."""

    scale: float | None = None
    """A number."""
    method: Literal["usd", "sds"] = "usd"
    """A choice."""


class Outer:
    """A class that a YAML configures."""

    def __init__(
        self, steps: int = 1, inner: Inner | None = None, precision: Literal[16, 32] | Literal["bf16"] | None = None
    ) -> None:
        self.steps = steps


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["--steps=abc"], "steps is abc: must be an integer"),
        (["--steps=1.5"], "steps is 1.5: must be an integer"),
        (["--inner.scale=x"], "inner.scale is x: must be a number or null"),
        (["--inner.method=nfsd"], "inner.method is nfsd: must be one of usd, sds"),
        (["--precision=8"], "precision is 8: must be one of 16, 32, bf16 or null"),
        (["--inner.nothing=8"], "inner.nothing: "),
        (["--nothing=1"], "nothing=1"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(settings: list[str], message: str):
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Outer)
    with pytest.raises(argparse.ArgumentError) as problem:
        parser.parse_args(settings)
    found = settings_message(str(problem.value))
    assert found.startswith(message) or message in found
    assert found.isprintable()
    for word in ("<class", "typing.", "NoneType", "Union", "Literal", "NestedArg"):
        assert word not in found


def test_what_has_another_form_is_kept_in_one_line(tmp_path: Path):
    assert settings_message("unrecognized arguments:\n --x") == "unrecognized arguments: --x"
