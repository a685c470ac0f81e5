"""Commands that messages, help and the documentation name exist."""

import re
from pathlib import Path

import pytest

from commands.table import SUBCOMMANDS

REPOSITORY = Path(__file__).parents[2]

SOURCES = [
    *(
        path
        for package in ("viewdistill", "datamodules", "lightning_modules", "callbacks", "commands", "experiments")
        for path in sorted((REPOSITORY / package).rglob("*.py"))
    ),
    *sorted((REPOSITORY / "configs").rglob("*.yaml")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
    REPOSITORY / "README.md",
]

NAMED = re.compile(r"`(?:\.venv/bin/)?viewdistill ([^\s`]+)")
"""A command in code quotes, with its first word."""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_command_that_is_named_exists(path: Path):
    for word in NAMED.findall(path.read_text(encoding="utf-8")):
        if word[0] in "{<…-":  # a variable, or an option of the command itself
            continue
        assert word in SUBCOMMANDS, word
