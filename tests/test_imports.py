"""Imports stand at the top of files; the few within functions have their reason beside them."""

import ast
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

PACKAGES = ("viewdistill", "datamodules", "lightning_modules", "callbacks", "commands", "experiments")

MOST = 30
"""Imports within functions of all packages together stay below this."""

LEFT = ("commands/stages", "commands/scaling", "experiments/plan.py", "experiments/ray_execution.py")
"""Places whose imports are being moved up: to be removed from here once they are."""


def imports_within_functions(path: Path) -> list[ast.stmt]:
    """Import statements below the top level of a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    found = {node for each in functions for node in ast.walk(each) if isinstance(node, ast.Import | ast.ImportFrom)}
    return sorted(found, key=lambda node: node.lineno)


def modules() -> list[Path]:
    found = [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]
    return [path for path in found if not path.relative_to(REPOSITORY).as_posix().startswith(LEFT)]


def test_imports_stand_at_the_top():
    found = [f"{path.relative_to(REPOSITORY)}:{n.lineno}" for path in modules() for n in imports_within_functions(path)]
    assert len(found) < MOST, found


def test_an_import_within_a_function_has_its_reason_beside_it():
    without: list[str] = []
    for path in modules():
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in imports_within_functions(path):
            above = lines[node.lineno - 2].strip()
            if (
                not above.startswith("#")
                and "#" not in lines[node.lineno - 1]
                and not above.startswith(("import", "from"))
            ):
                without.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}")
    assert not without


def test_a_room_of_the_command_line_has_at_most_twenty_modules():
    for room in sorted({path.parent for path in (REPOSITORY / "commands").rglob("*.py")}):
        assert len(list(room.glob("*.py"))) <= 20, room
