"""Similarity-ICP: moves, turns and scales one set of points onto another (the protocol `surface-aligned`).

Matches are made both ways, from each set to the nearest of the other: matched one way alone, what a set leaves
uncovered would have no say. Every start is followed to its end and the place with the least Chamfer distance is kept,
the one where the points stand among them, so that aligning never makes it worse.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree
from trimesh.registration import procrustes

POINTS = 5_000
"""Points of each set that take part."""

ITERATIONS = 60
"""Rounds of matching at most."""

SETTLED = 1e-7
"""Gain of the Chamfer distance in one round, world units, below which a start is at its end."""


@dataclass(frozen=True)
class Similarity:
    """A scaled rotation and a shift."""

    matrix: Float[np.ndarray, "4 4"]
    """Applied to homogeneous columns."""

    @property
    def scale(self) -> float:
        """Factor of all lengths."""
        return float(np.cbrt(np.linalg.det(self.matrix[:3, :3])))

    @property
    def angle_deg(self) -> float:
        """Angle of the rotation, degrees."""
        trace = float(np.trace(self.matrix[:3, :3])) / self.scale
        return float(np.rad2deg(np.arccos(np.clip((trace - 1) / 2, -1, 1))))

    @property
    def shift(self) -> Float[np.ndarray, " 3"]:
        """Where the origin goes, world units."""
        return self.matrix[:3, 3]

    def __call__(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """The points after it."""
        return points @ self.matrix[:3, :3].T + self.shift


def align(source: Float[np.ndarray, "n 3"], target: Float[np.ndarray, "m 3"]) -> Similarity:
    """The similarity that brings points nearest to others, as far as ICP finds it.

    Args:
        source: Points to move, in no order; at least one.
        target: Points to move them to; at least one.
    """
    random = np.random.default_rng(0)
    source, target = (p[random.permutation(len(p))[:POINTS]].astype(np.float64) for p in (source, target))
    found = [_follow(start, source, target) for start in _starts(source, target)]
    return min(found, key=lambda entry: entry[0])[1]


def _starts(source: Float[np.ndarray, "n 3"], target: Float[np.ndarray, "m 3"]) -> list[Float[np.ndarray, "4 4"]]:
    """As it stands; and with centre and spread matched."""
    spreads = [float(np.sqrt((points - points.mean(0)).var(0).sum())) for points in (source, target)]
    scale = spreads[1] / spreads[0] if min(spreads) > 0 else 1.0
    matched = np.diag([scale, scale, scale, 1.0])
    matched[:3, 3] = target.mean(0) - scale * source.mean(0)
    return [np.eye(4), matched]


def _follow(
    matrix: Float[np.ndarray, "4 4"], source: Float[np.ndarray, "n 3"], target: Float[np.ndarray, "m 3"]
) -> tuple[float, Similarity]:
    """The best Chamfer distance on the way from a start, and where it was."""
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
