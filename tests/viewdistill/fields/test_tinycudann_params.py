"""tiny-cuda-nn's fused parameter vector: its order, its padding, and the way back."""

import pytest
import torch

from viewdistill.errors import ViewDistillError
from viewdistill.fields.hash_grid import HashGrid, HashGridConfig
from viewdistill.fields.hash_grid_tinycudann import encoding_config
from viewdistill.fields.mlp import MLP
from viewdistill.fields.tinycudann_params import fused_params, load_fused_params

GRID = HashGridConfig(2, 2, 8, 4, 2.0)
HAS_GPU = torch.cuda.is_available()


def parts(width: int = 16) -> tuple[MLP, HashGrid]:
    torch.manual_seed(0)
    return MLP(4, 3, width, n_hidden_layers=2), HashGrid(GRID, "torch")


def test_the_network_stands_first_padded_to_sixteen_row_by_row():
    network, grid = parts()
    fused = fused_params(network, grid)
    first, second, last = network.weights
    assert len(fused) == 3 * 16 * 16 + GRID.n_params
    assert torch.equal(fused[:4], first[0])
    assert (fused[4:16] == 0).all()
    assert torch.equal(fused[16:20], first[1])
    assert torch.equal(fused[256:272], second[0])
    assert torch.equal(fused[512 : 512 + 48], last.flatten())
    assert (fused[560:768] == 0).all()
    assert torch.equal(fused[768:], grid.params)


def test_there_and_back_is_the_same_and_padding_means_nothing():
    (network, grid), (other, table) = parts(), parts()
    fused = fused_params(network, grid)
    for parameter in (*other.parameters(), table.params):
        parameter.data.zero_()
    fused[4:16], fused[560:768] = 7.0, 7.0
    load_fused_params(fused, other, table)
    points = torch.rand(20, 3)
    assert torch.equal(other(table(points)), network(grid(points)))
    assert torch.equal(table.params, grid.params)


def test_sizes_that_do_not_fit_are_named():
    network, grid = parts()
    with pytest.raises(ViewDistillError, match=f"768 of the network and {GRID.n_params} of the grid make"):
        load_fused_params(fused_params(network, grid)[:-1], network, grid)
    with pytest.raises(ViewDistillError, match="multiples of 16 wide, not 20"):
        fused_params(*parts(width=20))


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_GPU, reason="no CUDA device")
def test_tiny_cuda_nn_itself_computes_the_same_with_the_vector():
    tinycudann = pytest.importorskip("tinycudann", reason="not installed; `viewdistill doctor` says how")
    network, grid = parts(width=64)
    grid.params.data.normal_()
    activations = {"activation": "ReLU", "output_activation": "None"}
    sizes = {"otype": "FullyFusedMLP", "n_neurons": 64, "n_hidden_layers": 2}
    theirs = tinycudann.NetworkWithInputEncoding(3, 3, encoding_config(GRID), {**activations, **sizes})
    theirs.params.data = fused_params(network, grid).cuda()
    points = torch.rand(1000, 3)
    expected = network(grid(points))
    # it computes in half precision
    torch.testing.assert_close(theirs(points.cuda()).float().cpu(), expected, atol=0.02, rtol=0.02)
