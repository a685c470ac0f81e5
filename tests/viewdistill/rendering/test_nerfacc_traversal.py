"""Marching with nerfacc: what is made of its packed answer, and on a GPU its own code against plain torch."""

import importlib.util
import math
from pathlib import Path

import nerfacc
import pytest
import torch
from nerfacc.data_specs import RayIntervals, RaySamples
from torch import Tensor

from viewdistill.errors import ViewDistillError
from viewdistill.rendering import nerfacc_traversal
from viewdistill.rendering.compositing import transmittance, weights_from_density
from viewdistill.rendering.marching import march
from viewdistill.rendering.occupancy import OccupancyGrid

STEP = 0.037
HAS_GPU = torch.cuda.is_available()


def random_grid(n_levels: int, device: str = "cpu", backend: str = "auto") -> OccupancyGrid:
    torch.manual_seed(0)
    grid = OccupancyGrid(0.8, 8, n_levels, backend)  # pyright: ignore[reportArgumentType]
    cells = iter((torch.rand(n_levels * 512) < 0.3).float().split(512))
    grid.update_every_n_steps(0, lambda _: next(cells))
    return grid.to(device)


def random_rays(n: int, device: str = "cpu") -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    origins = torch.nn.functional.normalize(torch.randn(n, 3), dim=-1) * 2
    directions = torch.nn.functional.normalize(torch.randn(n, 3) * 0.5 - origins, dim=-1)
    return origins.to(device), directions.to(device)


def traverse_one_by_one(
    rays_o: Tensor,
    rays_d: Tensor,
    binaries: Tensor,
    aabbs: Tensor,
    near_planes: Tensor,
    far_planes: Tensor,
    step_size: float,
    cone_angle: float,
) -> tuple[RayIntervals, RaySamples, None]:
    """What nerfacc documents of `traverse_grids`: neighbouring intervals of a ray share an edge."""
    assert cone_angle == 0
    edges: list[tuple[float, bool, bool]] = []
    rays: list[int] = []
    for ray, (origin, direction) in enumerate(zip(rays_o.tolist(), rays_d.tolist(), strict=True)):
        touching = False
        for k in range(math.ceil(6 / step_size)):
            start = float(near_planes[ray]) + k * step_size
            t = start + step_size / 2
            point = torch.tensor([o + t * d for o, d in zip(origin, direction, strict=True)])
            inside = [bool((point > box[:3]).all() and (point < box[3:]).all()) for box in aabbs]
            kept = False
            if any(inside) and t <= float(far_planes[ray]):
                level = inside.index(True)
                low, high = aabbs[level].split(3)
                cell = ((point - low) / (high - low) * torch.tensor(binaries.shape[1:])).long()
                kept = bool(binaries[(level, *cell.tolist())])
            if kept:
                rays.append(ray)
                if touching:
                    edges[-1] = (edges[-1][0], True, True)
                else:
                    edges.append((start, True, False))
                edges.append((start + step_size, False, True))
            touching = kept
    values, left, right = (torch.tensor(column) for column in zip(*edges, strict=True))
    return (
        RayIntervals(vals=values, is_left=left, is_right=right),
        RaySamples(values, ray_indices=torch.tensor(rays)),
        None,
    )


@pytest.mark.parametrize(("n_levels", "far"), [(1, 1e10), (2, 1e10), (1, 2.2)])
def test_its_packed_answer_becomes_the_samples_of_plain_torch(
    n_levels: int, far: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("nerfacc.grid.traverse_grids", traverse_one_by_one)
    grid = random_grid(n_levels)
    origins, directions = random_rays(12)
    anchor = torch.rand(12, generator=torch.Generator().manual_seed(2)) * STEP
    rays, starts, ends = nerfacc_traversal.traverse(origins, directions, grid.binaries, 0.8, anchor, far, STEP)
    # the same anchors are what stratified marching draws
    stream = torch.Generator().manual_seed(2)
    expected = march(origins, directions, grid, STEP, far=far, stratified=True, generator=stream)
    assert len(expected) > 50
    assert torch.equal(rays, expected.ray_indices)
    torch.testing.assert_close(starts, expected.t_starts, atol=1e-5, rtol=0)
    torch.testing.assert_close(ends, expected.t_ends, atol=1e-5, rtol=0)


def test_on_a_cpu_numba_marches_unless_told_otherwise():
    assert OccupancyGrid(1.0, 4).backend == "numba"
    with pytest.raises(ValueError, match="numba marches on a CPU"):
        _ = OccupancyGrid(1.0, 4, backend="numba").to("meta").backend
    assert OccupancyGrid(1.0, 4, backend="torch").backend == "torch"


@pytest.mark.skipif(HAS_GPU, reason="this machine has a GPU")
def test_asking_for_it_without_a_gpu_is_one_line():
    assert nerfacc_traversal.obstacle() == "needs a CUDA device"
    with pytest.raises(ViewDistillError, match=r"nerfacc's CUDA code cannot be used \(needs a CUDA device\)"):
        OccupancyGrid(1.0, 4, backend="nerfacc")


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_GPU, reason="no CUDA device")
@pytest.mark.parametrize("n_levels", [1, 2])
def test_on_a_gpu_it_marches_as_plain_torch(n_levels: int):
    fast, slow = random_grid(n_levels, "cuda", "nerfacc"), random_grid(n_levels, "cuda", "torch")
    origins, directions = random_rays(5000, "cuda")
    found, expected = (march(origins, directions, grid, STEP) for grid in (fast, slow))
    steps = [
        set(zip(s.ray_indices.tolist(), (s.t_starts / STEP).round().long().tolist(), strict=True))
        for s in (found, expected)
    ]
    # midpoints on the faces of cells may round either way
    assert len(steps[0] ^ steps[1]) <= 1e-3 * len(steps[1])
    assert len(march(origins[:0], directions[:0], fast, STEP)) == 0
    assert len(march(origins, directions, OccupancyGrid(0.8, 8, backend="nerfacc").cuda(), STEP)) == 0


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_GPU, reason="no CUDA device")
def test_on_a_gpu_its_compositing_is_ours():
    nerfacc_traversal.require()
    origins, directions = random_rays(2000, "cuda")
    samples = march(origins, directions, random_grid(1, "cuda"), STEP)
    density = torch.rand(len(samples), device="cuda") * 20
    expected, light, _ = nerfacc.render_weight_from_density(
        samples.t_starts, samples.t_ends, density, ray_indices=samples.ray_indices, n_rays=2000
    )
    rays = samples.ray_indices
    torch.testing.assert_close(weights_from_density(density, samples.lengths, rays, 2000), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(transmittance(density * samples.lengths, rays, 2000), light, atol=1e-5, rtol=0)


def test_nerfacc_can_be_compiled_where_warnings_are_errors() -> None:
    """As Python does when it imports packages that were installed without byte code."""
    found = importlib.util.find_spec("nerfacc")
    assert found is not None
    assert found.origin is not None
    for path in Path(found.origin).parent.rglob("*.py"):
        compile(path.read_text(encoding="utf-8"), str(path), "exec")
