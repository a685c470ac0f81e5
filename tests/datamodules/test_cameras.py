"""Camera batches: reproducible, within their ranges, uniform where they say so."""

from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.cameras import CameraSampler
from datamodules.posed_views import read_rgba
from datamodules.runs.run_folder import RunFolder
from datamodules.seeding import Purpose, generator_at
from viewdistill.cameras import spherical_from_c2w
from viewdistill.errors import ViewDistillError


def sampler(folder: RunFolder, **settings: object) -> CameraSampler:
    data = CameraSampler(str(folder.root), **settings)  # type: ignore[arg-type]
    data.setup("fit")
    return data


def test_a_batch_depends_on_seed_and_step_alone(run_folder: RunFolder) -> None:
    first, second = sampler(run_folder), sampler(run_folder)
    first.batch(3)  # drawing others in between changes nothing
    torch.rand(7)
    for a, b in zip(first.batch(11)[:4], second.batch(11)[:4], strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first.batch(11).azimuth, first.batch(12).azimuth)
    assert not torch.equal(first.batch(11).azimuth, sampler(run_folder, seed=5).batch(11).azimuth)


def test_stream_starts_where_it_is_told(run_folder: RunFolder) -> None:
    data = sampler(run_folder)
    stream = iter(data.train_dataloader())
    batches = [next(stream) for _ in range(3)]
    assert torch.equal(batches[2].c2w, data.batch(2).c2w)


def test_cameras_lie_in_their_ranges_and_look_at_the_origin(run_folder: RunFolder) -> None:
    data = sampler(
        run_folder, elevation_range=(-10.0, 40.0), azimuth_range=90.0, distance_range=(1.2, 1.8), views_per_step=64
    )
    batch = data.batch(0)
    azimuth, elevation, distance = spherical_from_c2w(batch.c2w)
    assert torch.allclose(elevation, batch.elevation, atol=1e-3)
    assert elevation.min() >= -10.01
    assert elevation.max() <= 40.01
    assert azimuth.abs().max() <= 45.01
    assert 1.2 <= distance.min() < 1.3
    assert 1.7 < distance.max() <= 1.81


def test_elevation_is_uniform_in_area(run_folder: RunFolder) -> None:
    data = sampler(run_folder, elevation_range=(-90.0, 90.0), views_per_step=20_000)
    sine = np.sort(np.sin(np.deg2rad(data.batch(0).elevation.numpy())))
    assert np.abs(sine - np.linspace(-1, 1, len(sine))).max() < 0.02  # Kolmogorov-Smirnov, far beyond its 1 % level


def test_elevations_of_the_official_code(run_folder: RunFolder) -> None:
    settings = {"elevation_range": (-10.0, 45.0), "views_per_step": 20_000}
    elevation = sampler(run_folder, elevation_sampling="official", **settings).batch(0).elevation
    # half of them uniform in degrees, half uniform in a sine from 2 * 80 / 180 - 1 to 2 * 135 / 180 - 1
    assert elevation.mean().item() == pytest.approx(14.5, abs=0.3)
    assert (elevation > 30).float().mean().item() == pytest.approx(0.5 * 15 / 55, abs=0.01)
    assert elevation.min() >= -10.01
    assert elevation.max() <= 45.01
    area = sampler(run_folder, **settings).batch(0)
    assert (area.elevation > 30).float().mean().item() == pytest.approx(0.235, abs=0.01)


def test_stratified_azimuths_fall_one_into_each_sector(run_folder: RunFolder) -> None:
    data = sampler(run_folder, views_per_step=4)
    everything = []
    for step in range(300):
        azimuth = np.sort(data.batch(step).azimuth.numpy() % 360)
        assert np.diff(azimuth, append=azimuth[0] + 360).max() <= 180  # two sectors at most between neighbours
        everything.append(azimuth)
    counts, _ = np.histogram(np.concatenate(everything), bins=8, range=(0, 360))
    assert counts.min() > 100  # 150 expected
    assert counts.max() < 200


def test_fits_with_neighbouring_seeds_share_no_numbers(run_folder: RunFolder) -> None:
    def u(seed: int, stratified: bool) -> np.ndarray:
        data = sampler(run_folder, views_per_step=1, stratified=stratified, seed=seed)
        return np.array([float(data.batch(step).azimuth[0]) / 360 + 0.5 for step in range(50)])

    turned, own, next_own = u(0, True), u(0, False), u(1, False)
    turn = (turned - own) % 1
    apart = np.abs((turn - next_own + 0.5) % 1 - 0.5)
    assert apart.min() < 0.1  # both are uniform
    assert np.median(apart) > 0.1


def test_relative_pose_is_seen_from_the_input_camera(run_folder: RunFolder) -> None:
    data = sampler(run_folder)
    ring = data.ring(4, elevation=20.0)  # the input's own elevation
    expected = torch.tensor([[0.0, 0, 1, 0], [0, 1, 0, 0], [0, 0, -1, 0], [0, -1, 0, 0]])
    assert torch.allclose(ring.relative_pose, expected, atol=1e-6)
    assert torch.allclose(data.input_view.cameras.relative_pose, expected[:1], atol=1e-6)
    # the camera moves down by 20 degrees: positive, in radians
    assert data.ring(1, elevation=0.0).relative_pose[0, 0] == pytest.approx(np.deg2rad(20))


def test_input_view_over_white(run_folder: RunFolder) -> None:
    rgb, mask = sampler(run_folder).input_view.resized(16)
    assert rgb.shape == (1, 3, 16, 16)
    assert torch.allclose(rgb[0, :, 0, 0], torch.ones(3))
    assert mask[0, 0, 0, 0] == 0
    assert mask[0, 0, 8, 8] == 1
    assert rgb[0, 0, 6, 8] > 0.8  # the upper half is red
    assert rgb[0, 2, 10, 8] > 0.7  # the lower blue


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"elevation_range": (50.0, 10.0)}, "elevation_range"),
        ({"elevation_range": (-100.0, 10.0)}, "elevation_range"),
        ({"azimuth_range": 400.0}, "azimuth_range"),
        ({"distance_range": (2.0, 1.0)}, "distance_range"),
        ({"views_per_step": 0}, "views_per_step"),
    ],
)
def test_impossible_ranges_are_refused(run_folder: RunFolder, settings: dict[str, object], word: str) -> None:
    with pytest.raises(ViewDistillError, match=word):
        sampler(run_folder, **settings)


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_damaged_input_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rgba.png"
    path.write_bytes(content)
    with pytest.raises(ViewDistillError, match=r"rgba\.png"):
        read_rgba(path)


def test_streams_of_purposes_steps_and_seeds_differ() -> None:
    draws = {
        float(torch.rand(1, generator=generator_at(seed, step, purpose)))
        for seed in (0, 1)
        for step in (0, 1)
        for purpose in Purpose
    }
    assert len(draws) == 4 * len(Purpose)
