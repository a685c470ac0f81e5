"""Multilayer perceptron whose initial function is a sphere, with biases and weight normalisation.

Source: Atzmon and Lipman 2020, "SAL", for the geometric initialisation; Wang et al. 2021, "NeuS"; instant-nsr-pl,
`models/network_utils.py`.
"""

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from viewdistill.fields.mlp import SOFTPLUS_BETA

N_COORDINATES = 3
"""Length of the position at the start of an input."""


class GeometricMLP(nn.Module):
    """Network of a position x and its features: untrained, every output is about |x| - sphere_radius.

    Hidden layers have a softplus. An untrained network ignores the features, whose weights are zero at first.
    """

    def __init__(self, n_features: int, n_outputs: int, width: int, n_hidden_layers: int, sphere_radius: float) -> None:
        """Initialise the weights.

        Args:
            n_features: Length of an input without its position.
            n_outputs: Length of an output.
            width: Length of a hidden layer; the more units, the rounder the sphere.
            n_hidden_layers: Number of hidden layers, at least 1.
            sphere_radius: In the unit of the position.
        """
        super().__init__()
        sizes = [N_COORDINATES + n_features, *[width] * n_hidden_layers, n_outputs]
        layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        *hidden, last = layers
        with torch.no_grad():
            for layer in hidden:
                layer.bias.zero_()
                layer.weight.normal_(0, math.sqrt(2 / width))
            hidden[0].weight[:, N_COORDINATES:] = 0
            last.bias.fill_(-sphere_radius)
            last.weight.normal_(math.sqrt(math.pi / width), 1e-4)
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)

    def forward(self, inputs: Float[Tensor, "n inputs"]) -> Float[Tensor, "n outputs"]:
        """Apply the network to positions with their features, in float32."""
        *hidden, last = self.layers
        x = inputs
        for layer in hidden:
            x = nn.functional.softplus(layer(x), beta=SOFTPLUS_BETA)
        return last(x)
