import nerfacc
import pytest
import torch
from torch import Tensor

from viewdistill.rendering.occupancy import OccupancyGrid


def right_half(points: Tensor) -> Tensor:
    return (points[:, 0] > 0).float()


def nothing(points: Tensor) -> Tensor:
    return torch.zeros(len(points))


def test_a_new_grid_is_empty():
    grid = OccupancyGrid(1.0, 4)
    x = torch.linspace(-0.9, 0.9, 7)
    assert not grid.occupied(x, x, x).any()


def test_an_update_marks_the_cells_above_the_threshold():
    grid = OccupancyGrid(2.0, 4)
    assert grid.update_every_n_steps(0, right_half)
    cells = grid.binaries[0]
    assert cells[2:].all()
    assert not cells[:2].any()
    assert grid.bounds.tolist() == [0, -2, -2, 2, 2, 2]
    assert grid.mean_occupancy() == 0.5
    x = torch.tensor([-0.1, 0.1, 1.9, 2.1])
    y = torch.zeros(4)
    assert grid.occupied(x, y, y).tolist() == [False, True, True, False]


def test_updates_happen_on_the_schedule_and_decay():
    grid = OccupancyGrid(1.0, 4)
    grid.update_every_n_steps(0, right_half)
    assert not grid.update_every_n_steps(15, nothing)
    assert grid.occs.max() == 1
    assert grid.update_every_n_steps(16, nothing)
    torch.testing.assert_close(grid.occs.view(4, 16)[2:], torch.full((2, 16), 0.95))
    assert grid.binaries[0, 2:].all()


def test_the_threshold_is_the_mean_where_that_is_smaller():
    grid = OccupancyGrid(1.0, 4)
    # the mean is 0.004 / 2: cells of 0.004 count although they are below 0.01
    grid.update_every_n_steps(0, lambda points: 0.004 * right_half(points))
    assert grid.binaries[0, 2:].all()
    assert not grid.binaries[0, :2].any()


def test_after_the_warmup_a_quarter_and_the_occupied_cells_are_evaluated():
    grid = OccupancyGrid(1.0, 8)
    evaluated: list[Tensor] = []

    def corner(points: Tensor) -> Tensor:
        evaluated.append(points)
        return (points < -0.75).all(-1).float()

    grid.update_every_n_steps(240, corner)
    assert len(evaluated[-1]) == 512
    assert grid.binaries.sum() == 1
    grid.update_every_n_steps(256, corner)
    assert len(evaluated[-1]) == 128 + 1
    assert (evaluated[-1][-1] < -0.75).all()
    full = OccupancyGrid(1.0, 8)
    full.update_every_n_steps(0, right_half)
    full.update_every_n_steps(256, corner)
    assert len(evaluated[-1]) == 128 + 128


def test_every_cell_is_evaluated_inside_itself():
    grid = OccupancyGrid(1.0, 8)
    grid.update_every_n_steps(0, lambda points: torch.arange(len(points)).float())
    seen: list[Tensor] = []

    def record(points: Tensor) -> Tensor:
        seen.append(points)
        return nothing(points)

    grid.update_every_n_steps(0, record)
    x, y, z = ((seen[0] + 1) * 4).long().unbind(-1)
    assert torch.equal((x * 8 + y) * 8 + z, torch.arange(512))


def test_the_finest_level_that_contains_a_point_decides():
    grid = OccupancyGrid(1.0, 4, n_levels=2)
    # level 1 (half side 2) is full, level 0 is empty
    grid.update_every_n_steps(0, lambda points: (points.abs().amax() > 1).float().expand(len(points)))
    x = torch.tensor([0.5, 1.5, 2.5])
    zero = torch.zeros(3)
    assert grid.occupied(x, zero, zero).tolist() == [False, True, False]
    assert grid.bounds.tolist() == [-2, -2, -2, 2, 2, 2]


@pytest.mark.filterwarnings("ignore")
def test_matches_nerfacc():
    torch.manual_seed(0)
    values = torch.rand(6, 6, 6) ** 4

    def cellwise(points: Tensor) -> Tensor:
        x, y, z = ((points + 1) * 3).long().clamp(0, 5).unbind(-1)
        return 0.02 * values[x, y, z]

    ours = OccupancyGrid(1.0, 6)
    theirs = nerfacc.OccGridEstimator([-1, -1, -1, 1, 1, 1], resolution=6)
    for step in range(0, 64, 16):
        ours.update_every_n_steps(step, cellwise)
        theirs._update(step, cellwise, occ_thre=1e-2)
        values = values.roll(1, 0)
    torch.testing.assert_close(ours.occs, theirs.occs)
    assert torch.equal(ours.binaries, theirs.binaries)
    assert 0 < ours.binaries.float().mean() < 1


def test_a_checkpoint_carries_the_state(tmp_path):
    grid, other = OccupancyGrid(1.0, 4), OccupancyGrid(1.0, 4)
    grid.update_every_n_steps(0, right_half)
    torch.save(grid.state_dict(), tmp_path / "grid.pt")
    other.load_state_dict(torch.load(tmp_path / "grid.pt", weights_only=True))
    assert torch.equal(other.binaries, grid.binaries)
    assert torch.equal(other.occs, grid.occs)
    assert torch.equal(other.bounds, grid.bounds)
