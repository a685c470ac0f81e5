import math

import numpy as np
import pytest

from viewdistill.metrics.intervals import interval


def test_agrees_with_the_normal_interval_of_many_values():
    values = np.random.default_rng(1).normal(3.0, 2.0, 400)
    found = interval(values.tolist())
    half = 1.96 * values.std() / math.sqrt(400)
    assert found.mean == pytest.approx(values.mean())
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.1)
    assert found.low < found.mean < found.high
    assert found == interval(values.tolist())


def test_few_values():
    assert math.isnan(interval([]).mean)
    one = interval([2.5])
    assert (one.mean, one.low, one.high, one.count) == (2.5, 2.5, 2.5, 1)
    equal = interval([1.0, 1.0, 1.0])
    assert (equal.low, equal.high) == (1.0, 1.0)
