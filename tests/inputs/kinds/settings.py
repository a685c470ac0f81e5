"""Settings: every key of every YAML with values that mean nothing, as an option and as an overlay."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from datamodules.runs.stages import STAGES
from tests.inputs.case import Case, Ended, Expected, Refused
from viewdistill.resources import CONFIGS

KIND = "settings"

NUMBERS: dict[str, Any] = {
    "NaN": math.nan,
    "infinity": math.inf,
    "2^63": 2**63,
    "1e30": 1e30,
    "-1": -1,
    "0": 0,
    "text": "abc",
    "empty": "",
    "a list": [1, 2, 3],
    "a mapping": {"a": 1},
    "400 digits": 10**400,
}
"""Values of numbers."""

OTHERS: dict[str, Any] = {
    "a number": 7,
    "empty": "",
    "a list": [1],
    "a mapping": {"a": 1},
    "NaN": math.nan,
    "a line break": "a\nb",
    "a command": "$(touch pwned)",
    "code": {"class_path": "os.system", "init_args": {"command": "touch pwned"}},
}
"""Values of everything else."""

NEVER = {"NaN", "infinity", "2^63", "text", "empty", "a list", "a mapping", "400 digits", "1e30"}
"""Values that no number of a setting may have."""

COMMANDS: dict[str, tuple[str, ...]] = {
    **{stage.name: (*stage.subcommand, "runs/none") for stage in STAGES.values() if stage.config},
    "picture": ("picture", "--out=runs/toy", "a mug"),
    "input": ("input", "--out=runs/toy", "none.png"),
    "autoencoder": ("train", "autoencoder", "--out=runs/none"),
    "lifting": ("train", "lifting", "--out=runs/none"),
    "text_to_image": ("train", "text-to-image", "--out=runs/none"),
    "view_synthesis": ("train", "view-synthesis", "--out=runs/none"),
}
"""YAML → the command that reads it, which does no more than resolve it: what it works on is not there."""

TRAINED = ("autoencoder", "lifting", "text_to_image", "view_synthesis")
"""YAMLs whose settings, once they are taken, begin a training: of these only what is refused is tried."""

PLAIN = ("input", "mesh")
"""YAMLs of stages without Lightning, whose settings are given by overlays alone."""


@cache
def leaves(name: str) -> tuple[tuple[str, Any], ...]:
    """Dotted key → value of every setting of a YAML; what a class is initialised with counts as its own."""
    return tuple(flattened(yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8")), ""))


def flattened(content: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings; lists are leaves."""
    if isinstance(content, Mapping) and content:
        for name, value in content.items():
            yield from flattened(value, f"{key}.{name}" if key else str(name))
    else:
        yield key, content


def is_number(value: Any) -> bool:
    """Whether a setting is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def expected_of(value: Any, given: str, key: str) -> Expected:
    """What has to come of a bad value: what no number can be is refused, and the line names the key."""
    last = re.escape(key.split(".")[-1])
    if is_number(value) and given in NEVER:
        return Refused(last)
    if isinstance(value, bool) and given not in ("a number",):
        return Refused(last)
    return Refused("configuration|" + last) if given == "code" else Ended()


def overlay(key: str, value: Any) -> dict[str, Any]:
    """A YAML that says one key."""
    content: Any = value
    for name in reversed(key.split(".")):
        content = {name: content}
    return content


def write_overlay(folder: Path, content: Any) -> None:
    """Write an overlay."""
    (folder / "overlay.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def as_option(value: Any) -> str:
    """A value as it is typed on a command line: in YAML."""
    if isinstance(value, float):
        return {math.inf: ".inf", -math.inf: "-.inf"}.get(value, ".nan" if math.isnan(value) else repr(value))
    return value if isinstance(value, str) else json.dumps(value)


def case(name: str, key: str, given: str, value: Any, expected: Expected, typed: bool) -> Case:
    """A setting with a value, typed as an option or written in an overlay."""
    command: Sequence[str] = COMMANDS[name]
    if typed:
        option = f"--{key.replace('.init_args.', '.')}={as_option(value)}"
        words, prepare = (*command, option), lambda folder: None
    else:
        words = (command[0], *command[1:], "--config=overlay.yaml")
        content = overlay(key, value)
        prepare = lambda folder: write_overlay(folder, content)  # noqa: E731
    how = "" if typed else ", in an overlay"
    return Case(KIND, f"{name} {key}: {given}{how}", words, expected, prepare)


def cases() -> Iterator[Case]:
    """Every key with a bad value, in turn; a key of several YAMLs in the first of them, by its last two parts."""
    seen: set[tuple[str, ...]] = set()
    for name in COMMANDS:
        for key, value in leaves(name):
            parts = tuple(key.replace(".init_args", "").split(".")[-2:])
            if key.startswith("trainer.callbacks") or key.endswith("class_path") or parts in seen:
                continue
            seen.add(parts)
            turn = len(seen)
            bad = NUMBERS if is_number(value) else OTHERS
            given, wrong = list(bad.items())[turn % len(bad)]
            if name in TRAINED and not isinstance(expected_of(value, given, key), Refused):
                given, wrong = next(iter(bad.items()))
            expected = expected_of(value, given, key)
            if name not in TRAINED or isinstance(expected, Refused):
                yield case(name, key, given, wrong, expected, typed=name not in PLAIN and turn % 2 == 0)
            if is_number(value) and given != "NaN":
                yield case(name, key, "NaN", NUMBERS["NaN"], expected_of(value, "NaN", key), typed=name not in PLAIN)
    yield from misspelt()


def misspelt() -> Iterator[Case]:
    """Keys that there are none of."""
    for name in COMMANDS:
        for given, content in {
            "an unknown key": {"colour": "red"},
            "a number in a section's place": {"model": 7} if name not in PLAIN else {"precision": {"a": 1}},
            "a class that is none": {"model": {"class_path": "os.system"}} if name not in PLAIN else {"os": "system"},
        }.items():
            words = (*COMMANDS[name], "--config=overlay.yaml")
            yield Case(
                KIND, f"{name}: {given}", words, Refused("configuration|overlay|colour|os"),
                lambda folder, content=content: write_overlay(folder, content),
            )  # fmt: skip
