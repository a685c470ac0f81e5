"""Imports stand at the top of files, the few in functions have their reason beside them, and none closes a circle."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

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


def test_a_room_has_at_most_twenty_modules():
    for room in sorted({path.parent for path in modules()}):
        assert len(list(room.glob("*.py"))) <= 20, room


def module_paths() -> dict[str, Path]:
    """Name → file of each module of the packages."""
    return {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): path
        for path in modules()
    }


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Dotted names that a module imports anywhere, in functions and by a string too."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(str(module), names):
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Call(
                ast.Name(id="import_module" | "resolve_name") | ast.Attribute(attr="import_module" | "resolve_name"),
                [ast.Constant(str(name)), *_],
            ):
                yield name.replace(":", ".")
            case _:
                pass


def import_graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Module → modules of these that it imports.

    Args:
        sources: Module → its text.
    """
    graph: dict[str, set[str]] = {module: set() for module in sources}
    for module, text in sources.items():
        for name in imported_names(ast.parse(text)):
            while name and name not in sources:
                name = name.rpartition(".")[0]  # a class or function: the module that holds it
            if name and name != module:
                graph[module].add(name)
    return graph


def circle_in(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the nodes of a circle, each followed by what imports it; none where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """Imports of all packages."""
    return import_graph({name: path.read_text(encoding="utf-8") for name, path in module_paths().items()})


def test_no_imports_of_modules_form_a_circle(graph: dict[str, set[str]]):
    assert circle_in(graph) == []


def test_no_imports_of_rooms_form_a_circle(graph: dict[str, set[str]]):
    paths = module_paths()
    rooms: dict[str, set[str]] = defaultdict(set)
    for module, imported in graph.items():
        room = paths[module].parent.relative_to(REPOSITORY).as_posix()
        rooms[room] |= {paths[name].parent.relative_to(REPOSITORY).as_posix() for name in imported} - {room}
    # The front door in Python is asked of the lowest package and found by name.
    assert "commands/pipeline" in rooms["viewdistill"]
    rooms["viewdistill"].remove("commands/pipeline")
    assert circle_in(rooms) == []


@pytest.mark.parametrize(
    "back",
    [
        "import a.one",
        "from a import one",
        "from a.one import thing",
        "def f():\n    from a.one import thing",
        "import_module('a.one')",
        "pkgutil.resolve_name('a.one:thing')",
    ],
)
def test_a_circle_is_found_however_it_closes(back: str):
    sources = {"a": "", "a.one": "from a.two import Two", "a.two": back}
    assert set(circle_in(import_graph(sources))) == {"a.one", "a.two"}
    assert not circle_in(import_graph(sources | {"a.two": "import a.three, torch"}))
