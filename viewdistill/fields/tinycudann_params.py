"""The flat parameter vector of tiny-cuda-nn's `NetworkWithInputEncoding`: the network first, then the hash grid.

The network's matrices are row-major [out, in], concatenated from input to output, with the input and the output padded
to multiples of 16 (`network_with_input_encoding.h`, `fully_fused_mlp.cu`). A grid pads its features with zeros, so the
added columns have no effect; neither have the added rows of outputs.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from viewdistill.errors import ViewDistillError
from viewdistill.fields.hash_grid import HashGrid
from viewdistill.fields.mlp import MLP

PADDING = 16
"""Numbers of inputs and outputs are rounded up to a multiple of this."""


def padded_shapes(network: MLP) -> list[tuple[int, int]]:
    """Return [out, in] of tiny-cuda-nn's matrices for a network; hidden widths must be multiples of 16.

    Raises:
        ViewDistillError: tiny-cuda-nn has no network of this width.
    """
    sizes = [tuple(weight.shape) for weight in network.weights]
    if any(width % PADDING for width, _ in sizes[:-1]):
        raise ViewDistillError(
            f"tiny-cuda-nn's hidden layers are multiples of {PADDING} wide, not {sizes[0][0]}; change hidden_width"
        )
    return [(_padded(n_outputs), _padded(n_inputs)) for n_outputs, n_inputs in sizes]


def fused_params(network: MLP, grid: HashGrid) -> Float[Tensor, " fused"]:
    """Return the vector of a `NetworkWithInputEncoding` that computes ``network(grid(x))``.

    Args:
        network: The network, as wide at its input as the grid's features.
        grid: The grid.

    Raises:
        ViewDistillError: tiny-cuda-nn has no such network.
    """
    parts: list[Tensor] = []
    for weight, (n_outputs, n_inputs) in zip(network.weights, padded_shapes(network), strict=True):
        missing = (0, n_inputs - weight.shape[1], 0, n_outputs - weight.shape[0])
        parts.append(torch.nn.functional.pad(weight.detach(), missing).flatten())
    return torch.cat([*parts, grid.params.detach()]).float()


@torch.no_grad()
def load_fused_params(fused: Float[Tensor, " fused"], network: MLP, grid: HashGrid) -> None:
    """Take the weights of a `NetworkWithInputEncoding`, as in a checkpoint of a program that uses tiny-cuda-nn.

    Args:
        fused: Its ``params``.
        network: The network to fill.
        grid: The grid to fill.

    Raises:
        ViewDistillError: The vector's length does not match these sizes.
    """
    shapes = padded_shapes(network)
    lengths = [n_outputs * n_inputs for n_outputs, n_inputs in shapes]
    expected = sum(lengths) + grid.config.n_params
    if len(fused) != expected:
        raise ViewDistillError(
            f"tiny-cuda-nn parameters: {len(fused)} numbers where {sum(lengths)} of the network and "
            f"{grid.config.n_params} of the grid make {expected}; check the sizes of both"
        )
    *matrices, table = fused.split([*lengths, grid.config.n_params])
    for weight, matrix, shape in zip(network.weights, matrices, shapes, strict=True):
        weight.copy_(matrix.view(shape)[: weight.shape[0], : weight.shape[1]])
    grid.params.copy_(table)


def _padded(n: int) -> int:
    return -(-n // PADDING) * PADDING
