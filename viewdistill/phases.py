"""Named phases of a step, for profiles: a range on torch's timeline, which costs a microsecond while nobody records."""

from typing import Literal

from torch.profiler import record_function

Phase = Literal[
    "sample cameras",
    "occupancy update",
    "march",
    "cull",
    "field query",
    "compositing",
    "VAE encode",
    "UNets",
    "training step",
    "backward",
    "optimiser",
]
"""Phases in the order of a step. A phase may lie within another, to which it then does not count."""

PREFIX = "phase: "
"""How the ranges' names begin in a trace."""


def phase(name: Phase) -> record_function:
    """The range of a phase.

    Example:
        >>> with phase("march"):
        ...     pass

    Args:
        name: Of the phase.
    """
    return record_function(PREFIX + name)
