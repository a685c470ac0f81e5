"""Small multilayer perceptrons without biases, as tiny-cuda-nn's."""

import math
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

Initialization = Literal["xavier", "linear"]
"""Bounds of uniform first weights: Xavier's on padded shapes (tiny-cuda-nn), or 1 / √inputs (`torch.nn.Linear`)."""

SOFTPLUS_BETA = 100
"""Sharpness of the softplus of signed distance networks (NeuS, after IGR): almost a ReLU, but twice differentiable."""


class MLP(nn.Module):
    """Network without biases: `n_hidden_layers` layers of `width` with ReLU or softplus, then a linear output.

    The weights are those of tiny-cuda-nn's networks: [out, in] per layer and, by default, Xavier-uniform on
    the shapes that tiny-cuda-nn pads to multiples of 16 (`fully_fused_mlp.cu`), without the padding itself.
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        width: int = 64,
        n_hidden_layers: int = 1,
        activation: Literal["relu", "softplus"] = "relu",
        initialization: Initialization = "xavier",
    ) -> None:
        """Initialise the weights.

        Args:
            n_inputs: Length of an input.
            n_outputs: Length of an output.
            width: Length of a hidden layer.
            n_hidden_layers: Number of hidden layers, at least 1.
            activation: Of the hidden layers; "softplus" where second derivatives are trained.
            initialization: Bounds of the first weights.
        """
        super().__init__()
        self.activation = activation
        sizes = [n_inputs, *[width] * n_hidden_layers, n_outputs]
        self.weights = nn.ParameterList(_uniform(a, b, initialization) for a, b in pairwise(sizes))

    def forward(
        self, inputs: Float[Tensor, "n inputs"], dtype: torch.dtype = torch.float32
    ) -> Float[Tensor, "n outputs"]:
        """Apply the network, computing in ``dtype``; the result is float32."""
        x = inputs.to(dtype)
        *hidden, last = self.weights
        for weight in hidden:
            x = nn.functional.linear(x, weight.to(dtype))
            x = x.relu_() if self.activation == "relu" else nn.functional.softplus(x, beta=SOFTPLUS_BETA)
        return nn.functional.linear(x, last.to(dtype)).float()


def _uniform(n_inputs: int, n_outputs: int, initialization: Initialization) -> nn.Parameter:
    padded = [(n + 15) // 16 * 16 for n in (n_inputs, n_outputs)]
    bound = math.sqrt(6 / sum(padded)) if initialization == "xavier" else 1 / math.sqrt(n_inputs)
    return nn.Parameter(torch.empty(n_outputs, n_inputs).uniform_(-bound, bound))
