import math
from typing import Any

import nerfacc
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from viewdistill.rendering.compositing import (
    accumulate,
    exclusive_sum,
    sum_in_torch,
    transmittance,
    visibility,
    weights_from_alpha,
    weights_from_density,
)

# rays 0, 2 and 3 have samples, rays 1 and 4 have none
RAYS = torch.tensor([0, 0, 0, 2, 3, 3])
DENSITY = torch.tensor([1.0, 2.0, 0.5, 3.0, 0.0, 4.0])
LENGTHS = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


def test_exclusive_sum_restarts_at_every_ray():
    values = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert exclusive_sum(values, RAYS, 5).tolist() == [0, 1, 3, 0, 0, 5]


def test_weights_follow_the_formula():
    expected: list[float] = []
    light: dict[int, float] = {}
    for ray, density, length in zip(RAYS.tolist(), DENSITY.tolist(), LENGTHS.tolist(), strict=True):
        alpha = 1 - math.exp(-density * length)
        expected.append(light.get(ray, 1.0) * alpha)
        light[ray] = light.get(ray, 1.0) * (1 - alpha)
    torch.testing.assert_close(weights_from_density(DENSITY, LENGTHS, RAYS, 5), torch.tensor(expected))


def test_weights_match_nerfacc_batched():
    torch.manual_seed(0)
    density, t = torch.rand(7, 20) * 5, torch.rand(7, 21).cumsum(-1)
    expected, light, _ = nerfacc.render_weight_from_density(t[:, :-1], t[:, 1:], density)
    rays = torch.arange(7).repeat_interleave(20)
    lengths = (t[:, 1:] - t[:, :-1]).flatten()
    torch.testing.assert_close(weights_from_density(density.flatten(), lengths, rays, 7), expected.flatten())
    torch.testing.assert_close(transmittance(density.flatten() * lengths, rays, 7), light.flatten())


def test_weights_from_alpha_are_those_of_the_density_with_that_alpha():
    alpha = -torch.expm1(-DENSITY * LENGTHS)
    torch.testing.assert_close(weights_from_alpha(alpha, RAYS, 5), weights_from_density(DENSITY, LENGTHS, RAYS, 5))


def test_an_opaque_sample_hides_what_is_behind_and_has_finite_gradients():
    alpha = torch.tensor([0.5, 1.0, 0.7, 0.0, 0.2, 1.0], requires_grad=True)
    weights = weights_from_alpha(alpha, RAYS, 5)
    torch.testing.assert_close(weights, torch.tensor([0.5, 0.5, 0.0, 0.0, 0.2, 0.8]), atol=1e-5, rtol=0)
    (weights * torch.arange(6)).sum().backward()
    assert alpha.grad is not None
    assert alpha.grad.isfinite().all()


def test_weights_and_transmittance_sum_to_one():
    weights = weights_from_density(DENSITY, LENGTHS, RAYS, 5)
    opacity = accumulate(weights, torch.ones(6, 1), RAYS, 5)[:, 0]
    depth = torch.zeros(5).index_add(0, RAYS, DENSITY * LENGTHS)
    torch.testing.assert_close(opacity, 1 - (-depth).exp())
    assert opacity[1] == opacity[4] == 0


