"""A handler of every error says why it must be that wide, or cleans up and raises the error again."""

import ast
from collections.abc import Iterator

import pytest

from tests.test_imports import modules
from viewdistill.resources import REPOSITORY

WIDE = {"Exception", "BaseException"}


def unexplained(text: str) -> Iterator[int]:
    """Lines of handlers of every error that give no reason, on their own line or as a comment right above."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ExceptHandler) or not (node.type is None or names(node.type) & WIDE):
            continue
        last = node.body[-1]
        if isinstance(last, ast.Raise) and last.exc is None:
            continue
        line, above = lines[node.lineno - 1], lines[node.lineno - 2]
        if "  # " not in line and not above.strip().startswith("#"):
            yield node.lineno


def names(kinds: ast.expr) -> set[str]:
    """Names of the errors that a handler catches."""
    return {node.id for node in ast.walk(kinds) if isinstance(node, ast.Name)}


def test_every_wide_handler_has_its_reason():
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}"
        for path in modules()
        for line in unexplained(path.read_text(encoding="utf-8"))
    ]
    assert not found


@pytest.mark.parametrize(
    ("handler", "lines"),
    [
        ("except Exception:\n    pass", [3]),
        ("except:\n    pass", [3]),
        ("except (OSError, BaseException) as error:\n    print(error)", [3]),
        ("except Exception:  # a library raises anything\n    pass", []),
        ("# a library raises anything\nexcept Exception:\n    pass", []),
        ("except BaseException:\n    close()\n    raise", []),
        ("except OSError:\n    pass", []),
    ],
)
def test_a_wide_handler_without_a_reason_is_found(handler: str, lines: list[int]):
    assert list(unexplained(f"try:\n    work()\n{handler}\n")) == lines
