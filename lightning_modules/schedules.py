"""Values that change over a fit: weights of loss terms, learning rates."""

from dataclasses import dataclass, fields

from viewdistill.errors import ViewDistillError
from viewdistill.guidance.timesteps import Annealed

Scheduled = float | Annealed
"""A constant, or a value that changes once; ``begin`` and ``end`` of the change are fractions of the whole fit."""


@dataclass(frozen=True)
class WarmUpAndDecay:
    """A factor that rises linearly to 1 and then falls exponentially, as instant-nsr-pl's on its learning rates."""

    warm_up: float
    """Fraction of the fit at which it is 1."""
    from_factor: float
    """Its first value."""
    to_factor: float
    """Its last value, above 0."""

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            ViewDistillError: One is out of them.
        """
        if not (0 <= self.warm_up < 1 and 0 <= self.from_factor <= 1 and 0 < self.to_factor <= 1):
            raise ViewDistillError(
                f"factor: warm_up is {self.warm_up:g}, from_factor {self.from_factor:g}, to_factor {self.to_factor:g}; "
                "give numbers of [0, 1), [0, 1] and (0, 1]"
            )

    def __call__(self, progress: float) -> float:
        """Value at a progress."""
        if progress < self.warm_up:
            return self.from_factor + (1 - self.from_factor) * progress / self.warm_up
        return self.to_factor ** ((progress - self.warm_up) / (1 - self.warm_up))


def value_at(scheduled: Scheduled | WarmUpAndDecay, progress: float) -> float:
    """The value when a fraction ``progress`` of the fit is done."""
    return scheduled(progress) if isinstance(scheduled, Annealed | WarmUpAndDecay) else float(scheduled)


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
