"""Imports stand at the top of files; the few within functions have their reason beside them."""

import ast
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

PACKAGES = ("viewdistill", "datamodules", "lightning_modules", "callbacks", "commands", "experiments")

MOST = 30
"""Imports within functions of all packages together stay below this."""


def imports_within_functions(path: Path) -> dict[ast.stmt, ast.AST]:
    """Import statements below the top level of a module, each with its function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    statements = ((node, each) for each in functions for node in ast.walk(each))
    return {node: each for node, each in statements if isinstance(node, ast.Import | ast.ImportFrom)}


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]


def test_imports_stand_at_the_top():
    found = [f"{path.relative_to(REPOSITORY)}:{n.lineno}" for path in modules() for n in imports_within_functions(path)]
    assert len(found) < MOST, found


def test_an_import_within_a_function_has_its_reason_beside_it():
    without: list[str] = []
    for path in modules():
        lines = path.read_text(encoding="utf-8").splitlines()
        for node, function in imports_within_functions(path).items():
            above = lines[function.lineno : node.lineno - 1]  # type: ignore[attr-defined]
            if not any(line.strip().startswith("#") for line in above):
                without.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}")
    assert not without


def test_a_room_of_the_command_line_has_at_most_twenty_modules():
    for room in sorted({path.parent for path in (REPOSITORY / "commands").rglob("*.py")}):
        assert len(list(room.glob("*.py"))) <= 20, room
