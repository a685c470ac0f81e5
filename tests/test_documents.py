"""What the documents say: their commands can be given, their links lead somewhere, the front page is short."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.parsing import parse
from commands.table import SUBCOMMANDS

REPOSITORY = Path(__file__).parents[1]
DOCUMENTS = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "experiments/README.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
]
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^\.PHONY: ([a-z-]+)", MAKEFILE, re.MULTILINE))
VARIABLES = {*re.findall(r"\b[A-Z][A-Z_0-9]+\b", MAKEFILE), "RAY_ADDRESS", "WANDB_MODE", "PIP_EXTRA_INDEX_URL"}


def commands_in(document: Path) -> Iterator[list[str]]:
    """Commands of code blocks and of single phrases in code, as words; without what only describes one (`…`)."""
    text = document.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    phrases = re.findall(r"`((?:viewdistill|make) [^`\n]+)`", text)
    for line in [line for block in blocks for line in block.splitlines()] + phrases:
        for part in re.split(r"&&|\|\|", line.split("  #")[0]):
            words = re.sub(r"^\.venv/bin/", "", part.strip())
            if re.match(r"([A-Z_]+=\S+ )*(viewdistill|make) ", words) and not re.search(r"[…{]|\.\.\.", words):
                yield shlex.split(words)


def test_make_is_asked_for_targets_and_variables_that_it_has() -> None:
    seen = 0
    for document in DOCUMENTS:
        for words in commands_in(document):
            while "=" in words[0]:
                assert words.pop(0).split("=")[0] in VARIABLES, document
            if words[0] == "make":
                seen += 1
                for word in words[1:]:
                    known = word.split("=")[0] in VARIABLES if "=" in word else word.startswith("-") or word in TARGETS
                    assert known or word in MAKEFILE.split("STAGES :=")[1].splitlines()[0], (document, words)
    assert seen > 30


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_subcommands_take_the_options_that_documents_give_them(
    document: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files in examples need not exist, so that one is missing is no fault of the document; another refusal is."""
    monkeypatch.chdir(REPOSITORY)
    for words in commands_in(document):
        words = [word for word in words if not re.match(r"[A-Z_]+=", word)]
        if words[0] != "viewdistill":
            continue
        if words[1] in ("--help", "--version"):
            continue
        assert words[1] in SUBCOMMANDS, (document, words)
        if len(words) == 2:
            continue  # the name of the subcommand, in prose
        try:
            parse([word if word != "RUN" else "runs/robot" for word in words[1:]])
        except SystemExit:
            refusal = capsys.readouterr().err
            assert re.search("no such (file|folder)|nothing is there", refusal), (document, words, refusal)


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (document.parent / target).exists(), (document, target)


def test_the_front_page_is_short_and_begins_with_two_commands() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) <= 900
    block = re.search(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    assert [line.split("  #")[0].strip() for line in block[1].splitlines()] == [
        "make object IMG=examples/robot.png",
        "make test",
    ]
