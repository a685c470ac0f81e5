"""A first field from what a lifting knows of the object."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from datamodules.cameras import CameraSampler
from datamodules.runs.run_folder import RunFolder
from lightning_modules.field_start import Pictures, pictures_of, start_from_lifting
from lightning_modules.guidance_settings import GuidanceSettings
from tests.tiny_field import FIELD, INPUT_TERMS, fit, guidance, module
from tests.viewdistill.lifting.test_lifting_pictures import ball, with_pictures
from tests.viewdistill.tiny_priors import view_prior
from viewdistill.cameras import DISTANCE, FOVY_ZERO123
from viewdistill.diffusion.lifted_object import LiftedObject
from viewdistill.diffusion.priors import ViewCondition
from viewdistill.lifting.reference_lifting import LiftedReference

RADIUS = 0.6 * 0.62
"""Of the ball, world units."""


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Sums are then made in one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def orange_ball() -> LiftedObject:
    """A ball in a lifting that renders colours, all of it orange."""
    lifting, cells = with_pictures(), ball()
    cells[..., 1:4], cells[..., 4] = torch.tensor([20.0, 0.0, -20.0]), -20
    with torch.no_grad():  # pictures as rendered, without what an untrained network adds
        for parameter in lifting.picture_head.parameters():
            parameter.zero_()
    lifted = LiftedReference(torch.zeros(1, 8, 8, 8, 9), cells, torch.rand(1, 3, 32, 32))
    return LiftedObject(view_prior(), lifting, lifted, torch.tensor([20.0]), 1.0)


@pytest.fixture
def cameras(run_folder: RunFolder) -> CameraSampler:
    data = CameraSampler(str(run_folder.root))
    data.setup("fit")
    return data


def started(lifted: LiftedObject, pictures: Pictures) -> Any:
    torch.manual_seed(0)
    renderer = FIELD.build()
    start_from_lifting(renderer, lifted, pictures, (1e-2, 1e-2), 0)
    return renderer.eval()


def without_input(lifted: LiftedObject, cameras: CameraSampler) -> Pictures:
    """The mean views alone."""
    found = pictures_of(lifted, cameras, 4, torch.device("cpu"))
    return Pictures(*(part[: -4 * 4] for part in vars(found).values()))


def test_the_density_of_a_volume_with_colours_is_that_of_its_finer_cells() -> None:
    lifted = orange_ball()
    inside, outside = torch.tensor([[0.0, 0.0, 0.1]]), torch.tensor([[0.0, 0.55, 0.0], [0.64, 0.64, 0.64]])
    assert float(lifted.density(inside)) > 100
    assert float(lifted.density(outside).max()) < 1e-2
    assert float(replace(lifted, scale=2.0).density(inside * 2)) < float(lifted.density(inside))


def test_the_axes_of_the_volume_are_those_of_the_world() -> None:
    lifted = orange_ball()
    assert lifted.lifted.colors is not None
    cells = torch.full_like(lifted.lifted.colors, -12)
    cells[0, 12, 8, 4, 0] = 25  # axes z, y, x
    place = (torch.tensor([[4.0, 8.0, 12.0]]) + 0.5) / 16 * 2 - 1
    only = replace(lifted, lifted=LiftedReference(lifted.lifted.features, cells, None))
    assert float(only.density(place * 0.62)) > 100
    assert float(only.density(place.flip(-1) * 0.62)) < 1e-2


def test_the_started_field_covers_what_the_lifting_covers_in_its_colours(cameras: CameraSampler) -> None:
    lifted = orange_ball()
    renderer = started(lifted, without_input(lifted, cameras))
    ring = cameras.ring(4, 10.0)
    with torch.no_grad():
        seen = renderer.render_views(ring.c2w, ring.fovy, 32, 32, torch.ones(3))
    rgb, opacity = lifted.views(ring.relative_pose)
    assert float((seen.opacity - opacity).abs().mean()) < 0.05
    covered = (opacity > 0.99)[:, 0]
    assert float(covered.float().mean()) > 0.1
    assert float((seen.rgb - rgb).abs().mean()) < 0.05
    colour = seen.rgb.movedim(1, -1)[covered].mean(0)
    torch.testing.assert_close(colour, torch.tensor([1.0, 0.5, 0.0]), atol=0.1, rtol=0)
    # Empty space is pruned before the first step of the fit.
    assert float(renderer.occupancy.binaries.float().mean()) < 0.5


def test_only_a_prior_with_a_lifting_gives_a_start() -> None:
    condition = ViewCondition(torch.zeros(1, 1, 16), torch.zeros(1, 4, 8, 8))
    for prior in (None, view_prior()):
        assert LiftedObject.of(prior, condition, DISTANCE, FOVY_ZERO123) is None
    prior = view_prior(lifted=True)
    found = LiftedObject.of(prior, prior.condition(torch.rand(1, 3, 32, 32), 20.0), DISTANCE, FOVY_ZERO123)
    assert found is not None
    assert found.scale == pytest.approx(1)
    rgb, opacity = found.views(torch.zeros(9, 4))
    assert rgb.shape == (9, 3, 32, 32)
    assert opacity.shape == (9, 1, 32, 32)
    # A camera with a narrower view stands before a larger object.
    narrow = LiftedObject.of(prior, prior.condition(torch.rand(1, 3, 32, 32), 20.0), DISTANCE, 30.0)
    assert narrow is not None
    assert narrow.scale > 1.5


def lifted_prior_folder(tmp_path: Path, other: Path) -> Path:
    """A folder with a tiny view-conditioned prior that has a lifting; its schedule is that of another folder."""
    prior = view_prior(lifted=True)
    for name in ("vae", "unet", "image_encoder", "clip_camera_projection", "lifting"):
        getattr(prior, name).save_pretrained(tmp_path / "zero123" / name)
    shutil.copytree(other / "zero123" / "scheduler", tmp_path / "zero123" / "scheduler")
    return tmp_path


def test_a_fit_starts_from_it_and_a_resumed_one_does_not_start_again(
    run_folder: RunFolder, tiny_prior_folder: Path, tmp_path: Path
) -> None:
    settings = guidance(lifted_prior_folder(tmp_path / "prior", tiny_prior_folder), "sds")
    undisturbed = module(settings, INPUT_TERMS)
    fit(undisturbed, run_folder, 6)

    trainer = fit(module(settings, INPUT_TERMS), run_folder, 4, total=6)
    trainer.save_checkpoint(run_folder.field_checkpoint)
    resumed = module(settings, INPUT_TERMS)
    fit(resumed, run_folder, 6, resume=run_folder.field_checkpoint)
    assert same(undisturbed, resumed)

    plain = module(settings, INPUT_TERMS)
    plain.start = "none"
    fit(plain, run_folder, 6)
    assert not same(undisturbed, plain)


def test_a_fit_without_a_lifting_is_the_same_with_and_without(run_folder: RunFolder) -> None:
    settings = GuidanceSettings(method="none", view_prior="/nowhere", text_prior="/nowhere")
    fields = []
    for start in ("lifting", "none"):
        model = module(settings, INPUT_TERMS)
        model.start = start  # type: ignore[assignment]
        fit(model, run_folder, 3)
        fields.append(model)
    assert same(*fields)


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    """Whether two modules have the same state, bit by bit."""
    states: list[dict[str, Tensor]] = [first.state_dict(), second.state_dict()]
    return all(torch.equal(value, states[1][name]) for name, value in states[0].items())
