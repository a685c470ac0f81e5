"""Sums along rays on a CPU: numba kernels that restart at every ray.

It is njit code, which no type checker follows.
"""

from typing import no_type_check

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def sum_before(values, ray_indices, sums):
    """Write to ``sums`` the sum of the values before each sample on its own ray, added up in double."""
    total = np.float64(0)
    for i in range(len(values)):
        if i > 0 and ray_indices[i] != ray_indices[i - 1]:
            total = np.float64(0)
        sums[i] = total
        total += np.float64(values[i])


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def sum_behind(values, ray_indices, sums):
    """Write the sum of the values behind each sample."""
    total = np.float64(0)
    for i in range(len(values) - 1, -1, -1):
        if i + 1 < len(values) and ray_indices[i] != ray_indices[i + 1]:
            total = np.float64(0)
        sums[i] = total
        total += np.float64(values[i])
