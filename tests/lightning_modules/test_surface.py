"""The surface stage on a tiny scale: real classes, exact views of a ball, a random prior."""

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from datamodules.refined_views import RayBatch, RefinedViewRays
from datamodules.runs.run_folder import RunFolder
from lightning_modules.surface import Surface, color_error, load_surface, surface_points
from lightning_modules.surface_settings import (
    ReferenceSettings,
    SurfaceOptimizer,
    SurfaceSchedule,
    SurfaceSettings,
)
from tests.tiny_surface import BALL, SCHEDULE, SURFACE, finish_ball, fit, module, scores
from viewdistill.cameras import DISTANCE, FOVY_ZERO123, look_at
from viewdistill.errors import ViewDistillError
from viewdistill.guidance.timesteps import Annealed
from viewdistill.rendering.marching import Samples
from viewdistill.rendering.neus import SurfaceOutput


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Sums are then made in one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def ball_folder(run_folder: RunFolder) -> RunFolder:
    """Finished input and views stages of a ball."""
    return finish_ball(run_folder)


def test_neighbouring_normals_become_alike_where_rays_meet_the_surface(ball_folder: RunFolder) -> None:
    found: list[float] = []
    for weight in (1e-6, 1.0):
        model = module(smoothness=weight)
        found.append(float(fit(model, ball_folder, 60).callback_metrics["loss/normal_smoothness"]))
        rays = RefinedViewRays(str(ball_folder.root), rays_per_step=192, input_rays=64, input_size=32)
        rays.setup("fit")
        batch = rays.batch(0).views
        seen = model.render(batch, torch.ones(3), torch.Generator().manual_seed(0))
        points = surface_points(seen, batch)
        assert 10 < len(points) <= len(batch.origins)
        assert not points.requires_grad
        assert model.sdf(points).abs().median() < 0.05
    assert found[1] < 0.8 * found[0]
    half = torch.full_like(seen.opacity, 0.5).index_fill(0, torch.tensor([3]), 0.8)
    (point,) = surface_points(replace(seen, opacity=half, depth=1.2 * half), batch)
    torch.testing.assert_close(point, batch.origins[3] + 1.2 * batch.directions[3])


