"""A name means one thing: no two classes share one, and modules only across the listed rooms."""

import ast
from collections import defaultdict
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]

PACKAGES = ("viewdistill", "datamodules", "lightning_modules", "callbacks", "commands", "experiments")

SHARED_CLASSES = {"Request"}
"""Of every subcommand and script: `commands.parsing` finds it by this name."""

SHARED_MODULES = {
    # A stage, in the layers that it goes through.
    "class_images", "novel_views", "picture", "refined_views", "sampled_images", "surface",
    # Mathematics, and the command or study that is about it.
    "bias", "cameras", "comparison", "curves", "input_estimates", "loading", "object", "occupancy", "render", "scores",
    # The same kind of thing of different rooms.
    "images", "report", "table",
}  # fmt: skip
"""Module names of several rooms."""


def places(of_classes: bool) -> dict[str, list[str]]:
    """Where each class, or each module, is."""
    found: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            place = path.relative_to(REPOSITORY).as_posix()
            if not of_classes:
                found[path.stem].append(place)
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    found[node.name].append(f"{place}:{node.lineno}")
    return {name: where for name, where in found.items() if len(where) > 1 and name not in ("__init__", "__main__")}


def test_no_two_classes_share_a_name():
    several = places(of_classes=True)
    assert {name: where for name, where in several.items() if name not in SHARED_CLASSES} == {}
    assert len(several["Request"]) > 10


def test_modules_share_a_name_only_where_it_is_listed():
    assert sorted(places(of_classes=False)) == sorted(SHARED_MODULES)
