"""All bad inputs, by kind."""

from collections.abc import Iterable
from functools import cache

from tests.inputs.case import Case
from tests.inputs.kinds import (
    blown_numbers,
    command_options,
    disk,
    machine,
    makefile_variables,
    meshes,
    names,
    network,
    pictures,
    settings,
    side_files,
    weights,
)

KINDS = (
    *(makefile_variables, disk, blown_numbers, command_options, settings, side_files, weights, meshes),
    *(network, machine, pictures, names),
)
"""Modules with the inputs of a kind each, in the order of the table."""


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case."""
    return tuple(case for kind in KINDS for case in kind.cases())


def by_kind(cases: Iterable[Case]) -> dict[str, list[Case]]:
    """Kind → its cases, in order."""
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(case.kind, []).append(case)
    return found
