"""Layout of the multi-resolution hash grid: tiny-cuda-nn's size and place of every level's table.

Names: ``scale`` maps [0, 1] to a level's lattice, ``resolution`` is the number of lattice points per side, ``entries``
the rows of a level's table, ``offset`` its first row in the table of all levels. Source: tiny-cuda-nn,
`encodings/grid.h` and `common_device.h` (Müller et al. 2022, "Instant Neural Graphics Primitives").
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

PRIMES = (1, 2654435761, 805459861)
"""Multipliers of tiny-cuda-nn's coherent prime hash for the first three dimensions."""

Interpolation = Literal["linear", "smoothstep"]


@dataclass(frozen=True)
class HashGridConfig:
    """Size of a hash grid over [0, 1]^3.

    The defaults are threestudio's and the official USD code's: 16 levels from 16 to 4096 cells.
    """

    n_levels: int = 16
    """Number of resolutions."""
    n_features_per_level: int = 2
    """Learned features per entry (1, 2, 4 or 8)."""
    log2_hashmap_size: int = 19
    """Binary logarithm of the largest number of entries in a level."""
    base_resolution: int = 16
    """Resolution of the coarsest level."""
    per_level_scale: float = 1.447269237440378
    """Growth of the resolution from one level to the next."""
    interpolation: Interpolation = "linear"
    """Trilinear weights of the fraction t itself, or of 3t^2 - 2t^3 (continuous first derivative)."""

    def __post_init__(self) -> None:
        """Reject sizes that tiny-cuda-nn rejects too.

        Raises:
            ValueError: A size is outside its range.
        """
        if self.n_features_per_level not in (1, 2, 4, 8):
            raise ValueError(f"n_features_per_level is {self.n_features_per_level}; choose 1, 2, 4 or 8")
        if self.n_levels < 1 or self.base_resolution < 2 or self.per_level_scale < 1:
            raise ValueError(
                f"hash grid needs n_levels >= 1, base_resolution >= 2 and per_level_scale >= 1, got "
                f"{self.n_levels}, {self.base_resolution} and {self.per_level_scale}"
            )
        if not 3 <= self.log2_hashmap_size <= 30:
            raise ValueError(f"log2_hashmap_size is {self.log2_hashmap_size}; choose 3 to 30")
        if self.interpolation not in ("linear", "smoothstep"):
            raise ValueError(f"interpolation is {self.interpolation!r}; choose 'linear' or 'smoothstep'")

    @property
    def n_output_dims(self) -> int:
        """Length of an encoded point: levels times features."""
        return self.n_levels * self.n_features_per_level

    def levels(self) -> "list[HashGridLevel]":
        """Return the layout of every level, coarse to fine."""
        result: list[HashGridLevel] = []
        offset = 0
        for level in range(self.n_levels):
            result.append(self._level(level, offset))
            offset += result[-1].entries
        return result

    @property
    def n_entries(self) -> int:
        """Rows of the table of all levels."""
        last = self.levels()[-1]
        return last.offset + last.entries

    @property
    def n_params(self) -> int:
        """Length of the flat parameter vector: entries times features."""
        return self.n_entries * self.n_features_per_level

    def _level(self, level: int, offset: int) -> "HashGridLevel":
        # tiny-cuda-nn's steps in single precision, since the ceiling below must see the same roundings; each computed
        # in double and rounded, since logarithms in single precision differ in the last bit from processor to processor
        log2_scale = np.float32(math.log2(np.float32(self.per_level_scale)))
        growth = np.float32(2.0 ** float(np.float32(level) * log2_scale))
        scale = growth * np.float32(self.base_resolution) - np.float32(1)
        resolution = math.ceil(float(scale)) + 1
        padded = (resolution**3 + 7) // 8 * 8
        entries = min(padded, 2**self.log2_hashmap_size)
        return HashGridLevel(float(scale), resolution, offset, entries, hashed=resolution**3 > entries)


@dataclass(frozen=True)
class HashGridLevel:
    """One level of a hash grid."""

    scale: float
    """A point x of [0, 1] lies at scale * x + 0.5 on this level's lattice (a float32 value)."""
    resolution: int
    """Lattice points per side."""
    offset: int
    """First row of the level in the table of all levels."""
    entries: int
    """Rows of the level: resolution^3 rounded up to a multiple of 8, at most 2^log2_hashmap_size."""
    hashed: bool
    """Whether rows are hashed (else x + y * resolution + z * resolution^2); both modulo ``entries``."""
