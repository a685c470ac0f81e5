"""Values that change over a fit: weights of loss terms, learning rates."""

from dataclasses import dataclass, fields
from typing import Literal

from viewdistill.guidance.timesteps import Annealed

Scheduled = float | Annealed
"""A constant, or a value that changes once; its ``begin`` and ``end`` are fractions of the whole fit."""


Shape = Literal["linear", "exponential"]
"""Interpolation from the first value to the last: linear or geometric."""


def value_at(scheduled: Scheduled, progress: float, shape: Shape = "linear") -> float:
    """Return the value at ``progress``, the completed fraction of the fit."""
    if not isinstance(scheduled, Annealed):
        return float(scheduled)
    if shape == "linear" or not scheduled.begin < progress < scheduled.end:
        return scheduled(progress)
    done = (progress - scheduled.begin) / (scheduled.end - scheduled.begin)
    return scheduled.initial * (scheduled.final / scheduled.initial) ** done


def warm_up_factor(progress: float, end: float, start: float) -> float:
    """Return a factor that rises linearly to 1.

    Args:
        progress: Completed fraction of the fit.
        end: Fraction from which it is 1; 0 for no warm-up.
        start: Initial value.
    """
    return start + (1 - start) * progress / end if progress < end else 1.0


@dataclass(frozen=True)
class ScheduledWeights:
    """Weights of the terms of a loss; each a constant or annealed. Stages add a field for each of their terms."""

    def at(self, progress: float) -> dict[str, float]:
        """Return all weights at ``progress``, the completed fraction of the fit."""
        return {entry.name: value_at(getattr(self, entry.name), progress) for entry in fields(self)}

    def ever(self, name: str) -> bool:
        """Return whether a term ever has a non-zero weight."""
        scheduled: Scheduled = getattr(self, name)
        return (scheduled.initial, scheduled.final) != (0, 0) if isinstance(scheduled, Annealed) else scheduled != 0
