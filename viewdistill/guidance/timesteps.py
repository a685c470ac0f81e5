"""Noise levels of a score distillation step, and their annealing over training.

All settings are fractions: of the model's number of timesteps, and of the training run (``progress``, 0 at its start
and 1 at its end), so that a configuration means the same for a short run and a long one.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from viewdistill.diffusion.schedule import NoiseSchedule


@runtime_checkable
class Timesteps(Protocol):
    """A rule for the noise levels of a step."""

    def sample(
        self,
        batch: int,
        progress: float,
        generator: torch.Generator | None = None,
        device: torch.device | None = None,
        num_train_timesteps: int = 1000,
    ) -> Int[Tensor, " batch"]:
        """Return t of each of ``batch`` samples, at a progress in [0, 1]."""
        ...


@dataclass(frozen=True)
class Annealed:
    """A number that changes once during training: linearly, or as a step where ``begin`` equals ``end``."""

    initial: float
    """Value up to ``begin``."""
    final: float
    """Value from ``end`` on."""
    begin: float = 0.0
    """Progress at which the change begins."""
    end: float = 1.0
    """Progress at which it is complete."""

    def __post_init__(self) -> None:
        if not 0 <= self.begin <= self.end <= 1:
            raise ValueError(f"begin {self.begin} and end {self.end} of an annealed value: give 0 ≤ begin ≤ end ≤ 1")

    def __call__(self, progress: float) -> float:
        """Return the value at a progress."""
        if progress >= self.end:
            return self.final
        if progress <= self.begin:
            return self.initial
        return self.initial + (self.final - self.initial) * (progress - self.begin) / (self.end - self.begin)


@dataclass(frozen=True)
class UniformTimesteps:
    """t uniform between two annealed bounds, both included.

    The default is Unbiased Score Distillation's: [.02, .98], whose upper end drops to .5 after a third of the run, here
    within a thousandth of it. A maximum that goes from .85 to .5 and a minimum from .4 to .2, linearly, is
    threestudio's Zero-1-to-3.
    """

    minimum: Annealed = Annealed(0.02, 0.02)
    """Lower bound, a fraction of the number of timesteps."""
    maximum: Annealed = Annealed(0.98, 0.5, begin=0.333, end=0.334)
    """Upper bound, likewise."""

    def bounds(self, progress: float, num_train_timesteps: int = 1000) -> tuple[int, int]:
        """Return the lowest and highest t.

        Raises:
            ValueError: They are out of order, or outside the model's timesteps.
        """
        low = round(self.minimum(progress) * num_train_timesteps)
        high = round(self.maximum(progress) * num_train_timesteps)
        if not 0 <= low <= high < num_train_timesteps:
            raise ValueError(
                f"timesteps {low} to {high} at progress {progress:.3f}, "
                f"expected 0 ≤ minimum ≤ maximum < {num_train_timesteps}"
            )
        return low, high

    def sample(
        self,
        batch: int,
        progress: float,
        generator: torch.Generator | None = None,
        device: torch.device | None = None,
        num_train_timesteps: int = 1000,
    ) -> Int[Tensor, " batch"]:
        """Draw t for each of ``batch`` samples; generator and result may be on different devices."""
        low, high = self.bounds(progress, num_train_timesteps)
        source = generator.device if generator else device
        return torch.randint(low, high + 1, (batch,), generator=generator, device=source).to(device)


UNIFORM = UniformTimesteps()
"""Unbiased Score Distillation's noise levels."""


@dataclass(frozen=True)
class SquareRootTimesteps:
    """HiFA's single t = maximum − (maximum − minimum) √progress (Zhu et al. 2023)."""

    minimum: float = 0.3
    """t at the end, a fraction of the number of timesteps."""
    maximum: float = 0.98
    """t at the start, likewise."""

    def sample(
        self,
        batch: int,
        progress: float,
        generator: torch.Generator | None = None,
        device: torch.device | None = None,
        num_train_timesteps: int = 1000,
    ) -> Int[Tensor, " batch"]:
        """Return the single t of this progress, for each of ``batch`` samples; nothing is drawn."""
        fraction = self.maximum - (self.maximum - self.minimum) * math.sqrt(progress)
        return torch.full((batch,), round(fraction * num_train_timesteps), device=device)


def draw(
    timesteps: Timesteps,
    latents: Float[Tensor, "batch c h w"],
    progress: float,
    schedule: NoiseSchedule,
    generator: torch.Generator | None = None,
) -> tuple[Int[Tensor, " batch"], Float[Tensor, "batch c h w"]]:
    """Draw t for each latent, and ε of its shape.

    Args:
        timesteps: The rule for t.
        latents: z; only their shape and device matter.
        progress: Completed fraction of the fit.
        schedule: Gives the number of timesteps.
        generator: Source of both, on the device of the latents.
    """
    t = timesteps.sample(len(latents), progress, generator, latents.device, schedule.num_train_timesteps)
    return t, torch.randn(latents.shape, generator=generator, device=latents.device)
