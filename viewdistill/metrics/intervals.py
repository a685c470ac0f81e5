"""A mean with its uncertainty."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

RESAMPLES = 2_000
"""Bootstrap samples."""


@dataclass(frozen=True)
class Interval:
    """Mean of several values with its 95 % bootstrap interval."""

    mean: float
    """In the values' unit."""
    low: float
    """Lower end; the mean itself for a single value."""
    high: float
    """Upper end."""
    count: int
    """Number of values."""


def interval(values: Sequence[float]) -> Interval:
    """Return the mean of values and its 95 % interval (percentile bootstrap, deterministic); NaN without values."""
    if len(values) == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = float(np.mean(values))
    if len(values) == 1:
        return Interval(mean, mean, mean, 1)
    library: Any = stats
    found = library.bootstrap(
        (np.asarray(values, dtype=np.float64),),
        np.mean,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high), len(values))