def test_exact_views_of_a_ball_give_the_ball(ball_folder: RunFolder) -> None:
    model = module()
    trainer = fit(model, ball_folder, 120)
    directions = torch.nn.functional.normalize(torch.randn(200, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    with torch.no_grad():
        distance = model.sdf(directions * BALL)
        assert distance.abs().mean() < 0.03  # the sphere of the start is 0.15 away
        assert (model.sdf(directions * 0.2) < 0).all()
        assert (model.sdf(directions * 0.42) > 0).float().mean() > 0.97
        rgb = model.color(directions * BALL)
    top, bottom = rgb[directions[:, 2] > 0.3].mean(0), rgb[directions[:, 2] < -0.3].mean(0)
    assert top[0] - top[2] > 0.1
    assert bottom[2] - bottom[0] > 0.1
    assert trainer.callback_metrics["inverse_std"] > 20
    assert model.sdf_field.grid.active_levels == 2
    assert model.renderer.annealing == 1

    trainer.save_checkpoint(ball_folder.surface_checkpoint)
    loaded = load_surface(ball_folder)
    model.eval()
    assert torch.equal(loaded.sdf(directions), model.sdf(directions))
    assert torch.equal(loaded.color(directions * 0.5), model.color(directions * 0.5))
    assert loaded.radius == 0.6
    views = loaded.render_views(look_at(torch.zeros(1), torch.zeros(1), torch.full((1,), DISTANCE)), FOVY_ZERO123, 24)
    assert views.rgb.shape == (1, 24, 24, 3)
    expected = math.pi * (BALL / DISTANCE / math.tan(math.radians(FOVY_ZERO123 / 2))) ** 2 / 4
    assert float(views.opacity.mean()) == pytest.approx(expected, rel=0.25)
    assert views.depth[0, 12, 12].item() == pytest.approx(DISTANCE - BALL, abs=0.05)


def test_a_resumed_fit_repeats_an_undisturbed_one_bit_by_bit(ball_folder: RunFolder, tiny_prior_folder: Path) -> None:
    settings = scores(tiny_prior_folder, "both", interval=3)
    undisturbed = module(settings)
    fit(undisturbed, ball_folder, 20)

    first = module(settings)
    trainer = fit(first, ball_folder, 13, total=20)
    trainer.save_checkpoint(ball_folder.surface_checkpoint)
    torch.rand(5)  # the global random state is not what decides
    resumed = module(settings)
    with torch.no_grad():
        resumed.sdf_field.grid.params.zero_()
    trainer = fit(resumed, ball_folder, 20, total=20, resume=ball_folder.surface_checkpoint)
    assert trainer.global_step == 20
    for name, value in undisturbed.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@pytest.mark.parametrize(
    ("method", "terms"),
    [
        ("none", set()),
        ("mse", {"input_color", "input_mask"}),
        ("refsd", {"reference_score"}),
        ("both", {"input_color", "input_mask", "reference_score"}),
    ],
)
def test_the_input_view_takes_part_as_asked(
    ball_folder: RunFolder, tiny_prior_folder: Path, method: str, terms: set[str]
) -> None:
    model = module(scores(tiny_prior_folder, method))
    trainer = fit(model, ball_folder, 1)
    logged = {name.removeprefix("loss/") for name in trainer.callback_metrics if name.startswith("loss/")}
    assert logged == {"color", "mask", "eikonal"} | terms
    assert all(trainer.callback_metrics[f"loss/{name}"] > 0 for name in logged)
    trainer.save_checkpoint(ball_folder.surface_checkpoint)
    stored = torch.load(ball_folder.surface_checkpoint, weights_only=True)
    assert {name.split(".")[0] for name in stored["state_dict"]} == {"renderer"}


def test_without_a_score_no_prior_is_loaded(ball_folder: RunFolder) -> None:
    model = module(ReferenceSettings("mse", text_prior="/nowhere"))
    fit(model, ball_folder, 1)
    assert model.reference_views == ()


def test_scores_are_taken_at_their_interval(ball_folder: RunFolder, tiny_prior_folder: Path) -> None:
    model = module(scores(tiny_prior_folder, "refsd", interval=3))
    seen: list[int] = []
    taken = model.render_reference
    model.render_reference = lambda *given: (seen.append(model.global_step), taken(*given))[1]  # type: ignore[method-assign]
    fit(model, ball_folder, 7)
    assert seen == [0, 3, 6]


def test_levels_follow_their_schedule() -> None:
    schedule = SurfaceSchedule(active_levels=Annealed(4.0, 8.0, 0.0, 0.5))
    levels = [schedule.levels_at(progress, 8) for progress in (0.0, 0.1, 0.125, 0.49, 0.5, 1.0)]
    assert levels == [4, 4, 5, 7, 8, 8]
    assert schedule.levels_at(1.0, 6) == 6
    assert SurfaceSchedule(active_levels=0.0).levels_at(0.0, 8) == 1


def test_learning_rates(ball_folder: RunFolder) -> None:
    model = module()
    trainer = fit(model, ball_folder, 1)
    groups = {group["name"]: group for group in trainer.optimizers[0].param_groups}
    assert {name: group["lr"] for name, group in groups.items()} == {"encoding": 1e-2, "networks": 5e-3, "s": 1e-3}
    assert groups["s"]["weight_decay"] == 0
    trained = sum(p.numel() for group in groups.values() for p in group["params"])
    assert trained == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("gradients", ["analytic", "finite_difference"])
def test_both_kinds_of_gradients_train(ball_folder: RunFolder, gradients: str) -> None:
    settings = SurfaceSettings(**{**vars(SURFACE), "gradients": gradients, "view_dependent": True})
    model = module(surface=settings)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    fit(model, ball_folder, 2)
    assert all(not torch.equal(before[name], p) for name, p in model.named_parameters())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short"])
def test_a_damaged_checkpoint_is_named(run_folder: RunFolder, content: bytes) -> None:
    run_folder.surface_checkpoint.parent.mkdir(parents=True)
    run_folder.surface_checkpoint.write_bytes(content)
    with pytest.raises(ViewDistillError, match=r"last\.ckpt: damaged.*viewdistill surface"):
        load_surface(run_folder)


def test_a_checkpoint_of_another_version_is_named(run_folder: RunFolder) -> None:
    run_folder.surface_checkpoint.parent.mkdir(parents=True)
    settings = asdict(SURFACE) | {"gamma": 2.0}
    torch.save({"state_dict": {}, "hyper_parameters": {"surface": settings}}, run_folder.surface_checkpoint)
    with pytest.raises(ViewDistillError, match="another version"):
        load_surface(run_folder)


def test_a_missing_checkpoint_says_which_stage_to_run(run_folder: RunFolder) -> None:
    with pytest.raises(ViewDistillError, match="viewdistill surface"):
        load_surface(run_folder)


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ViewDistillError, match=r"model\.surface: .*positive"):
        SurfaceSettings(sphere_radius=0.0).build()
    with pytest.raises(ViewDistillError, match="interval"):
        ReferenceSettings(interval=0)


def test_the_colour_error_can_be_the_mean_over_rays_that_hit() -> None:
    rays = 4
    opacity = torch.tensor([0.0, 1.0, 0.5, 0.0])
    seen = SurfaceOutput(
        rgb=torch.zeros(rays, 3),
        opacity=opacity,
        depth=opacity,
        z_variance=opacity,
        weights=torch.ones(0),
        samples=Samples(torch.zeros(0, dtype=torch.int64), torch.zeros(0), torch.zeros(0), rays),
        normals=torch.zeros(rays, 3),
        gradients=torch.zeros(0, 3),
    )
    rgb = torch.tensor([[1.0], [0.5], [0.5], [1.0]]).expand(-1, 3)
    batch = RayBatch(torch.zeros(rays, 3), torch.zeros(rays, 3), rgb, torch.ones(rays), torch.ones(rays))
    assert color_error(seen, batch, torch.ones(3), "all").item() == pytest.approx((1 + 0.25 + 0.25 + 1) / 4)
    assert color_error(seen, batch, torch.ones(3), "hit").item() == pytest.approx(0.25)
    missed = replace(seen, opacity=torch.zeros(rays))
    assert color_error(missed, batch, torch.ones(3), "hit").item() == 0


def test_a_surface_of_the_papers_network_is_fitted_and_read_back(ball_folder: RunFolder) -> None:
    surface = replace(SURFACE, distance_network="geometric", radius=1.5, sphere_radius=0.75)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        optimizer = SurfaceOptimizer(network_lr=1e-2, factor_shape="exponential", warm_up=0.1)
        reference = ReferenceSettings("none")
        model = Surface(
            surface, SCHEDULE, reference, optimizer=optimizer, color_rays="hit", eikonal_points=0, view_size=16
        )
    start = model.sdf(torch.zeros(1, 3)).item()
    trainer = fit(model, ball_folder, 3)
    assert trainer.global_step == 3
    assert start < 0
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    trainer.save_checkpoint(ball_folder.surface_checkpoint)
    points = torch.rand(5, 3) - 0.5
    torch.testing.assert_close(load_surface(ball_folder).sdf(points), model.eval().sdf(points))
