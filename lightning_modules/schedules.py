"""Values that change over a fit: weights of loss terms, learning rates."""

from dataclasses import dataclass, fields

from viewdistill.guidance.timesteps import Annealed

Scheduled = float | Annealed
"""A constant, or a value that changes once; ``begin`` and ``end`` of the change are fractions of the whole fit."""


def value_at(scheduled: Scheduled, progress: float) -> float:
    """The value when a fraction ``progress`` of the fit is done."""
    return scheduled(progress) if isinstance(scheduled, Annealed) else float(scheduled)


@dataclass(frozen=True)
class ScheduledWeights:
    """Weights of the terms of a loss; each a constant or annealed. Stages add a field for each of their terms."""

    def at(self, progress: float) -> dict[str, float]:
        """All weights when a fraction ``progress`` of the fit is done."""
        return {entry.name: value_at(getattr(self, entry.name), progress) for entry in fields(self)}

    def ever(self, name: str) -> bool:
        """Whether a term has a weight other than zero at any time."""
        scheduled: Scheduled = getattr(self, name)
        return (scheduled.initial, scheduled.final) != (0, 0) if isinstance(scheduled, Annealed) else scheduled != 0
