"""What `viewdistill profile` is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

STAGES = ("field", "specialize_1", "specialize_2", "surface")
"""The fitted stages."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    run_folder: Path
    """Folder of the run."""
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
    config: tuple[Path, ...] = ()
    """Overlays on the shipped YAML, in order."""
    seed: int | None = None
    """Seed of all random numbers; the YAML's where not given."""
    settings: tuple[str, ...] = ()
    """Single settings, as options of LightningCLI."""
