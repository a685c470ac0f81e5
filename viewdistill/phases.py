"""Named phases of a step, for profiles: ranges on torch's timeline, a microsecond each without a profiler."""

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
"""Phases in the order of a step. The time of a nested phase does not count towards the outer one."""

PREFIX = "phase: "
"""Prefix of the ranges' names in a trace."""


def phase(name: Phase) -> record_function:
    """Open the range of a phase.

    Example:
        >>> with phase("march"):
        ...     pass

    Args:
        name: The phase.
    """
    return record_function(PREFIX + name)
