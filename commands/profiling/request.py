"""What `viewdistill profile` is asked for."""

from dataclasses import dataclass
from typing import Literal

from commands.stages.configuration import StageRequest

STAGES = ("field", "specialize_1", "specialize_2", "surface")
"""The fitted stages."""


@dataclass(frozen=True, kw_only=True)
class Request(StageRequest):
    """Options of the subcommand."""

    stage: str = "field"
    """Stage to profile, one of `STAGES`."""
    steps: int = 10
    """Steps by the clock, and as many under the profiler."""
    warmup: int = 5
    """Steps before them."""
    fitted: bool = False
    """Whether to start from the stage's checkpoint, in place of new weights."""
    precisions: tuple[Literal["bf16", "fp16"], ...] | None = None
    """Precisions to compare with fp32; bf16 where the processor computes it fast, where not given."""
