"""A first surface from a radiance field."""

from typing import Any

import numpy as np
import pytest
import torch

from datamodules.runs.run_folder import InputMeta, RunFolder, write_json
from lightning_modules import surface_start
from lightning_modules.field_settings import FieldSettings
from lightning_modules.radiance_field import RadianceField
from lightning_modules.surface import Surface
from lightning_modules.surface_settings import SurfaceOptimizer
from lightning_modules.surface_start import level_set_of, places_of, start_surface
from tests.lightning_modules.test_surface import SURFACE, ball_folder, fit, module
from tests.tiny_field import GRID

__all__ = ["ball_folder"]

BLOB = FieldSettings(
    grid=GRID, radius=0.6, hidden_width=16, occupancy_resolution=16, n_samples_per_ray=48,
    blob_scale=40.0, blob_radius=0.3,
)  # fmt: skip
"""An untrained field with it is a ball of about this radius, dense enough to be seen as one."""


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Sums are then made in one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def a_ball_needs_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes for a ball, so that a start takes a second."""
    for name, value in {"RESOLUTION": 64, "PLACES": 8000, "STEPS": 100, "POINTS": 2048}.items():
        monkeypatch.setattr(surface_start, name, value)


def ball_field() -> RadianceField:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        field = RadianceField(BLOB, view_size=16)
    field.renderer.update_occupancy(0, torch.Generator().manual_seed(0))
    return field


@pytest.fixture
def fitted(ball_folder: RunFolder) -> RunFolder:
    """A run with a finished field beside the views of `ball_folder`."""
    field = ball_field()
    checkpoint = {"state_dict": field.state_dict(), "hyper_parameters": dict(field.hparams)}
    ball_folder.field_checkpoint.parent.mkdir(parents=True)
    torch.save(checkpoint, ball_folder.field_checkpoint)
    record = {"stage": "field", "seconds": 0.0, "peak_memory_mb": 0.0, "files": {}}
    write_json(ball_folder.record("field"), record)
    return ball_folder


def from_field() -> Surface:
    """A new module that starts from the run's field."""
    model = module()
    model.start = "field"
    return model


def directions(count: int) -> torch.Tensor:
    random = torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(random, dim=-1)


def test_the_level_set_is_what_the_fields_renders_cover(fitted: RunFolder) -> None:
    solid = level_set_of(ball_field().eval(), InputMeta.load(fitted.input_meta), 0)
    radii = np.linalg.norm(solid.points, axis=1)
    assert radii.std() < 0.01
    assert 0.2 < radii.mean() < 0.35


def test_the_started_surface_is_the_fields_level_set_in_its_colours(fitted: RunFolder) -> None:
    field, meta = ball_field().eval(), InputMeta.load(fitted.input_meta)
    solid = level_set_of(field, meta, 0)
    model = module()
    model.sdf_field.grid.active_levels = 2
    start_surface(model.renderer, fitted, SurfaceOptimizer(), 0)
    model.eval()
    on_it = torch.from_numpy(solid.points[::50]).float()
    with torch.no_grad():
        assert float(model.sdf(on_it).abs().mean()) < 0.005
        away = directions(200) * torch.linspace(0.05, 0.55, 200)[:, None]
        wanted = torch.from_numpy(solid.distance(away.numpy()))
        assert float((model.sdf(away) - wanted).abs().mean()) < 0.02
        assert float((model.color(on_it) - field.color(on_it)).abs().mean()) < 0.05


def test_places_know_colours_only_near_the_surface(fitted: RunFolder) -> None:
    places = places_of(ball_field().eval(), InputMeta.load(fitted.input_meta), 3)
    near = places.near[:, 0] == 1
    assert float(near.float().mean()) == 0.5
    assert float(places.distance[near].abs().mean()) < 0.03
    assert float(places.distance[~near].abs().max()) > 0.3
    again = places_of(ball_field().eval(), InputMeta.load(fitted.input_meta), 3)
    assert torch.equal(places.points, again.points)
    assert torch.equal(places.distance, again.distance)


def test_a_fit_starts_from_the_field_and_a_resumed_one_does_not_start_again(fitted: RunFolder) -> None:
    undisturbed = from_field()
    fit(undisturbed, fitted, 6)
    trainer = fit(from_field(), fitted, 4, total=6)
    trainer.save_checkpoint(fitted.surface_checkpoint)
    resumed = from_field()
    fit(resumed, fitted, 6, resume=fitted.surface_checkpoint)
    for name, value in undisturbed.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    sphere = module()
    fit(sphere, fitted, 6)
    on_ball = directions(200) * 0.3
    with torch.no_grad():
        assert undisturbed.sdf(on_ball).abs().mean() < sphere.sdf(on_ball).abs().mean() / 2


def test_pictures_from_elsewhere_have_no_field_and_start_from_the_sphere(ball_folder: RunFolder) -> None:
    model = from_field()
    fit(model, ball_folder, 1)
    with torch.no_grad():
        assert float(model.sdf(directions(50) * SURFACE.sphere_radius).abs().mean()) < 0.05
