"""The Markdown files: links lead somewhere, what they name exists, their commands can be given."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands.parsing import parse
from commands.table import SUBCOMMANDS
from viewdistill.resources import REPOSITORY

DOCUMENTS = [
    *sorted(REPOSITORY.glob("*.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
    *sorted((REPOSITORY / "experiments").glob("*.md")),
    *sorted((REPOSITORY / "priors" / "nano").rglob("README.md")),
]
TEMPLATE = REPOSITORY / "experiments" / "prior_card.md"
"""Becomes `priors/nano/README.md`, from where its links lead."""

CURRENT = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]
"""Those that speak of this version alone."""

named = pytest.mark.parametrize("document", CURRENT, ids=lambda path: str(path.relative_to(REPOSITORY)))


def code(document: Path) -> str:
    """What a document sets as code, in lines or in blocks."""
    text = document.read_text(encoding="utf-8")
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))


def paths(settings: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every setting of a YAML, as it is named in an option: without ``init_args``."""
    for name, value in settings.items() if isinstance(settings, dict) else ():
        here = place if name == "init_args" else (*place, name)
        yield here
        yield from paths(value, here)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8"))
    folder = REPOSITORY / "priors" / "nano" if document == TEMPLATE else document.parent
    missing = [link for link in links if "://" not in link and not (folder / link).exists()]
    assert not missing


@named
def test_subcommands_and_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = code(document)
    assert set(re.findall(r"(?<!from )\bviewdistill ([a-z][a-z-]+)\b", text)) <= set(SUBCOMMANDS)
    assert set(re.findall(r"\bmake ([a-z][a-z-]+)\b", text)) <= targets
    scripts = re.findall(r"python -m (experiments\.[\w.]*\w)", text)
    assert all((REPOSITORY / f"{script.replace('.', '/')}.py").is_file() for script in scripts)


@pytest.fixture(scope="module")
def settings() -> set[tuple[str, ...]]:
    """All that stand in a YAML of configs/, and the loss that docs/extending.md adds."""
    files = (REPOSITORY / "configs").rglob("*.yaml")
    found = {place for path in files for place in paths(yaml.safe_load(path.read_text(encoding="utf-8")))}
    return found | {("model", "weights", "smooth_depth")}


@named
def test_settings_exist(document: Path, settings: set[tuple[str, ...]]) -> None:
    options = re.findall(r"--((?:model|data|trainer)\.[\w.]*\w)", code(document))
    wrong = [o for o in options if tuple(part for part in o.split(".") if part != "init_args") not in settings]
    assert not wrong


def commands_in(document: Path) -> Iterator[list[str]]:
    """Command lines of `viewdistill` in code, as words; those with a part left out (`…`) do not count."""
    for line in code(document).splitlines():
        for part in re.split(r"&&|`", line.split("  #")[0]):
            words = re.sub(r"^\.venv/bin/", "", part.strip())
            if re.match(r"([A-Z_]+=\S+ )*viewdistill \S+ \S", words) and not re.search(r"[…{]|\.\.\.|<", words):
                yield [word for word in shlex.split(words) if not re.match(r"[A-Z_]+=", word)]


@named
def test_subcommands_take_the_options_that_documents_give_them(
    document: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files in examples need not exist, so that one is missing is no fault of the document; another refusal is."""
    monkeypatch.chdir(REPOSITORY)
    for words in commands_in(document):
        try:
            parse(words[1:])
        except SystemExit as stop:
            refusal = "" if stop.code == 0 else capsys.readouterr().err
        else:
            refusal = ""
        assert not refusal or re.search("no such (file|folder)|nothing is there", refusal), (words, refusal)


def test_each_of_the_fifteen_pains_has_an_answer_and_a_command() -> None:
    """Whether the commands can be given is tested with all others."""
    text = (REPOSITORY / "docs" / "pains.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \|([^|]+)\|([^|]+)\|([^|]+)\|$", text, re.MULTILINE)
    assert [int(number) for number, *_ in rows] == list(range(1, 16))
    for _, pain, answer, command in rows:
        assert pain.strip()
        assert len(answer.split()) > 5
        assert re.fullmatch(r" `(viewdistill|make) [^`]+` ", command)
    assert "(docs/pains.md)" in (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_front_page_is_short_and_begins_with_two_commands() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) <= 900
    block = re.search(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    commands = [line.split("  #")[0].strip() for line in block[1].splitlines()]
    assert commands == ["make object IMG=examples/robot.png", "make test"]
