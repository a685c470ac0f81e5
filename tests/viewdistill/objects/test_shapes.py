"""Every primitive is closed and outward; volumes, boxes and motions against hand-computed values."""

import math

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from viewdistill.objects.geometry.extrusion import extruded_x, extruded_y, prism
from viewdistill.objects.geometry.shapes import (
    arch,
    box,
    capsule,
    curve,
    cylinder,
    disc,
    dome,
    ellipsoid,
    lathe,
    superquadric,
    torus,
    tube,
    wheel,
)
from viewdistill.objects.geometry.solid import Solid, merged, signed_volume

L_OUTLINE = [(0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (1.0, 1.0), (1.0, 2.0), (0.0, 2.0)]
ARROW = [(0.0, 0.0), (-1.0, 1.0), (2.0, 0.0), (-1.0, -1.0)]
HOLLOW = [(0.0, 0.0), (1.0, 0.0), (1.0, 2.0), (0.9, 2.0), (0.9, 0.1), (0.0, 0.1)]

SOLIDS = {
    "box": (box(1, 2, 3), 6.0),
    "tapered box": (box(1, 1, 3, taper=0.5), 1.75),
    "prism": (prism(L_OUTLINE, 2), 6.0),
    "prism of a clockwise outline": (prism(L_OUTLINE[::-1], 2), 6.0),
    "prism of an arrow": (prism(ARROW, 1), 2.0),
    "extruded_x": (extruded_x([(0, 0), (1, 0), (0, 1)], 2), 1.0),
    "extruded_y": (extruded_y([(0, 0), (1, 0), (0, 1)], 2), 1.0),
    "cylinder": (cylinder(1, 2, sides=200), 2 * math.pi),
    "cone": (cylinder(1, 3, 0.0, sides=200), math.pi),
    "frustum": (cylinder(1, 3, 0.5, sides=200), math.pi * 1.75),
    "disc": (disc(1, 0.5, sides=200), 0.5 * math.pi),
    "ball": (ellipsoid(1, sides=200), 4 / 3 * math.pi),
    "ellipsoid": (ellipsoid(1, 2, 3, sides=200), 8 * math.pi),
    "dome": (dome(1, 2, sides=200), 4 / 3 * math.pi),
    "octahedron": (superquadric(1, 1, 1, vertical=2, horizontal=2, sides=200), 4 / 3),
    "round superquadric": (superquadric(1, 1, 1, sides=200), 4 / 3 * math.pi),
    "capsule": (capsule(1, (0, 0, 0), (2, 0, 0), sides=200), 2 * math.pi + 4 / 3 * math.pi),
    "torus": (torus(2, 0.5, sides=200, around=100), math.pi**2),
    "half ring": (arch(2, 0.5, 0, 180, count=200, around=100), math.pi**2 / 2),
    "hollow lathe": (lathe(HOLLOW, 200), math.pi * (2 - 0.81 * 1.9)),
    "rod": (tube([(0, 0, 0), (0, 0, 2), (0, 0, 3)], 1.0, 200), 3 * math.pi),
}


def assert_closed(solid: Solid) -> None:
    mesh = trimesh.Trimesh(solid.vertices, solid.faces, process=False)
    assert np.isfinite(solid.vertices).all()
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume > 0


@pytest.mark.parametrize("name", SOLIDS)
def test_primitives_are_closed_and_have_the_volume_of_the_formula(name: str) -> None:
    solid, volume = SOLIDS[name]
    assert_closed(solid)
    assert signed_volume(solid) == pytest.approx(volume, rel=2e-3)


def test_bevelling_cuts_the_edges_and_keeps_the_sides() -> None:
    solid = box(1, 2, 3, bevel=0.2)
    assert_closed(solid)
    np.testing.assert_allclose(np.ptp(solid.vertices, axis=0), [1, 2, 3])
    assert 0.8 * 6 < signed_volume(solid) < 0.95 * 6


def test_standing_solids_stand_and_round_ones_are_centred() -> None:
    for solid in (box(1, 2, 3, 0.1), cylinder(1, 2), dome(1, 2), prism(L_OUTLINE, 1)):
        assert solid.vertices[:, 2].min() == 0
    for solid in (ellipsoid(1, 2, 3), torus(1, 0.2), disc(1, 0.2), wheel(1, 0.2), superquadric(1, 1, 2, 0.3, 0.3)):
        np.testing.assert_allclose(solid.vertices.min(0) + solid.vertices.max(0), 0, atol=1e-12)


def test_discs_face_forward_and_wheels_roll_along_x() -> None:
    np.testing.assert_allclose(np.ptp(disc(1, 0.2).vertices, axis=0), [0.2, 2, 2])
    np.testing.assert_allclose(np.ptp(wheel(1, 0.2).vertices, axis=0), [2, 0.2, 2])


def test_extrusions_keep_the_meaning_of_their_coordinates() -> None:
    side = extruded_y([(0.0, 0.0), (3.0, 0.0), (0.0, 1.0)], 2.0)
    np.testing.assert_allclose([side.vertices.min(0), side.vertices.max(0)], [[0, -1, 0], [3, 1, 1]])
    front = extruded_x([(0.0, 0.0), (3.0, 0.0), (0.0, 1.0)], 2.0)
    np.testing.assert_allclose([front.vertices.min(0), front.vertices.max(0)], [[-1, 0, 0], [1, 3, 1]])


@pytest.mark.parametrize(("axis", "moved"), [("x", (1, -3, 2)), ("y", (3, 2, -1)), ("z", (-2, 1, 3))])
def test_quarter_turns_are_right_handed(axis, moved: tuple[int, int, int]) -> None:
    point = Solid(np.array([[1.0, 2.0, 3.0]]), np.zeros((0, 3), np.int64))
    np.testing.assert_allclose(point.turned(axis, 90).vertices[0], moved, atol=1e-12)


def test_mirrored_solids_stay_outward_and_merged_ones_keep_their_volumes() -> None:
    solid = box(1, 2, 3).at(y=2)
    assert_closed(solid.mirrored())
    assert solid.mirrored().vertices[:, 1].max() == -1
    both = merged([solid, ellipsoid(1, sides=8), solid.mirrored()])
    assert_closed(both)
    assert signed_volume(both) == pytest.approx(12 + signed_volume(ellipsoid(1, sides=8)))


def test_curves_run_from_the_first_control_to_the_last_along_their_tangents() -> None:
    points = curve([(0, 0, 0), (1, 0, 0), (1, 0, 2)], 5)
    np.testing.assert_allclose(points[[0, 2, 4]], [[0, 0, 0], [0.75, 0, 0.5], [1, 0, 2]])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.2, 1.0), min_size=3, max_size=9), st.integers(3, 9), st.floats(-180, 180))
def test_star_shaped_prisms_and_bent_tubes_are_closed(radii: list[float], sides: int, bend: float) -> None:
    angle = np.linspace(0, 2 * math.pi, len(radii), endpoint=False)
    star = np.stack([np.cos(angle), np.sin(angle)], -1) * np.array(radii)[:, None]
    assert_closed(prism(star, 0.5))
    turn = np.radians(np.linspace(0, bend if abs(bend) > 1 else 1.0, 8))
    assert_closed(tube(np.stack([np.cos(turn), np.sin(turn), turn / 3], -1), 0.1, sides))
