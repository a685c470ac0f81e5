"""Plain data checked against types: a side file's schema is its dataclass.

Each error names the key, the value found and the allowed values.
"""

import math
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from viewdistill.errors import ViewDistillError

UNIONS = (typing.Union, types.UnionType)  # pyright: ignore[reportDeprecated]
"""Origins of a union, as `A | B` and as older annotations write it."""

Document = TypeVar("Document")

LONGEST_SHOWN = 40
"""Longest excerpt of a wrong value in a message, characters."""


@dataclass(frozen=True)
class Range:
    """Bounds of a number, in ``Annotated[float, Range(0.0, 1.0)]``."""

    low: float = -math.inf
    """Smallest value."""
    high: float = math.inf
    """Largest value."""
    open_ends: bool = False
    """Whether the interval is open."""

    def __contains__(self, value: int | float) -> bool:
        return self.low < value < self.high if self.open_ends else self.low <= value <= self.high

    def __str__(self) -> str:
        names = ("above", "below") if self.open_ends else ("at least", "at most")
        ends = [f"{name} {end:g}" for name, end in zip(names, (self.low, self.high), strict=True) if math.isfinite(end)]
        return " and ".join(ends) or "finite"


def parse(kind: type[Document], content: Any, path: Path, remedy: str = "", unknown_keys: bool = False) -> Document:
    """Convert plain data to a type; `read_document` lists the supported types.

    Args:
        kind: The type.
        content: The value.
        path: The value's file, for the message.
        remedy: Advice, for the message, if the value is wrong.
        unknown_keys: Whether keys without a field in the dataclass are ignored, as in files of other programs.

    Raises:
        ViewDistillError: The value is not of this type.
    """
    try:
        return _value(kind, content, "", unknown_keys)
    except ViewDistillError as error:
        raise wrong(path, str(error), remedy) from None


def _value(kind: Any, value: Any, key: str, lax: bool) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is Annotated:
        found = _value(arguments[0], value, key, lax)
        for bounds in arguments[1:]:
            if isinstance(bounds, Range) and found is not None and float(found) not in bounds:
                raise _not_allowed(key, value, f"a number {bounds}")
        return found
    if origin in UNIONS:
        return _one_of(arguments, value, key, lax)
    if origin is Literal:
        if not isinstance(value, str | int | bool) or value not in arguments:
            raise _not_allowed(key, value, ", ".join(map(repr, arguments)))
        return value
    if origin in (list, tuple):
        return _sequence(origin, arguments, value, key, lax)
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            raise _not_allowed(key, value, "a mapping of names to values")
        return {
            _value(str, name, key, lax): _value(arguments[1], v, _join(key, name), lax) for name, v in value.items()
        }
    if is_dataclass(kind):
        return _record(cast(type[Any], kind), value, key, lax)
    return _plain(kind, value, key)


def _plain(kind: Any, value: Any, key: str) -> Any:
    if kind in (str, Path) and isinstance(value, str):
        # Half a surrogate pair, which JSON can contain, and null characters fit neither a terminal nor a file name.
        if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise _not_allowed(key, value, "text of Unicode characters")
        return kind(value)
    if kind is bool and isinstance(value, bool):
        return value
    if kind is int and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63:
        return value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) < 1 << 1000:
            return float(value)
    elif kind in (None, type(None)) and value is None:
        return None
    words: dict[Any, str] = {
        str: "text",
        Path: "a path",
        bool: "true or false",
        int: "a whole number",
        float: "a finite number",
    }
    raise _not_allowed(key, value, words.get(kind, "null"))


def _one_of(kinds: tuple[Any, ...], value: Any, key: str, lax: bool) -> Any:
    """Convert a value to the first of several types that it fits."""
    problems: list[str] = []
    for kind in kinds:
        try:
            return _value(kind, value, key, lax)
        except ViewDistillError as error:
            problems.append(str(error))
    # The error lies within one of the alternatives: that message is the most helpful.
    raise ViewDistillError(problems[0] if value is not None or len(problems) == 1 else problems[-1])


def _sequence(origin: Any, arguments: tuple[Any, ...], value: Any, key: str, lax: bool) -> Any:
    if not isinstance(value, list | tuple):
        raise _not_allowed(key, value, "a list")
    if origin is tuple and arguments[-1] is not ...:
        if len(value) != len(arguments):
            raise _not_allowed(key, value, f"a list of {len(arguments)}")
        kinds = arguments
    else:
        kinds = (arguments[0],) * len(value)
    return origin(_value(kind, v, f"{key}[{i}]", lax) for i, (kind, v) in enumerate(zip(kinds, value, strict=True)))


def _record(kind: type[Any], value: Any, key: str, lax: bool) -> Any:
    if not isinstance(value, dict):
        raise _not_allowed(key, value, "a mapping of names to values")
    hints = get_type_hints(kind, include_extras=True)
    known = {field.name: field for field in fields(kind) if field.init}
    if not lax and (strange := [name for name in value if name not in known]):
        raise ViewDistillError(f"{_join(key, strange[0])}: unknown key; known keys: {', '.join(known)}")
    for name, field in known.items():
        if name not in value and field.default is MISSING and field.default_factory is MISSING:
            raise ViewDistillError(f"{_join(key, name)}: missing")
    values = {name: _value(hints[name], value[name], _join(key, name), lax) for name in known if name in value}
    try:
        return kind(**values)
    except ViewDistillError as error:
        raise ViewDistillError(f"{key}: {error}" if key else str(error)) from error


def _join(key: str, name: object) -> str:
    shown = name if isinstance(name, str) and name.isprintable() and len(name) <= LONGEST_SHOWN else _shown(name)
    return f"{key}.{shown}" if key else str(shown)


def _shown(value: object) -> str:
    """Format a value in few printable characters; containers by their kind."""
    if isinstance(value, dict | list | tuple):
        return f"a {'mapping' if isinstance(value, dict) else 'list'} of {len(value)}"
    if isinstance(value, int) and abs(value) >= 1 << 63:
        return "a number of more than 63 bits"
    text = ascii(value)
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"


def in_few_words(error: object) -> str:
    """Return the start of another library's message, on one line."""
    text = " ".join(str(error).split())
    return text if len(text) <= 100 else text[:100] + "…"


def _not_allowed(key: str, value: object, allowed: str) -> ViewDistillError:
    return ViewDistillError(f"{key or 'the document'}: {_shown(value)}; allowed: {allowed}")


def wrong(path: Path, problem: str, remedy: str) -> ViewDistillError:
    """Return the error for a document: file, fault, remedy."""
    return ViewDistillError(f"{path}: {problem}; {remedy}" if remedy else f"{path}: {problem}")
