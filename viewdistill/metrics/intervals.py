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
    """The mean of several values and the 95 % interval that the bootstrap gives it."""

    mean: float
    """In the values' unit."""
    low: float
    """Lower end; the mean itself where there is one value."""
    high: float
    """Upper end."""
    count: int
    """How many values."""


def interval(values: Sequence[float]) -> Interval:
    """Mean and 95 % interval (percentile bootstrap, the same at every call) of values; NaN without any."""
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
