"""All bad inputs, by kind."""

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

CASES: tuple[Case, ...] = tuple(case for kind in KINDS for case in kind.cases())
"""Every case; its place is its number."""