def test_gradients_match_finite_differences_twice():
    density = DENSITY.double().requires_grad_()
    lengths = LENGTHS.double().requires_grad_()

    def weights(density: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return weights_from_density(density, lengths, RAYS, 5)

    assert torch.autograd.gradcheck(weights, (density, lengths))
    assert torch.autograd.gradgradcheck(weights, (density, lengths))


def test_rays_behind_many_opaque_ones_keep_their_precision():
    n = 20_000
    rays = torch.arange(n).repeat_interleave(3)
    density = torch.full((3 * n,), 1000.0)
    density[-3:] = torch.tensor([0.1, 0.2, 0.3])
    light = transmittance(density, rays, n)[-3:]
    torch.testing.assert_close(light, torch.tensor([1.0, math.exp(-0.1), math.exp(-0.3)]), rtol=1e-6, atol=0)


def test_accumulate_sums_by_ray():
    values = torch.arange(12.0).view(6, 2)
    weights = torch.tensor([1.0, 0.0, 2.0, 1.0, 1.0, 1.0])
    assert accumulate(weights, values, RAYS, 5).tolist() == [[8, 11], [0, 0], [6, 7], [18, 20], [0, 0]]


def test_visibility_drops_transparent_and_hidden_samples():
    density = torch.tensor([1e-3, 5.0, 1.0, 1.0, 1.0, 1e-3])
    lengths = torch.ones(6)
    # α: .001, .993, .632 | .632 | .632, .001; T: 1, .999, .0067 | 1 | 1, .368
    assert visibility(density, lengths, RAYS, 5, 0.01, 0.01).tolist() == [False, True, False, True, True, False]
    assert visibility(density, lengths, RAYS, 5, 0.0, 0.0).all()


def test_no_samples_are_legal():
    empty = torch.empty(0, requires_grad=True)
    rays = torch.empty(0, dtype=torch.long)
    weights = weights_from_density(empty, torch.empty(0), rays, 3)
    opacity = accumulate(weights, torch.ones(0, 1), rays, 3)
    assert opacity.tolist() == [[0], [0], [0]]
    opacity.sum().backward()


@pytest.mark.parametrize("poison", [math.inf, math.nan, 1e38, -math.inf])
def test_a_sample_that_is_not_finite_spoils_no_other_ray(poison: float):
    rays = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2])
    sound = torch.rand(11, generator=torch.Generator().manual_seed(0))
    lengths, others = torch.full((11,), 0.1), rays != 1
    results: list[tuple[torch.Tensor, ...]] = []
    for value in (1.0, poison):
        density = sound.clone()
        density[4] = value
        density.requires_grad_()
        weights = weights_from_density(density, lengths, rays, 3)
        (weights * torch.arange(11)).sum().backward()
        assert density.grad is not None
        pixels = accumulate(weights, torch.ones(11, 1), rays, 3)[[0, 2]]
        results.append((weights[others], density.grad[others], pixels))
    for spoilt, expected in zip(results[1], results[0], strict=True):
        assert torch.equal(spoilt, expected)


@pytest.mark.parametrize("poison", [math.inf, math.nan, 1e38])
@pytest.mark.parametrize("backwards", [False, True])
def test_both_ways_of_summing_keep_to_their_rays(poison: float, backwards: bool):
    torch.manual_seed(0)
    rays = torch.randint(40, (500,)).sort().values
    values = torch.rand(500)
    expected = sum_in_torch(values, rays, 40, backwards)
    by_hand = [values[(rays == ray) & (torch.arange(500) < i)].sum() for i, ray in enumerate(rays)]
    if not backwards:
        torch.testing.assert_close(expected, torch.stack(by_hand))
        torch.testing.assert_close(exclusive_sum(values, rays, 40), expected, rtol=1e-7, atol=0)
    spoilt = values.clone()
    spoilt[250] = poison
    others = rays != rays[250]
    assert torch.equal(sum_in_torch(spoilt, rays, 40, backwards)[others], expected[others])


def test_the_sums_of_a_gpu_have_deterministic_versions_only():
    # torch has none of a floating-point running sum on a GPU, which `deterministic=True` would then refuse
    with RunningSums() as found:
        sum_in_torch(torch.rand(9), torch.arange(9) // 3, 3, False)
    assert found.floating == 0


class RunningSums(TorchDispatchMode):
    """Counts running sums of floating-point numbers."""

    floating = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.floating += func._overloadpacket.__name__ == "cumsum" and args[0].is_floating_point()
        return func(*args, **(kwargs or {}))
