import numpy as np
import pytest
import trimesh

from viewdistill.metrics.winding import inside_grid, winding_grid

BOX = np.array([[-1.034, -1.113, -0.92], [1.01, 0.97, 1.12]])


def centres(resolution):
    steps = (np.arange(resolution) + 0.5) / resolution
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1)
    return BOX[0] + grid * (BOX[1] - BOX[0])


def solid_angle_winding(vertices, faces, points):
    """The exact generalised winding number (van Oosterom and Strackee 1983), slow."""
    a, b, c = (vertices[faces[:, i]][None] - points[:, None] for i in range(3))
    la, lb, lc = (np.linalg.norm(x, axis=-1) for x in (a, b, c))
    dot = lambda x, y: (x * y).sum(-1)  # noqa: E731
    numerator = dot(a, np.cross(b, c))
    denominator = la * lb * lc + dot(a, b) * lc + dot(b, c) * la + dot(c, a) * lb
    return (2 * np.arctan2(numerator, denominator)).sum(1) / (4 * np.pi)


def shape(name) -> trimesh.Trimesh:
    if name == "torus":
        return trimesh.creation.torus(0.5, 0.2, major_sections=16, minor_sections=12)
    if name == "box":
        return trimesh.creation.box(extents=(1, 0.5, 0.75))
    sphere, moved = trimesh.creation.icosphere(2, 0.5), trimesh.creation.icosphere(2, 0.5)
    moved.apply_translation([0.3, 0.1, 0.2])
    return sphere + moved


@pytest.mark.parametrize("name", ["torus", "box", "overlapping spheres"])
@pytest.mark.parametrize("flipped", [False, True])
def test_agrees_with_the_solid_angle(name, flipped):
    mesh = shape(name)
    faces = mesh.faces[:, ::-1] if flipped else mesh.faces
    points = centres(14).reshape(-1, 3)
    exact = solid_angle_winding(np.array(mesh.vertices), np.array(faces), points)
    winding = winding_grid(np.array(mesh.vertices), np.array(faces), BOX, 14).reshape(-1)
    np.testing.assert_allclose(winding, exact.round(), atol=1e-5)
    inside = inside_grid(np.array(mesh.vertices), np.array(faces), BOX, 14).reshape(-1)
    np.testing.assert_array_equal(inside, np.abs(exact) > 0.5)
    assert inside.any()


def test_sphere_volume():
    sphere = trimesh.creation.icosphere(5, 0.5)
    share = inside_grid(np.array(sphere.vertices), np.array(sphere.faces), BOX, 64).mean()
    assert share * np.prod(BOX[1] - BOX[0]) == pytest.approx(sphere.volume, rel=0.01)


def test_a_hole_does_not_empty_the_inside():
    sphere = trimesh.creation.icosphere(4, 0.5)
    kept = np.linalg.norm(sphere.triangles_center - [0, 0, 0.5], axis=1) > 0.2
    whole = inside_grid(np.array(sphere.vertices), np.array(sphere.faces), BOX, 32)
    holed = inside_grid(np.array(sphere.vertices), np.array(sphere.faces[kept]), BOX, 32)
    assert (whole & holed).sum() / (whole | holed).sum() > 0.97


def test_a_cavity_stays_hollow():
    outer, inner = trimesh.creation.icosphere(3, 0.6), trimesh.creation.icosphere(3, 0.3)
    inner.invert()
    mesh = outer + inner
    inside = inside_grid(np.array(mesh.vertices), np.array(mesh.faces), BOX, 32)
    distance = np.linalg.norm(centres(32), axis=-1)
    assert not inside[distance < 0.27].any()
    assert inside[(distance > 0.32) & (distance < 0.57)].all()


def test_a_mesh_reaching_out_of_the_box():
    box = trimesh.creation.box(extents=(8, 8, 8))
    assert inside_grid(np.array(box.vertices), np.array(box.faces), BOX, 8).all()


def test_nothing_and_not_finite():
    assert not inside_grid(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64), BOX, 4).any()
    broken = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, np.nan, 0.0]])
    assert not inside_grid(broken, np.array([[0, 1, 2]]), BOX, 4).any()
