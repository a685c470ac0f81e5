"""Similarity ICP: translation, rotation and scale of one set of points onto another (protocol `surface-aligned`).

Points are matched both ways, from each set to the nearest of the other, because one-way matching ignores uncovered
parts. Every start is followed to convergence and the pose with the least Chamfer distance is kept. The identity is
among the starts, so alignment never increases the distance.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree
from trimesh.registration import procrustes

POINTS = 5_000
"""Number of points used from each set."""

ITERATIONS = 60
"""Largest number of rounds of matching."""

SETTLED = 1e-7
"""Gain in Chamfer distance per round, world units, below which a start has converged."""


@dataclass(frozen=True)
class Similarity:
    """A scaled rotation and a translation."""

    matrix: Float[np.ndarray, "4 4"]
    """Applied to homogeneous columns."""

    @property
    def scale(self) -> float:
        """Scale factor."""
        return float(np.cbrt(np.linalg.det(self.matrix[:3, :3])))

    @property
    def angle_deg(self) -> float:
        """Angle of the rotation, degrees."""
        trace = float(np.trace(self.matrix[:3, :3])) / self.scale
        return float(np.rad2deg(np.arccos(np.clip((trace - 1) / 2, -1, 1))))

    @property
    def shift(self) -> Float[np.ndarray, " 3"]:
        """Image of the origin, world units."""
        return self.matrix[:3, 3]

    def __call__(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Return the transformed points."""
        return points @ self.matrix[:3, :3].T + self.shift


def align(source: Float[np.ndarray, "n 3"], target: Float[np.ndarray, "m 3"]) -> Similarity:
    """Find the similarity that best aligns points with others, by ICP.

    Args:
        source: Points to move, in any order; at least one.
        target: Points to move them to; at least one.
    """
    random = np.random.default_rng(0)
    source, target = (p[random.permutation(len(p))[:POINTS]].astype(np.float64) for p in (source, target))
    found = [_follow(start, source, target) for start in _starts(source, target)]
    return min(found, key=lambda entry: entry[0])[1]


def _starts(source: Float[np.ndarray, "n 3"], target: Float[np.ndarray, "m 3"]) -> list[Float[np.ndarray, "4 4"]]:
    """Return the starts: the identity, and a match of centre and spread."""
    spreads = [float(np.sqrt((points - points.mean(0)).var(0).sum())) for points in (source, target)]
    scale = spreads[1] / spreads[0] if min(spreads) > 0 else 1.0
    matched = np.diag([scale, scale, scale, 1.0])
    matched[:3, 3] = target.mean(0) - scale * source.mean(0)
    return [np.eye(4), matched]


def _follow(
    matrix: Float[np.ndarray, "4 4"], source: Float[np.ndarray, "n 3"], target: Float[np.ndarray, "m 3"]
) -> tuple[float, Similarity]:
    """Return the best Chamfer distance reached from a start, and its pose."""
    target_tree: Any = KDTree(target)
    best = (float("inf"), Similarity(matrix))
    for _ in range(ITERATIONS):
        moved = Similarity(matrix)(source)
        moved_tree: Any = KDTree(moved)
        (forth, to_target), (back, to_source) = target_tree.query(moved), moved_tree.query(target)
        chamfer = 0.5 * float(forth.mean() + back.mean())
        gain = best[0] - chamfer
        if gain > 0:
            best = (chamfer, Similarity(matrix))
        if gain < SETTLED:
            break
        ends = np.concatenate([source, source[to_source]]), np.concatenate([target[to_target], target])
        matrix = np.asarray(procrustes(*ends, reflection=False, scale=True, return_cost=False))
    return best
