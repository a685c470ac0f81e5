"""Multi-resolution hash encoding with tiny-cuda-nn's exact semantics, whichever back end computes it.

Source: Müller et al. 2022, "Instant Neural Graphics Primitives"; tiny-cuda-nn, `encodings/grid.h`.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from viewdistill.fields import hash_grid_torch
from viewdistill.fields.hash_grid_layout import HashGridConfig

__all__ = ["HashGrid", "HashGridConfig"]

INITIAL_RANGE = 1e-4
"""Parameters start uniformly in [-1e-4, 1e-4], as tiny-cuda-nn's do."""


class HashGrid(nn.Module):
    """Encodes points of [0, 1]^3.

    The parameters are one flat float32 vector in tiny-cuda-nn's order (level, then entry, then feature fastest): a
    checkpoint moves between back ends.

    Example:
        >>> grid = HashGrid(HashGridConfig(n_levels=4, log2_hashmap_size=12))
        >>> grid(torch.rand(5, 3)).shape
        torch.Size([5, 8])
    """

    def __init__(self, config: HashGridConfig, backend: Literal["auto", "numba", "torch"] = "auto") -> None:
        """Allocate and initialise the table.

        Args:
            config: The grid's size.
            backend: "numba" (compiled kernels, CPU), "torch" (any device, slower), or "auto": the first where the
                parameters are created on a CPU, else the second.
        """
        super().__init__()
        self.config = config
        self.params = nn.Parameter(torch.empty(config.n_params).uniform_(-INITIAL_RANGE, INITIAL_RANGE))
        if backend == "auto":
            backend = "numba" if self.params.device.type == "cpu" else "torch"
        self.backend = backend
        self.active_levels = config.n_levels

    @property
    def n_output_dims(self) -> int:
        """Length of an encoded point."""
        return self.config.n_output_dims

    @property
    def active_levels(self) -> int:
        """Levels from the coarsest that are read; the features of the others are zero (progressive training)."""
        return self._active_levels

    @active_levels.setter
    def active_levels(self, active_levels: int) -> None:
        if not 0 <= active_levels <= self.config.n_levels:
            raise ValueError(f"active_levels is {active_levels}; the grid has {self.config.n_levels} levels")
        self._active_levels = active_levels
        if self.backend == "numba":
            # here and not at the top of the file: compiling and loading kernels costs a second that "torch" never needs
            from viewdistill.fields import hash_grid_numba

            self._layout = hash_grid_numba.kernel_layout(self.config, active_levels)
            self._encode = hash_grid_numba.encode
            self._point_gradient = hash_grid_numba.point_gradient

    def forward(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n features"]:
        """Interpolate features.

        Args:
            points: Positions in [0, 1]^3; beyond it the lattice goes on, with rows taken modulo the level's entries.

        Returns:
            Features, level-major, then feature; float32. Twice differentiable by points and parameters.

        Raises:
            ValueError: The numba back end is asked to run elsewhere than on a CPU.
        """
        points = points.to(self.params.dtype)
        if self.backend == "torch":
            return hash_grid_torch.encode(points, self.params, self.config, self.active_levels)
        self._check_device()
        return self._encode(points, self.params, self._layout)

    def point_gradient(
        self, points: Float[Tensor, "n 3"], gradient: Float[Tensor, "n features"]
    ) -> Float[Tensor, "n 3"]:
        """Σ_k g_k ∇h_k(x), which differentiates a function of the features by the points.

        Cheaper than automatic differentiation where only parameters are trained: with points that need a gradient,
        every backward pass would compute theirs as well.

        Args:
            points: Positions in [0, 1]^3.
            gradient: g, the function's derivatives by the features.

        Returns:
            Gradients by the points; differentiable by the parameters and by ``gradient`` while gradients are enabled.

        Raises:
            ValueError: The numba back end is asked to run elsewhere than on a CPU.
        """
        points = points.to(self.params.dtype)
        if self.backend == "torch":
            create_graph = torch.is_grad_enabled()
            with torch.enable_grad():
                points = points if points.requires_grad else points.detach().requires_grad_()
                encoded = hash_grid_torch.encode(points, self.params, self.config, self.active_levels)
            return torch.autograd.grad(encoded, points, gradient, create_graph=create_graph)[0]
        self._check_device()
        return self._point_gradient(points, self.params, gradient, self._layout)

    def _check_device(self) -> None:
        if self.params.device.type != "cpu":
            raise ValueError(
                f"the hash grid's numba back end runs on a CPU, its parameters are on {self.params.device}: "
                "build it with backend='torch'"
            )
