"""Cells inside an object, against what is known of balls and boxes, and against rays from each cell."""

import numpy as np
import pytest
import trimesh

from tests.viewdistill.objects.solids import ball_part, box_part
from viewdistill.objects.generator import generate
from viewdistill.objects.geometry.parts import Shape
from viewdistill.objects.occupancy import CELLS, HALF_SIDE, occupancy, packed
from viewdistill.objects.textured import assemble


def centres() -> np.ndarray:
    axis = ((np.arange(CELLS) + 0.5) / CELLS * 2 - 1) * HALF_SIDE
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    return np.stack([x, y, z], -1)


def test_overlapping_solids_are_one_and_axes_are_z_y_x() -> None:
    parts = [ball_part(0.3), box_part((0.2, 0.4, 1.0), (0.0, 0.0, 0.0), "trim")]
    obj = assemble(Shape(parts, "toy", "toy"), np.random.default_rng(0))
    found, points = occupancy(obj), centres()
    extents = [np.ptp(points[found][:, axis]) for axis in range(3)]
    np.testing.assert_allclose(extents, np.ptp(obj.vertices, axis=0), atol=4 * HALF_SIDE / CELLS)
    assert extents[2] > max(extents[:2])
    assert found[CELLS // 2, CELLS // 2, CELLS // 2]
    assert not found[0].any()


@pytest.mark.parametrize("seed", [3, 17, 10_000_007, 1_000_003])
def test_cells_are_those_inside_a_closed_part(seed: int) -> None:
    obj = generate(seed)
    points, found = centres().reshape(-1, 3), occupancy(obj).ravel()
    inside = np.zeros(len(points), bool)
    for part in range(int(obj.part_of_face.max()) + 1):
        faces = obj.faces[obj.part_of_face == part]
        for body in trimesh.Trimesh(obj.vertices, faces, process=True).split(only_watertight=True):
            inside |= body.contains(points)
    # Rays of the reference may graze an edge; a few cells may differ.
    assert (found != inside).mean() < 0.002
    assert found.sum() > 100


def test_bits_come_back() -> None:
    cells = occupancy(generate(3))
    bits = packed(cells)
    assert bits.shape == (CELLS**3 // 8,)
    assert (np.unpackbits(bits).reshape(cells.shape).astype(bool) == cells).all()
