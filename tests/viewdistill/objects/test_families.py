"""Every family: closed solids in one piece, few faces, repeatable, varied, and a front that differs from the back."""

import numpy as np
import pytest
import trimesh
from scipy.spatial import KDTree

from viewdistill.objects.families.catalogue import (
    FREE_FORM_FAMILIES,
    HELD_OUT_FAMILIES,
    PARAMETRIC_FAMILIES,
    TRAIN_FAMILIES,
    Family,
)
from viewdistill.objects.geometry import freeform
from viewdistill.objects.geometry.parts import Shape

ALL_FAMILIES = (*PARAMETRIC_FAMILIES, *FREE_FORM_FAMILIES, *HELD_OUT_FAMILIES)
SEEDS = range(3)


def name_of(family: Family) -> str:
    return family.__name__  # type: ignore[attr-defined]


def draw(family: Family, seed: int) -> Shape:
    return family(np.random.default_rng(seed))


def vertices_of(shape: Shape) -> np.ndarray:
    return np.concatenate([part.vertices for part in shape.parts])


@pytest.mark.parametrize("family", ALL_FAMILIES, ids=name_of)
def test_parts_are_closed_solids_with_few_faces(family: Family) -> None:
    for seed in SEEDS:
        shape = draw(family, seed)
        assert sum(len(part.faces) for part in shape.parts) < 15_000
        for part in shape.parts:
            mesh = trimesh.Trimesh(part.vertices, part.faces, process=False)
            assert np.isfinite(part.vertices).all(), part.slot
            assert part.vertices.dtype == np.float64
            assert part.faces.dtype == np.int64
            assert mesh.is_watertight, part.slot
            assert mesh.is_winding_consistent, part.slot
            assert mesh.volume > 0, part.slot


@pytest.mark.parametrize("family", ALL_FAMILIES, ids=name_of)
def test_draws_repeat_with_the_seed_and_vary_without(family: Family) -> None:
    first, again, other = draw(family, 1), draw(family, 1), draw(family, 2)
    np.testing.assert_array_equal(vertices_of(first), vertices_of(again))
    assert [part.slot for part in first.parts] == [part.slot for part in again.parts]
    sizes = [np.ptp(vertices_of(shape), axis=0) for shape in (first, other)]
    assert np.abs(sizes[0] / sizes[0].max() - sizes[1] / sizes[1].max()).max() > 0.005


@pytest.mark.parametrize("family", ALL_FAMILIES, ids=name_of)
def test_proportions_are_chunky_and_colours_several(family: Family) -> None:
    for seed in SEEDS:
        shape = draw(family, seed)
        size = np.ptp(vertices_of(shape), axis=0)
        assert size.min() > 0.12 * size.max()
        assert len({part.slot for part in shape.parts}) >= 2


def _arrangement(shape: Shape) -> tuple[int, ...]:
    """How many parts and vertices there are, and which part reaches furthest in each of the six directions."""
    reach = np.array([[part.vertices.min(0), -part.vertices.max(0)] for part in shape.parts])
    return len(shape.parts), len(vertices_of(shape)), *(int(k) for k in reach.argmin(0).ravel())


@pytest.mark.parametrize("family", PARAMETRIC_FAMILIES, ids=name_of)
def test_arrangements_of_parts_vary(family: Family) -> None:
    assert len({_arrangement(draw(family, seed)) for seed in range(8)}) >= 2


@pytest.mark.parametrize("family", ALL_FAMILIES, ids=name_of)
def test_nothing_floats(family: Family) -> None:
    clouds = _surface_points(draw(family, 0))
    reached, waiting = {0}, [0]
    while waiting:
        tree = KDTree(clouds[waiting.pop()])
        left = [k for k in range(len(clouds)) if k not in reached]
        near = [k for k in left if tree.query(clouds[k], distance_upper_bound=0.04)[0].min() < 0.04]
        reached |= set(near)
        waiting += near
    assert reached == set(range(len(clouds)))


def _surface_points(shape: Shape) -> list[np.ndarray]:
    """Points on each connected solid, in units of the object's longest side."""
    scale = 1 / np.ptp(vertices_of(shape), axis=0).max()
    clouds: list[np.ndarray] = []
    for part in shape.parts:
        label = trimesh.graph.connected_component_labels(
            trimesh.graph.face_adjacency(part.faces), node_count=len(part.faces)
        )
        for k in range(label.max() + 1):
            solid = trimesh.Trimesh(part.vertices * scale, part.faces[label == k], process=False)
            sampled = trimesh.sample.sample_surface(solid, 600, seed=0)[0]
            clouds.append(np.concatenate([np.asarray(sampled), solid.vertices[np.unique(solid.faces)]]))
    return clouds


def test_families_are_many_and_two_are_held_out() -> None:
    assert len(PARAMETRIC_FAMILIES) >= 16
    assert len(FREE_FORM_FAMILIES) >= 4
    assert len(HELD_OUT_FAMILIES) == 2
    assert not set(HELD_OUT_FAMILIES) & set(TRAIN_FAMILIES)
    names = [draw(family, 0).family for family in ALL_FAMILIES]
    assert len(set(names)) == len(names)
    held_out = {draw(family, 0).family for family in HELD_OUT_FAMILIES}
    assert not held_out & {draw(family, 0).family for family in TRAIN_FAMILIES}


@pytest.mark.parametrize("name", ["mug", "car", "cat", "house", "robot", "snowman", "teapot", "dog", "noisy_blob"])
def test_fronts_differ_from_backs(name: str) -> None:
    family = next(family for family in ALL_FAMILIES if name_of(family) == name)
    for seed in SEEDS:
        shape = draw(family, seed)
        middle = (vertices_of(shape).min(0) + vertices_of(shape).max(0)) / 2
        offsets = [abs(part.vertices[:, 0].mean() - middle[0]) for part in shape.parts]
        assert max(offsets) > 0.1 * np.ptp(vertices_of(shape)[:, 0])


def test_distance_fields_become_solids_of_their_size() -> None:
    ball = freeform.solid_of_field(lambda points: np.linalg.norm(points - [0.1, 0.0, -0.1], axis=1) - 0.5, 0.8)
    np.testing.assert_allclose((ball.vertices.min(0) + ball.vertices.max(0)) / 2, [0.1, 0, -0.1], atol=0.01)
    np.testing.assert_allclose(np.linalg.norm(ball.vertices - [0.1, 0.0, -0.1], axis=1), 0.5, atol=0.005)
