"""Colours that a lifting renders, and takes from the reference picture."""

import pytest
import torch
from torch import Tensor

from viewdistill.cameras import look_at, rays, relative_pose
from viewdistill.errors import ViewDistillError
from viewdistill.lifting.averaging import LiftedReference
from viewdistill.lifting.cells import cell_centres, turned_about_z
from viewdistill.lifting.networks import joined, twice
from viewdistill.lifting.picture_compositing import render_colors, render_in_torch
from viewdistill.lifting.reference_lifting import ReferenceLifting
from viewdistill.lifting.supervision import occupancy_errors
from viewdistill.lifting.volume_compositing import DENSITY_BIAS, DENSITY_SCALE, occupancy_error
from viewdistill.lifting.widening import grow
from viewdistill.objects.dataset import RenderSettings, render_object, sample_cameras
from viewdistill.objects.generator import generate
from viewdistill.objects.occupancy import HALF_SIDE, occupancy

SMALL = {
    "latent_size": 8, "channels": 8, "encoder_width": 8, "token_width": 16, "unprojected_channels": 8,
    "volume_widths": (8, 16, 16), "volume_blocks": 1, "resolution": 8,
}  # fmt: skip
SMOOTH = 1e-4
"""Of what rays that skip nearly empty space may differ from rays that do not, per sample."""


def with_pictures(**changed: object) -> ReferenceLifting:
    """A small lifting that renders colours of pictures of 32 pixels."""
    return ReferenceLifting(**{**SMALL, "picture_size": 32, "picture_channels": 4, "picture_samples": 24, **changed})  # type: ignore[arg-type]


def ball(n: int = 16, radius: float = 0.6) -> Tensor:
    """Cells [1, n, n, n, 5] of an opaque ball in an empty volume; colours are left at 0."""
    axis = (torch.arange(n) + 0.5) / n * 2 - 1
    distance = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0)
    cells = torch.zeros(1, n, n, n, 5)
    cells[0, ..., 0] = ((radius - distance) * 60).clamp(-12, 25)
    return cells


def pose(azimuth: float, elevation: float) -> Tensor:
    return relative_pose(*(torch.tensor(float(v)) for v in (0, 20, 1.5, azimuth, elevation, 1.5)))[None, None]


def test_the_kernels_render_what_plain_torch_does_with_its_gradient() -> None:
    torch.manual_seed(0)
    cells = ball().repeat(2, 1, 1, 1, 1) + torch.cat([torch.zeros(1), torch.ones(4)]) * torch.randn(2, 16, 16, 16, 5)
    picture, reference = (
        torch.rand(2, 3, 24, 24),
        look_at(torch.zeros(2), torch.tensor([10.0, 40.0]), torch.full((2,), 1.5)),
    )
    c2w = look_at(torch.tensor([0.0, 30, 140, 260]), torch.tensor([10.0, -5, 50, 20]), torch.full((4,), 1.5))
    origins, directions = (line.reshape(2, -1, 3) for line in rays(c2w, 49.1, 20, 20))
    found: list[tuple[Tensor, Tensor]] = []
    for device_path in (True, False):
        volume = cells.clone().requires_grad_()
        if device_path:
            seen = render_colors(volume, picture, reference, origins, directions, 0.62, 49.1, 20)
        else:
            turned, centre = reference[:, :3, :3], reference[:, None, :3, 3]
            tangent = torch.deg2rad(torch.tensor(49.1 / 2)).tan().item()
            seen = render_in_torch(
                volume,
                picture,
                origins,
                directions,
                (origins - centre) @ turned,
                directions @ turned,
                0.62,
                tangent,
                20,
            )
        weight = torch.linspace(-1, 1, seen.numel()).view_as(seen)
        found.append((seen.detach(), torch.autograd.grad((seen * weight).sum(), volume)[0]))
    (ours, our_gradient), (theirs, their_gradient) = found
    assert theirs[..., 3].max() > 0.99
    torch.testing.assert_close(ours, theirs, atol=20 * SMOOTH, rtol=0)
    difference = (our_gradient - their_gradient).norm() / their_gradient.norm()
    assert difference < 0.01


def test_the_reference_camera_sees_its_own_picture_and_others_see_it_turned() -> None:
    lifting, picture = with_pictures(), torch.rand(1, 3, 32, 32)
    cells = ball()
    cells[..., 4] = 20  # all of the picture's colour
    lifted = LiftedReference(torch.zeros(1, 8, 8, 8, 9), cells, picture)
    elevation = torch.tensor([20.0])
    with torch.no_grad():
        _, at_home = lifting.look_and_render(lifted, elevation, pose(0, 20))
        _, turned = lifting.look_and_render(lifted, elevation, pose(25, 20))
    assert at_home is not None
    assert turned is not None
    seen = at_home[0, 0, 6] > 0.99
    assert seen.float().mean() > 0.15
    torch.testing.assert_close(at_home[0, 0, :3][:, seen], picture[0][:, seen], atol=0.02, rtol=0)
    assert (turned[0, 0, :3][:, seen] - picture[0][:, seen]).abs().mean() > 0.1
    white = at_home[0, 0, 6] == 0
    torch.testing.assert_close(at_home[0, 0, :3][:, white], torch.ones(3, int(white.sum())), atol=0.01, rtol=0)


def test_a_cell_may_show_its_own_colour_instead() -> None:
    lifting, cells = with_pictures(), ball()
    cells[..., 1:4], cells[..., 4] = torch.tensor([20.0, -20.0, 0.0]), -20
    lifted = LiftedReference(torch.zeros(1, 8, 8, 8, 9), cells, torch.rand(1, 3, 32, 32))
    with torch.no_grad():
        picture = lifting.mean_picture(lifted, torch.tensor([20.0]), pose(120, 0))[0, 0]
    torch.testing.assert_close(picture[:, 16, 16], torch.tensor([1.0, 0.0, 0.5]), atol=0.01, rtol=0)


