"""Reader of side files: JSON, YAML and CSV, bounded, checked against dataclasses, with one kind of error.

Documents come from users, from other programs and from killed processes. Reading one ends in a value of the requested
type or in a `ViewDistillError` that names the file, the key, the value found and the allowed values.
"""

import csv
import io
import json
from pathlib import Path
from typing import Any, TypeVar

import yaml

from viewdistill.files import LARGEST_SIDE_FILE, read_bytes
from viewdistill.schema import in_few_words, parse, wrong

Document = TypeVar("Document")

LARGEST_YAML = 2 << 20
"""Largest YAML file, bytes; half a megabyte takes a second."""

DEEPEST = 64
"""Largest number of levels of nesting in a document."""

LARGEST_EXPANSION = 1_000_000
"""Largest number of values in a YAML document, repetitions by aliases included."""


def read_text(path: Path, remedy: str = "", limit: int = LARGEST_SIDE_FILE) -> str:
    """Return the UTF-8 text of a regular file, with or without a byte order mark.

    Raises:
        ViewDistillError: The file is missing, is no regular file, is too large, or is not UTF-8.
    """
    try:
        return read_bytes(path, remedy, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise wrong(path, f"not UTF-8 text (byte {error.start})", remedy) from error


def read_json(path: Path, remedy: str = "delete it and run its stage again", limit: int = LARGEST_SIDE_FILE) -> Any:
    """Return the content of a JSON file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Args:
        path: The file.
        remedy: Advice, for the message, if it cannot be read.
        limit: Largest size, bytes.

    Raises:
        ViewDistillError: The file is missing, cannot be read, is not JSON, or is nested too deeply.
    """
    encoded = read_bytes(path, remedy, limit)
    try:
        # Given bytes, `json` detects the encoding itself.
        content = json.loads(encoded)
        check_depth(content)
    # Too deep; not JSON, an integer of thousands of digits, or in no such encoding.
    except RecursionError as error:
        raise wrong(path, f"nested more than {DEEPEST} levels deep", remedy) from error
    except ValueError as error:
        raise wrong(path, f"not readable as JSON ({in_few_words(error)})", remedy) from error
    return content


def read_yaml(path: Path, remedy: str = "fix it") -> Any:
    """Return the content of a YAML file of one document: plain values only, at most `LARGEST_EXPANSION` of them.

    Args:
        path: The file.
        remedy: Advice, for the message, if it cannot be read.

    Raises:
        ViewDistillError: The file is missing, cannot be read, is not YAML, or its aliases make it too large or endless.
    """
    text = read_text(path, remedy, LARGEST_YAML)
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _expanded_size(node, {}, 0)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except RecursionError as error:
        raise wrong(path, f"nested more than {DEEPEST} levels deep", remedy) from error
    # In turn: not YAML; impossible dates and numbers; unhashable keys.
    except (yaml.YAMLError, ValueError, OverflowError, TypeError, AttributeError, LookupError) as error:
        raise wrong(path, f"not readable as YAML ({in_few_words(error)})", remedy) from error


def _expanded_size(node: yaml.Node, known: dict[int, int], depth: int) -> int:
    """Return values below a node with aliases written out."""
    if depth > DEEPEST:
        raise RecursionError
    if id(node) in known:
        if known[id(node)] < 0:
            raise ValueError("an alias that contains itself")
        return known[id(node)]
    known[id(node)] = -1
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        children = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        children = list(node.value)
    size = 1 + sum(_expanded_size(child, known, depth + 1) for child in children)
    if size > LARGEST_EXPANSION:
        raise ValueError(f"more than {LARGEST_EXPANSION:,} values, repetitions by aliases included")
    known[id(node)] = size
    return size


def read_csv(path: Path, remedy: str = "delete it") -> tuple[list[str], list[list[str]]]:
    """Return the header and rows of a CSV file; each row has as many cells as the header.

    Raises:
        ViewDistillError: The file is missing, cannot be read, is empty, or its rows differ in length.
    """
    text = read_text(path, remedy)
    try:
        header, *rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (csv.Error, ValueError) as error:
        reason = f"not a table ({in_few_words(error)})" if isinstance(error, csv.Error) else "an empty table"
        raise wrong(path, reason, remedy) from error
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise wrong(path, f"row {line} has {len(row)} cells; the header has {len(header)}", remedy)
    return header, rows


def check_depth(content: Any) -> None:
    """Refuse a document that is nested more than `DEEPEST` levels deep.

    Raises:
        RecursionError: The document is nested too deeply.
    """
    level = [content]
    for _ in range(DEEPEST):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return
    raise RecursionError


def read_document(path: Path, kind: type[Document], remedy: str = "delete it and run its stage again") -> Document:
    """Read a JSON document (YAML if the suffix is ``.yaml`` or ``.yml``) as a dataclass.

    Args:
        path: The file.
        kind: The dataclass. Fields may be str, int, float, bool, None, Path, Any, literals, unions, lists, tuples,
            dictionaries with str as keys, and dataclasses; ``Annotated[float, Range(…)]`` bounds a number.
        remedy: Advice, for the message, if it cannot be read.

    Raises:
        ViewDistillError: The file cannot be read, lacks a key, or has an unknown key or a value that is not allowed.
    """
    read = read_yaml if path.suffix in (".yaml", ".yml") else read_json
    return parse(kind, read(path, remedy), path, remedy)
