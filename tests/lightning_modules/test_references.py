"""Several pictures of one object with their poses, in both fits."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from datamodules.cameras import CameraSampler
from datamodules.posed_views import ViewCamera, save_cameras, save_view
from datamodules.refined_views import RefinedViewRays
from datamodules.runs.run_folder import RunFolder
from lightning_modules.guidance_settings import GuidanceSettings
from lightning_modules.radiance_field import RadianceField
from lightning_modules.surface import Surface
from lightning_modules.surface_settings import ReferenceSettings
from tests.tiny_field import EVERYTHING, INPUT_TERMS, fit, guidance, module
from viewdistill.cameras import look_at

BACK = ViewCamera(180.0, 20.0)


@pytest.fixture
def two_sided(run_folder: RunFolder) -> RunFolder:
    """The run of a red and blue disc, whose back is green and yellow."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[..., 0], rgba[..., 1], rgba[..., 3] = 230 * (x < 0), 200, 255 * (x**2 + y**2 < 0.4)
    save_view(run_folder.references, 0, rgba)
    save_cameras(run_folder.references, [BACK])
    return run_folder


def sampler(folder: RunFolder) -> CameraSampler:
    data = CameraSampler(str(folder.root))
    data.setup("fit")
    return data


def errors(model: RadianceField, data: CameraSampler) -> list[float]:
    """Mean squared error of the field's render from every reference's camera."""
    found: list[float] = []
    for view in data.input_views:
        rendered = model.render_views(view.cameras.c2w, view.cameras.fovy, 32)
        found.append(float(F.mse_loss(rendered.rgb, view.resized(32)[0].movedim(1, -1))))
    return found


def test_a_field_fit_reproduces_all_references(two_sided: RunFolder) -> None:
    settings = GuidanceSettings(method="none", view_prior="/nowhere", text_prior="/nowhere")
    both, alone = module(settings, INPUT_TERMS), module(settings, INPUT_TERMS)
    fit(both, two_sided, 240)
    data = sampler(two_sided)
    front, back = errors(both, data)
    assert max(front, back) < 0.02  # white pictures have 0.2
    (two_sided.references / "cameras.json").unlink()
    fit(alone, two_sided, 240)
    assert errors(alone, data)[1] > 2 * back


def test_the_field_scores_the_references_in_turn(two_sided: RunFolder, tiny_prior_folder: Path) -> None:
    model = module(guidance(tiny_prior_folder, "sds"), EVERYTHING)
    seen: list[float] = []
    rendered = model.render_training_views
    model.render_training_views = lambda cameras, noise: (  # type: ignore[method-assign]
        seen.append(float(cameras.azimuth[0])) if len(cameras.azimuth) == 1 else None,
        rendered(cameras, noise),
    )[1]
    fit(model, two_sided, 3)
    assert seen == [0, 180, 0]


def test_the_surface_reads_rays_of_all_references_and_scores_them_in_turn(
    two_sided: RunFolder, tiny_prior_folder: Path
) -> None:
    save_view(two_sided.refined_views, 0, np.full((8, 8, 4), 255, np.uint8))
    save_cameras(two_sided.refined_views, [ViewCamera(90.0, 0.0)])
    data = RefinedViewRays(str(two_sided.root), input_size=16, input_rays=64)
    data.setup("fit")
    assert len(data.input.alpha) == 2 * 16 * 16
    places = {tuple(place.tolist()) for place in data.input.origins.round(decimals=3)}
    expected = [view.cameras.c2w[0, :3, 3].round(decimals=3) for view in data.input_views]
    assert places == {tuple(place.tolist()) for place in expected}
    text_prior = str(tiny_prior_folder / "stable-diffusion")
    model = Surface(reference=ReferenceSettings("refsd", 1, text_prior=text_prior, precision="fp32"))
    model.trainer = type("", (), {"datamodule": data})()  # type: ignore[assignment]
    model.on_fit_start()
    assert [float(view.cameras.azimuth) for view in model.reference_views] == [0, 180]
    assert torch.equal(model.reference_views[1].cameras.c2w[0], look_at(*map(torch.tensor, (180.0, 20.0, 1.5))))


def test_refined_views_near_any_reference_count_fully(two_sided: RunFolder) -> None:
    from datamodules.posed_views import PosedViews
    from datamodules.refined_views import ViewWeights

    cameras = (ViewCamera(0.0, 20.0), ViewCamera(90.0, 20.0), BACK)
    views = PosedViews(torch.ones(3, 4, 2, 2), cameras)
    known = torch.cat([view.cameras.c2w for view in sampler(two_sided).input_views])
    weights = ViewWeights(opposite=0.0).of(views, known)
    assert float(weights[0]) == pytest.approx(float(weights[2]), abs=1e-5)
    assert weights[0] > 1.5 * weights[1]
