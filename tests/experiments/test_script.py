"""The scripts' names in their own help."""

import re
from pathlib import Path

import pytest

from viewdistill.resources import REPOSITORY

EXPERIMENTS = REPOSITORY / "experiments"
SCRIPTS = sorted(p for p in EXPERIMENTS.rglob("*.py") if re.search(r"script_parser\(\"|prog=\"", p.read_text("utf-8")))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_help_names_the_module_as_it_is_run(path: Path) -> None:
    module = ".".join(path.relative_to(EXPERIMENTS).with_suffix("").parts)
    named = re.findall(r"script_parser\(\"([\w.]+)\"|prog=\"python -m experiments\.([\w.]+)\"", path.read_text("utf-8"))
    assert [one or other for one, other in named] == [module]


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) > 12