def test_gradients_reach_every_weight() -> None:
    torch.manual_seed(0)
    lifting = with_pictures(bottleneck=(16, 1))
    with torch.no_grad():  # residual branches start at zero
        for parameter in lifting.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    latent, elevation = torch.randn(2, 4, 8, 8), torch.tensor([10.0, 40.0])
    lifted, estimated = lifting.volume_and_elevation(latent, elevation, torch.rand(2, 3, 32, 32))
    features, pictures = lifting.look_and_render(lifted, elevation, 0.3 * torch.randn(2, 2, 4))
    assert features.shape == (2, 2, lifting.out_channels, 8, 8)
    assert pictures is not None
    assert pictures.shape == (2, 2, 7, 32, 32)
    (features.square().mean() + pictures.square().mean() + estimated.sum()).backward()
    silent = [name for name, p in lifting.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_a_grown_lifting_starts_with_the_features_of_the_smaller_one() -> None:
    torch.manual_seed(0)
    small = ReferenceLifting(**SMALL, groups=4)  # type: ignore[arg-type]
    large = with_pictures(volume_widths=(16, 32, 16), groups=8, bottleneck=(32, 2), encoder_blocks=2)
    grow(small, large)
    latent, elevation, wanted = torch.randn(1, 4, 8, 8), torch.tensor([25.0]), 0.3 * torch.randn(1, 3, 4)
    with torch.no_grad():
        expected = small.look(small.volume(latent, elevation), elevation, wanted)
        found = large.look(large.volume(latent, elevation, torch.rand(1, 3, 32, 32)), elevation, wanted)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_joining_before_the_interpolation_is_joining_after_it() -> None:
    torch.manual_seed(0)
    layer, coarse, fine = torch.nn.Conv3d(7, 3, 1), torch.randn(2, 5, 4, 4, 4), torch.randn(2, 2, 8, 8, 8)
    expected = layer(torch.cat([twice(coarse), fine], 1))
    torch.testing.assert_close(joined(layer, coarse, fine), expected, atol=1e-5, rtol=1e-5)


def test_occupancy_of_the_object_is_what_its_views_show() -> None:
    """Cells filled by an object's geometry, turned to where the reference sees them, give its rendered silhouettes."""
    seed, settings = 10_000_002, RenderSettings(views_per_object=3, size=32)
    rgba, _ = render_object(seed, settings)
    azimuth, elevation, distance = torch.from_numpy(sample_cameras(seed, settings)).unbind(-1)
    lifting = ReferenceLifting(**{**SMALL, "latent_size": 32, "resolution": 32, "samples": 64})  # type: ignore[arg-type]
    cells = torch.from_numpy(occupancy(generate(seed))).float()[None]
    places = turned_about_z(cell_centres(32, lifting.radius, cells.device), azimuth[:1]) / HALF_SIDE
    filled = torch.nn.functional.grid_sample(cells[:, None], places, align_corners=False)[0, 0] > 0.5
    volume = torch.zeros(1, 32, 32, 32, 9)
    volume[0, ..., 0] = torch.where(filled, 40.0, -12.0)
    first = [values[:1].expand(3) for values in (azimuth, elevation, distance)]
    wanted = relative_pose(first[0], first[1], first[2], azimuth, elevation, distance)
    with torch.no_grad():
        features = lifting.look(LiftedReference(volume), elevation[:1], wanted[None])[0]
    seen, truth = lifting.opacity(features)[:, 0] > 0.5, torch.from_numpy(rgba[..., 3]) > 127
    overlap = (seen & truth).sum((1, 2)) / (seen | truth).sum((1, 2))
    assert (overlap > 0.8).all()
    right, wrong = (
        occupancy_errors(LiftedReference(volume), lifting.radius, turn, cells, HALF_SIDE)[0]
        for turn in (azimuth[:1], azimuth[:1] + 90)
    )
    assert right < 0.5 * wrong


def test_occupancy_error_is_the_cross_entropy_of_what_a_cell_absorbs() -> None:
    density, side = torch.tensor([-3.0, 0.5, 2.0], requires_grad=True), 0.04
    absorbed = 1 - torch.exp(-torch.nn.functional.softplus(density + DENSITY_BIAS) * DENSITY_SCALE * side)
    truth = torch.tensor([0.0, 1.0, 0.25])
    expected = torch.nn.functional.binary_cross_entropy(absorbed, truth)
    found = occupancy_error(density, truth, side)
    torch.testing.assert_close(found, expected)
    slopes = [torch.autograd.grad(error, density, retain_graph=True)[0] for error in (found, expected)]
    torch.testing.assert_close(slopes[0], slopes[1])


def test_what_is_missing_is_said() -> None:
    latent, elevation = torch.randn(1, 4, 8, 8), torch.zeros(1)
    with pytest.raises(ValueError, match="give the picture"):
        with_pictures().volume(latent, elevation)
    plain = ReferenceLifting(**SMALL)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="renders no pictures"):
        plain.mean_picture(plain.volume(latent, elevation), elevation, pose(0, 0))


def test_growing_refuses_a_smaller_lifting() -> None:
    with pytest.raises(ViewDistillError, match="at least as large"):
        grow(ReferenceLifting(**SMALL), with_pictures(volume_widths=(8, 8, 16)))  # type: ignore[arg-type]
