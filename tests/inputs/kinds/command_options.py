"""Options: every option of every subcommand that takes a value, with values that have broken programs."""

import argparse
import os
import re
from collections.abc import Iterator
from pathlib import Path

from commands import options
from commands.parsing import build_parser
from commands.table import SUBCOMMANDS, Subcommand
from tests.inputs.case import Case, Ended, Expected, Refused
from tests.inputs.kinds.pictures import encoded, rgba

KIND = "options"

NUMBERS = {
    "-1": "-1",
    "0": "0",
    "30 ones": "1" * 30,
    "nan": "nan",
    "inf": "inf",
    "-inf": "-inf",
    "empty": "",
    "text": "abc",
    "2^63": str(2**63),
    "1e400": "1e400",
    "5,000 digits": "9" * 5000,
    "an Arabic one": "١",
}
"""Values of numeric options."""

NEVER = {"nan", "inf", "-inf", "empty", "text", "an Arabic one", "1e400", "5,000 digits", "30 ones"}
"""Values that no number may have."""

CHOICES = {"empty": "", "another word": "sideways", "a number": "7", "a line break": "y\nz", "upper case": "CPU MESH"}
"""Values of options with choices."""

PATHS = {
    "empty": "",
    "a null character": "a\0b",
    "5,000 letters": "x" * 5000,
    "a device": "/dev/zero",
    "a pipe": "pipe",
    "a loop of links": "loop",
    "a file within a file": "file/x",
    "a kernel's file": "/proc/self/mem",
    "a line break": "a\nb",
    "half a character": "\udcff",
}
"""Values of options that are paths."""

TEXTS = {"empty": "", "a line break": "a\nb", "an escape": "\x1b[31m", "half a character": "\udcff", "a null": "a\0b"}
"""Values of options that are words."""

HARMLESS: dict[str, tuple[str, ...]] = {
    "object": ("--dry-run", "--only=input", "--", "toy.png"),
    "picture": ("--out=runs/toy", "--model.prior=none", "--", "a mug"),
    "input": ("--out=runs/toy", "--elevation=10", "--class-word=box", "--", "toy.png"),
    "specialize": ("--stage=1", "--", "runs/none"),
    "objects": ("--", "empty"),
    "compare": ("--", "runs/none", "runs/other"),
    "evaluate": ("--", "runs/none"),
    "doctor": (),
    "train": ("--config=none.yaml", "--", "lifting"),
    "export-prior": ("--cache=empty", "--", "lifting"),
    "convert": ("--", "toy.png", "runs/prior"),
    "evaluate-prior": ("--prior=none",),
    "bias": ("--prior", "none"),
    "objects-preview": ("--count=1", "--size=8", "--out=runs/sheet.png"),
    "examples": (),
}
"""Subcommand → words with which it ends soon whatever its option is; by default a run that is not there."""

TOO_LONG = {("examples", "ground_truth"), ("examples", "out"), ("doctor", "json")}
"""Options that would be taken at their word, whose work is long."""


def prepare(folder: Path) -> None:
    """What stands in the folder."""
    (folder / "toy.png").write_bytes(encoded(rgba(), "PNG"))
    (folder / "file").write_text("x")
    (folder / "loop").symlink_to("loop")
    (folder / "empty").mkdir()
    os.mkfifo(folder / "pipe")


def values_of(action: argparse.Action) -> dict[str, str]:
    """Bad values of an option, by its type."""
    if action.choices is not None:
        return CHOICES
    if isinstance(action.type, options.Integer | options.Number):
        return NUMBERS
    return TEXTS if action.type is options.text else PATHS


def expected_of(action: argparse.Action, given: str) -> Expected:
    """What has to come of a value: those that mean nothing are refused, and the line names the option."""
    name = next((each for each in action.option_strings if each.startswith("--")), action.metavar or action.dest)
    named = Refused(re.escape(str(name)))
    if action.choices is not None or given in ("empty", "a null character", "a null"):
        return named
    if isinstance(action.type, options.Integer) and given in NEVER | {"2^63"}:
        return named
    if isinstance(action.type, options.Number) and given in NEVER - may_be(action.type):
        return named
    return Ended()


def may_be(kind: options.Number) -> set[str]:
    """Values that mean nothing for a whole number, but something for this one."""
    return {"an Arabic one"} | ({"30 ones"} if kind.high > 1e29 else set())


def arguments_of(subcommand: Subcommand, action: argparse.Action, value: str) -> tuple[str, ...]:
    """The words that give one option a value, after those that let the command end soon."""
    words = HARMLESS.get(subcommand.name, ("--", "runs/none"))
    flags, names = (words[: words.index("--")], words[words.index("--") :]) if "--" in words else (words, ())
    if action.option_strings:
        return (subcommand.name, *flags, f"{action.option_strings[0]}={value}", *names)
    more = ("runs/prior",) if (subcommand.name, action.dest) == ("convert", "checkpoint") else ()
    first = ("toy.png",) if (subcommand.name, action.dest) == ("convert", "out") else ()
    return (subcommand.name, *flags, "--", *first, value, *more)


OF_AN_OPTION = 5
"""Bad values that each option is tried with; in tests/commands/test_options.py it is parsed with many more."""


def cases() -> Iterator[Case]:
    """Every option with bad values of its type, in turn."""
    turn = 0
    for subcommand in SUBCOMMANDS.values():
        for action in build_parser(subcommand)._actions:
            if action.nargs == 0 or (subcommand.name, action.dest) in TOO_LONG:
                continue
            name = action.option_strings[0] if action.option_strings else str(action.metavar or action.dest)
            values = list(values_of(action).items())
            for number in range(min(OF_AN_OPTION, len(values))):
                given, value = values[(turn + number) % len(values)]
                yield Case(
                    KIND,
                    f"{subcommand.name} {name}: {given}",
                    arguments_of(subcommand, action, value),
                    expected_of(action, given),
                    prepare,
                    environment={"HF_HUB_OFFLINE": "1"},
                )
            turn += OF_AN_OPTION
