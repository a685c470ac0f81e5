"""The lifting of the reference view: geometry that can be said in advance, and what a prior makes of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.viewdistill.diffusion.saved_priors import save
from tests.viewdistill.tiny_priors import tiny_lifting
from viewdistill.cameras import look_at, project, relative_pose
from viewdistill.diffusion.fingerprints import fingerprint
from viewdistill.diffusion.loading import locate
from viewdistill.diffusion.prior_files import VIEW_COMPONENTS
from viewdistill.diffusion.priors import ViewConditionedPrior
from viewdistill.lifting.averaging import LiftedReference
from viewdistill.lifting.reference_lifting import ReferenceLifting

ViewBuilder = Callable[..., ViewConditionedPrior]

T = torch.tensor([40, 700])

PINNED = [
    [0.1249113380908966, 0.10044819861650467],
    [0.5531349778175354, 0.531264066696167],
    [1.8097704648971558, 1.6841678619384766],
    [0.3367291986942291, 0.22622187435626984],
]
"""Of two views: mean and deviation of their features, and two numbers among them."""


def marked(lifting: ReferenceLifting, z: int, y: int, x: int) -> torch.Tensor:
    """Features of a volume that is empty but for one opaque cell."""
    n = lifting.resolution
    volume = torch.zeros(1, n, n, n, lifting.channels + 1)
    volume[..., 0] = -8
    volume[0, z, y, x] = 40
    return volume


@pytest.mark.parametrize(("azimuth", "elevation", "distance"), [(0, 20, 1.5), (90, -10, 1.5), (-130, 65, 1.8)])
def test_a_cell_is_seen_where_the_camera_convention_puts_it(azimuth: float, elevation: float, distance: float) -> None:
    lifting, reference = ReferenceLifting(latent_size=64, samples=64), torch.tensor([20.0])
    z, y, x = 11, 4, 10
    pose = relative_pose(*(torch.tensor(float(v)) for v in (0, 20, 1.5, azimuth, elevation, distance)))
    with torch.no_grad():
        features = lifting.look(LiftedReference(marked(lifting, z, y, x)), reference, pose[None, None])[0]
    seen = lifting.opacity(features)[0, 0]
    seen = seen * (seen > 0.1)  # not the trace of density that makes "empty" cells
    point = (torch.tensor([[x, y, z]]) + 0.5) / lifting.resolution * 2 - 1
    c2w = look_at(*(torch.tensor(float(v)) for v in (azimuth, elevation, distance)))
    place, depth = project(point * lifting.radius, c2w, lifting.fovy, 64, 64)
    rows, columns = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    centre = torch.stack([(seen * columns).sum(), (seen * rows).sum()]) / seen.sum()
    assert seen.max() > 0.9
    assert (centre - place[0]).abs().max() < 0.7
    row, column = divmod(int(seen.argmax()), 64)
    relief = features[0, -1, row, column] / seen[row, column]
    assert float(relief + lifting.distance) == pytest.approx(float(depth), abs=0.1)


def test_what_stands_before_hides_what_stands_behind() -> None:
    lifting, level, pose = ReferenceLifting(samples=64), torch.zeros(1), torch.tensor([[[0.0, 0.0, 1.0, 0.0]]])
    near, both = marked(lifting, 8, 8, 14), marked(lifting, 8, 8, 14)  # the reference camera stands at +x
    both[0, 8, 8, 2] = 40
    both[0, 8, 8, 2, 1:] = -40
    with torch.no_grad():
        alone, hiding = (lifting.look(LiftedReference(v), level, pose)[0, 0] for v in (near, both))
    composited = slice(4, 4 + lifting.channels)
    row, column = divmod(int(alone[-2].argmax()), 16)
    torch.testing.assert_close(hiding[composited, row, column], alone[composited, row, column], atol=0.5, rtol=0.02)


def test_a_volume_holds_what_the_reference_shows_before_it_is_trained() -> None:
    """Around the UNet go the latents themselves: unlike references give unlike colours at the cells they show."""
    torch.manual_seed(0)
    lifting = ReferenceLifting()
    left = torch.zeros(1, 4, 16, 16)
    left[..., :8] = 1
    with torch.no_grad():
        lifting.volume_unet.conv_out[2].weight.zero_()  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue]
        volume = lifting.volume(left, torch.zeros(1)).features[0, ..., 1:]
    # From +x, with z up, the left of the picture is the side of -y.
    assert (volume[:, :4] - volume[:, 12:]).abs().max() > 0.1
    torch.testing.assert_close(volume[:, 0], volume[:, 3])


def test_features_depend_on_every_input_and_gradients_reach_every_weight() -> None:
    torch.manual_seed(0)
    lifting = tiny_lifting()
    latent, elevation = torch.randn(2, 4, 8, 8), torch.tensor([10.0, 40.0])
    pose = torch.randn(2, 3, 4) * 0.3
    volume, estimated = lifting.volume_and_elevation(latent, elevation)
    features = lifting.look(volume, elevation, pose)
    assert features.shape == (2, 3, lifting.out_channels, 8, 8)
    flat = features.flatten(0, 1)
    (lifting.mean_view(flat).square().mean() + lifting.opacity(flat).mean() + estimated.sum()).backward()
    silent = [name for name, p in lifting.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # The last layer norm's bias shifts all keys alike only in the first blocks; nothing else may be silent.
    assert silent == []
    with torch.no_grad():
        for changed in (
            lifting.look(lifting.volume(latent + 0.5, elevation), elevation, pose),
            lifting.look(lifting.volume(latent, elevation + 30), elevation, pose),
            lifting.look(volume, elevation + 30, pose),
            lifting.look(volume, elevation, pose + 0.3),
        ):
            assert (changed - features).abs().max() > 1e-3
        torch.testing.assert_close(lifting.estimate_elevation(latent), estimated)


def test_autocast_does_not_move_points_and_rays() -> None:
    """Only the networks compute in bfloat16: a silhouette made of given cells is the same to the last bit."""
    torch.manual_seed(0)
    lifting, latent, pose = tiny_lifting(), torch.randn(1, 4, 8, 8), torch.randn(1, 2, 4) * 0.3
    elevation = torch.tensor([35.3])
    with torch.no_grad():
        volume = lifting.volume(latent, elevation)
        expected, elevations = lifting.look(volume, elevation, pose), lifting.estimate_elevation(latent)
        with torch.autocast("cpu", torch.bfloat16):
            found = lifting.look(volume, elevation, pose)
            reduced = lifting.look(lifting.volume(latent, elevation), elevation, pose)
            assert lifting.volume(latent, elevation).features.dtype is torch.bfloat16
            torch.testing.assert_close(lifting.estimate_elevation(latent), elevations, atol=1.0, rtol=0.0)
    assert torch.equal(found[:, :, 4:], expected[:, :, 4:])
    torch.testing.assert_close(reduced, expected, atol=0.03, rtol=0.03)


def test_the_shipped_lifting_gives_the_features_that_its_unet_was_trained_with() -> None:
    """Pinned: whatever the class learns to do, `priors/nano` keeps its layout and its numbers."""
    lifting = ReferenceLifting.from_pretrained("priors/nano/zero123/lifting", torch_dtype=torch.float32).eval()
    ramp = torch.linspace(-2, 2, 4 * 16 * 16).reshape(1, 4, 16, 16)
    pose = torch.tensor([[[0.0, 0.0, 1.0, 0.0], [0.2, 0.9, -0.4, 0.0]]])
    with torch.no_grad():
        features = lifting.look(lifting.volume(ramp, torch.tensor([20.0])), torch.tensor([20.0]), pose)[0]
    assert features.shape == (2, 30, 16, 16)
    found = torch.stack(
        [features.mean((1, 2, 3)), features.std((1, 2, 3)), features[:, 3, 8, 8], features[:, 28, 5, 9]]
    )
    torch.testing.assert_close(found, torch.tensor(PINNED), atol=2e-4, rtol=1e-3)


def test_views_of_a_batch_do_not_mix() -> None:
    torch.manual_seed(0)
    lifting, latent, pose = tiny_lifting(), torch.randn(2, 4, 8, 8), torch.randn(2, 2, 4) * 0.3
    elevation = torch.tensor([10.0, 40.0])
    with torch.no_grad():
        together = lifting.look(lifting.volume(latent, elevation), elevation, pose)
        for index in range(2):
            row = slice(index, index + 1)
            alone = lifting.look(lifting.volume(latent[row], elevation[row]), elevation[row], pose[row])
            torch.testing.assert_close(together[row], alone, atol=1e-5, rtol=1e-4)


def test_a_lifted_prior_comes_back_from_disk(tmp_path: Path, view_prior: ViewBuilder) -> None:
    prior = view_prior(lifted=True)
    read = ViewConditionedPrior.from_folder(save(prior, tmp_path / "lifted"))
    noisy, pose, images = torch.randn(2, 4, 8, 8), torch.randn(2, 4), torch.rand(1, 3, 32, 32)
    expected = prior.predict_noise(noisy, T, prior.condition(images, 20.0), pose)
    torch.testing.assert_close(read.predict_noise(noisy, T, read.condition(images, 20.0), pose), expected)
    assert "lifting/weights" in fingerprint(locate(tmp_path / "lifted", VIEW_COMPONENTS))
    plain = fingerprint(locate(save(view_prior(), tmp_path / "plain"), VIEW_COMPONENTS))
    assert "lifting/weights" not in plain


def test_a_lifted_prior_uses_the_elevation_and_estimates_it_where_it_is_not_given(view_prior: ViewBuilder) -> None:
    prior = view_prior(lifted=True)
    assert prior.lifting is not None
    noisy, pose, images = torch.randn(2, 4, 8, 8), torch.randn(2, 4) * 0.3, torch.rand(1, 3, 32, 32)
    low, high, unknown = prior.condition(images, 0.0), prior.condition(images, 60.0), prior.condition(images)
    assert unknown.elevation is not None
    torch.testing.assert_close(unknown.elevation, prior.lifting.estimate_elevation(unknown.latent))
    known = prior.condition(images, float(unknown.elevation))
    predictions = [prior.predict_noise(noisy, T, condition, pose) for condition in (low, high, unknown, known)]
    assert (predictions[0] - predictions[1]).abs().max() > 1e-5
    torch.testing.assert_close(predictions[2], predictions[3])


def test_the_branches_of_a_lifted_prior_agree_with_the_pair(view_prior: ViewBuilder) -> None:
    prior, noisy, pose = view_prior(lifted=True), torch.randn(2, 4, 8, 8), torch.randn(2, 4) * 0.3
    for images in (torch.rand(1, 3, 32, 32), torch.rand(2, 3, 32, 32)):
        condition = prior.condition(images, 20.0)
        conditional, unconditional = prior.predict_noise_pair(noisy, T, condition, pose)
        torch.testing.assert_close(conditional, prior.predict_noise(noisy, T, condition, pose), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(unconditional, prior.predict_noise_unconditional(noisy, T), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_inside_a_lifted_prior(view_prior: ViewBuilder, dtype: torch.dtype) -> None:
    noisy, pose, images = torch.randn(2, 4, 8, 8), torch.randn(2, 4) * 0.3, torch.rand(1, 3, 32, 32)
    full, half = view_prior(lifted=True), view_prior(lifted=True).to(dtype)
    found = half.predict_noise(noisy, T, half.condition(images, 20.0), pose)
    assert found.dtype == torch.float32
    torch.testing.assert_close(
        found, full.predict_noise(noisy, T, full.condition(images, 20.0), pose), atol=0.06, rtol=0.06
    )
