"""Every option of the table refuses what makes no sense, in one line, before any file is touched."""

import argparse
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands import options
from commands.parsing import build_parser, parse
from commands.table import SUBCOMMANDS, Subcommand

BAD = ("-1", "0", "1" * 30, "nan", "inf", "-inf", "", "abc", str(2**63), "1e400", "\0", "x" * 5000, "1.5", "١")
"""Values that have broken programs."""


def valued(subcommand: Subcommand) -> list[argparse.Action]:
    """Options and positionals that take a value."""
    return [action for action in build_parser(subcommand)._actions if action.nargs != 0]


def valid(action: argparse.Action, tmp_path: Path) -> list[str]:
    """A value that a positional takes."""
    (tmp_path / "file").write_text("x")
    if action.choices:
        return [str(next(iter(action.choices)))]
    return [str(tmp_path / "file" if action.type is options.existing_file else tmp_path)]


@pytest.mark.parametrize("subcommand", SUBCOMMANDS.values(), ids=lambda each: each.name)
def test_no_option_takes_a_bare_number_or_path(subcommand: Subcommand):
    for action in valued(subcommand):
        assert action.type not in (int, float, Path), action.dest
        assert action.type is not None or action.choices, action.dest


@pytest.mark.parametrize("subcommand", SUBCOMMANDS.values(), ids=lambda each: each.name)
def test_any_value_of_any_option_is_taken_or_refused_in_one_line(
    subcommand: Subcommand, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    actions = valued(subcommand)
    needed = [action for action in actions if not action.option_strings and action.nargs not in ("?", "*")]
    needed += [action for action in actions if action.option_strings and action.required]
    before = sorted(tmp_path.rglob("*"))
    for action in actions:
        others: list[str] = []
        for other in needed:
            if other is not action:
                others += [*other.option_strings[:1], *valid(other, tmp_path)]
                before = sorted(tmp_path.rglob("*"))
        for value in BAD:
            own = [f"{action.option_strings[0]}={value}"] if action.option_strings else ["--", value]
            try:
                request = parse([subcommand.name, *others, *own]).request
            except SystemExit as stop:
                status = stop.code
                error = capsys.readouterr().err
                assert (status, error.count("\n")) == (2, 1), error
                assert error.startswith(f"viewdistill {subcommand.name}: "), error
                continue
            taken: Any = getattr(request, action.dest)
            for number in taken if isinstance(taken, tuple | list) else [taken]:
                assert not isinstance(number, float) or math.isfinite(number), (action.dest, value)
                assert not isinstance(number, Path) or str(number), (action.dest, value)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_error_names_option_value_and_what_is_allowed(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        parse(["evaluate", "runs/none", "--size=8"])
    line = capsys.readouterr().err
    assert line.startswith("viewdistill evaluate: argument --size: 8: must be an integer from 16 to 2,048")


@given(st.text(max_size=40), st.integers(-100, 100), st.integers(0, 200))
def test_an_integer_is_within_its_bounds_or_refused(text: str, low: int, width: int):
    kind = options.Integer(low, low + width)
    try:
        assert low <= kind(text) <= low + width
    except argparse.ArgumentTypeError as error:
        assert str(error).isprintable()  # noqa: PT017


@given(st.one_of(st.text(max_size=40), st.floats().map(str)), st.floats(-1e6, 1e6), st.booleans())
def test_a_number_is_finite_and_within_its_bounds_or_refused(text: str, low: float, above: bool):
    kind = options.Number(low, low + 10, above=above)
    try:
        value = kind(text)
    except argparse.ArgumentTypeError as error:
        assert str(error).isprintable()  # noqa: PT017
    else:
        assert math.isfinite(value)
        assert low <= value <= low + 10
        assert not above or value > low


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (options.existing_file, "none.png", "no such file"),
        (options.existing_file, ".", "this is a folder"),
        (options.existing_file, "/dev/null", "not a file"),
        (options.existing_folder, "file", "this is a file"),
        (options.existing_path, "/dev/null", "this is neither"),
        (options.run_folder, "file", "this is a file"),
        (options.output_file, ".", "this is a folder"),
        (options.output_file, "/dev/null", "a device or a pipe"),
        (options.output_file, "file/x.json", "file is a file"),
        (options.output_folder, "file/deeper/out", "file is a file"),
        (options.path, "", "''"),
        (options.path, "a\0b", "a?b"),
        (options.path, "caf\udce9.png", "caf?.png: must be a path in UTF-8"),
        (options.path, "x" * 5000, "File name too long"),
        (options.text, "a\nb", "printable"),
        (options.PORT, "65536", "0 to 65,535"),
        (options.FRACTION, "1.01", "0 to 1"),
        (options.SECONDS, "0", "above 0"),
    ],
)
def test_what_is_no_such_thing_is_named(kind: Any, value: str, message: str, tmp_path: Path, monkeypatch: Any):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(argparse.ArgumentTypeError) as problem:
        kind(value)
    assert message in str(problem.value)
    assert str(problem.value).isprintable()
