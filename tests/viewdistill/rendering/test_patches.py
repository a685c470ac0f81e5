"""Patch rendering: exact within the patch, an enlarged coarse view elsewhere, gradients from both."""

import torch
from torch.nn import functional as F

from viewdistill.cameras import look_at
from viewdistill.fields.density_field import DensityField
from viewdistill.fields.hash_grid import HashGridConfig
from viewdistill.rendering.patches import render_with_patch
from viewdistill.rendering.volume_renderer import VolumeRenderer

SIZE, PATCH, COARSENESS = 16, 6, 4


def renderer() -> VolumeRenderer:
    torch.manual_seed(0)
    field = DensityField(HashGridConfig(n_levels=2, log2_hashmap_size=10, base_resolution=8, per_level_scale=2.0))
    result = VolumeRenderer(field, occupancy_resolution=16, n_samples_per_ray=64).eval()
    with torch.no_grad():
        field.grid.params.uniform_(-1, 1)
    result.update_occupancy(0, torch.Generator().manual_seed(0))
    return result


def cameras() -> torch.Tensor:
    return look_at(torch.tensor([0.0, 70.0]), torch.tensor([10.0, 30.0]), torch.full((2,), 1.5))


def test_patch_is_exact_and_the_rest_is_the_enlarged_coarse_view() -> None:
    render, white = renderer(), torch.ones(3)
    views = render_with_patch(render, cameras(), 49.0, SIZE, PATCH, COARSENESS, white, torch.Generator().manual_seed(3))
    full = render.render_views(cameras(), 49.0, SIZE, SIZE, white)
    coarse = render.render_views(cameras(), 49.0, SIZE // COARSENESS, SIZE // COARSENESS, white)
    top, left = torch.randint(SIZE - PATCH + 1, (2,), generator=torch.Generator().manual_seed(3)).tolist()
    for name in ("rgb", "opacity", "depth"):
        enlarged = F.interpolate(getattr(coarse, name), (SIZE, SIZE), mode="bilinear", align_corners=False)
        expected, exact = enlarged.clone(), getattr(full, name)
        expected[..., top : top + PATCH, left : left + PATCH] = exact[..., top : top + PATCH, left : left + PATCH]
        assert torch.allclose(getattr(views, name), expected, atol=1e-5)
        assert not torch.allclose(expected, enlarged, atol=1e-3)


def test_a_patch_of_the_whole_view_is_the_view() -> None:
    render, white = renderer(), torch.ones(3)
    views = render_with_patch(render, cameras(), 49.0, SIZE, SIZE, COARSENESS, white)
    assert torch.allclose(views.rgb, render.render_views(cameras(), 49.0, SIZE, SIZE, white).rgb, atol=1e-5)


def test_gradients_come_from_the_patch_and_from_around_it() -> None:
    render = renderer()
    views = render_with_patch(
        render, cameras(), 49.0, SIZE, PATCH, COARSENESS, torch.ones(3), torch.Generator().manual_seed(3)
    )
    top, left = torch.randint(SIZE - PATCH + 1, (2,), generator=torch.Generator().manual_seed(3)).tolist()
    inside = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    inside[top : top + PATCH, left : left + PATCH] = True
    for mask in (inside, ~inside):
        (gradient,) = torch.autograd.grad((views.rgb * mask).sum(), list(render.parameters())[-1], retain_graph=True)
        assert gradient.abs().max() > 0
