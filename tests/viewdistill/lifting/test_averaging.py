"""Several references as one volume."""

from collections.abc import Callable

import pytest
import torch

from tests.viewdistill.lifting.test_lifting_pictures import with_pictures
from tests.viewdistill.lifting.test_reference_lifting import marked
from viewdistill.cameras import look_at, project, relative_pose
from viewdistill.diffusion.priors import ViewConditionedPrior
from viewdistill.lifting.averaging import LiftedReference
from viewdistill.lifting.reference_lifting import ReferenceLifting
from viewdistill.references import FurtherReference

SIDES = torch.tensor([0.0, 180.0])


def pose(azimuth: float, elevation: float = 20.0) -> torch.Tensor:
    return relative_pose(*(torch.tensor(float(v)) for v in (0, 20, 1.5, azimuth, elevation, 1.5)))[None, None]


@pytest.mark.parametrize("lifting", [ReferenceLifting(), with_pictures()], ids=["latents", "pictures"])
def test_the_same_picture_and_pose_twice_is_the_picture_once(lifting: ReferenceLifting) -> None:
    torch.manual_seed(0)
    latent, picture = torch.randn(1, 4, lifting.latent_size, lifting.latent_size), torch.rand(1, 3, 32, 32)
    elevation = torch.tensor([20.0])
    with torch.no_grad():
        once = lifting.volume(latent, elevation, picture)
        for turn in (0.0, 360.0):
            twice = lifting.averaged([once, once], torch.tensor([0.0, turn]), elevation.expand(2))
            torch.testing.assert_close(twice.features, once.features, atol=1e-5, rtol=1e-5)
            for azimuth in (0, 130):
                found, expected = (lifting.look(one, elevation, pose(azimuth)) for one in (twice, once))
                torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
                if lifting.picture_size:
                    pictures = (lifting.mean_picture(one, elevation, pose(azimuth)) for one in (twice, once))
                    torch.testing.assert_close(*pictures, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("azimuth", [90.0, 180.0, -40.0])
def test_a_cell_of_a_further_reference_is_seen_where_its_camera_puts_it(azimuth: float) -> None:
    lifting, elevation = ReferenceLifting(latent_size=64, samples=64), torch.tensor([20.0, 20.0])
    z, y, x = 11, 4, 12
    empty = marked(lifting, 0, 0, 0)
    lifted = [LiftedReference(empty), LiftedReference(marked(lifting, z, y, x))]
    with torch.no_grad():
        both = lifting.averaged(lifted, torch.tensor([0.0, azimuth]), elevation)
        features = lifting.look(both, elevation[:1], pose(azimuth))[0]
    seen = lifting.opacity(features)[0, 0]
    seen = seen * (seen > 0.3 * seen.max())
    point = (torch.tensor([[x, y, z]]) + 0.5) / lifting.resolution * 2 - 1
    # From its own camera, a cell is where it is in its own frame from azimuth 0.
    own = look_at(torch.tensor(0.0), torch.tensor(20.0), torch.tensor(1.5))
    place, _ = project(point * lifting.radius, own, lifting.fovy, 64, 64)
    rows, columns = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    centre = torch.stack([(seen * columns).sum(), (seen * rows).sum()]) / seen.sum()
    assert seen.max() > 0.3
    assert (centre - place[0]).abs().max() < 1.5


def test_each_side_has_the_colours_of_the_picture_that_it_faces() -> None:
    lifting, n = with_pictures(), 16
    axis = (torch.arange(n) + 0.5) / n * 2 - 1
    distance = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0)
    colors = torch.zeros(1, n, n, n, 5)
    colors[0, ..., 0] = ((0.6 - distance) * 60).clamp(-12, 25)
    colors[..., 4] = 10  # all of the picture's colour
    features = marked(lifting, 0, 0, 0)
    red, green = (torch.eye(3)[i].view(1, 3, 1, 1).expand(1, 3, 32, 32) for i in (0, 1))
    lifted = [LiftedReference(features, colors, picture) for picture in (red, green)]
    elevation = torch.tensor([20.0, 20.0])
    with torch.no_grad():
        both = lifting.averaged(lifted, SIDES, elevation)
        for azimuth, expected in ((0, red), (180, green), (30, red)):
            _, pictures = lifting.look_and_render(both, elevation[:1], pose(azimuth))
            assert pictures is not None
            rendered = pictures[0, 0, 3:, 16, 16]
            torch.testing.assert_close(rendered, torch.cat([expected[0, :, 16, 16], torch.ones(1)]), atol=0.1, rtol=0)


def test_a_prior_looks_at_further_pictures_where_it_has_a_lifting(
    view_prior: Callable[..., ViewConditionedPrior],
) -> None:
    images, noisy, T = torch.rand(1, 3, 32, 32), torch.randn(1, 4, 8, 8), torch.tensor([700])
    back = FurtherReference(torch.rand(1, 3, 64, 64), 180.0, 20.0)
    same = FurtherReference(images, 0.0, 20.0)
    for lifted, differs in ((True, True), (False, False)):
        prior = view_prior(lifted=lifted)
        one, two, twice = (prior.condition(images, 20.0, further) for further in ((), (back,), (same,)))
        found = [prior.predict_noise(noisy, T, condition, pose(180)[0]) for condition in (one, two, twice)]
        assert ((found[1] - found[0]).abs().max() > 1e-5) == differs
        torch.testing.assert_close(found[2], found[0], atol=1e-5, rtol=1e-4)
