"""Multi-resolution hash encoding with tiny-cuda-nn's exact semantics on every back end.

Source: Müller et al. 2022, "Instant Neural Graphics Primitives"; tiny-cuda-nn, `encodings/grid.h`.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from viewdistill.fields.hash_grid_autograd import GridEncoder
from viewdistill.fields.hash_grid_backends import Backend, ChosenBackend, build_encoder, choose, require
from viewdistill.fields.hash_grid_layout import HashGridConfig

__all__ = ["Backend", "HashGrid", "HashGridConfig"]

INITIAL_RANGE = 1e-4
"""Parameters start uniformly in [-1e-4, 1e-4], as tiny-cuda-nn's do."""


class HashGrid(nn.Module):
    """Encodes points of [0, 1]^3.

    The parameters are one flat float32 vector in tiny-cuda-nn's order (level, then entry, then feature fastest): a
    checkpoint moves between back ends.

    Attributes:
        backend: Back end for the current device of the parameters.

    Example:
        >>> grid = HashGrid(HashGridConfig(n_levels=4, log2_hashmap_size=12))
        >>> grid(torch.rand(5, 3)).shape
        torch.Size([5, 8])
    """

    backend: ChosenBackend

    def __init__(self, config: HashGridConfig, backend: Backend = "auto") -> None:
        """Allocate and initialise the table.

        Args:
            config: The grid's size.
            backend: "numba" (compiled kernels, CPU), "triton" (the same on a GPU, nothing to build), "tinycudann" (the
                original, which has to be built), "torch" (any device, slower), or "auto": the fastest that is usable
                where the parameters are, chosen again when they move.

        Raises:
            ViewDistillError: The package of the requested back end is not installed.
        """
        super().__init__()
        if backend != "auto":
            require(backend)
        self.config = config
        self.params = nn.Parameter(torch.empty(config.n_params).uniform_(-INITIAL_RANGE, INITIAL_RANGE))
        self.active_levels = config.n_levels
        self._asked_for: Backend = backend
        self._choose_backend()

    @property
    def n_output_dims(self) -> int:
        """Length of an encoded point."""
        return self.config.n_output_dims

    @property
    def active_levels(self) -> int:
        """Number of levels in use, from the coarsest; the features of the others are zero (progressive training)."""
        return self._active_levels

    @active_levels.setter
    def active_levels(self, active_levels: int) -> None:
        if not 0 <= active_levels <= self.config.n_levels:
            raise ValueError(f"active_levels is {active_levels}; the grid has {self.config.n_levels} levels")
        self._active_levels = active_levels

    def forward(
        self, points: Float[Tensor, "n 3"], known: Float[Tensor, "n features"] | None = None
    ) -> Float[Tensor, "n features"]:
        """Interpolate features.

        Args:
            points: Positions in [0, 1]^3; the lattice continues outside, with rows taken modulo the level's entries.
            known: Their features from an earlier call without gradients: rays are culled with the features of all
                their samples, and only the few that remain need a backward pass.

        Returns:
            Features, level-major, then feature; float32. Twice differentiable by points and parameters (tinycudann: not
            the gradient by the parameters).

        Raises:
            ValueError: The requested back end does not run on the parameters' device.
            ViewDistillError: The requested back end cannot be used on this machine.
        """
        points = self._positions(points)
        if known is None:
            return self._encoder().encode(points, self.params, self.active_levels)
        if not torch.is_grad_enabled():
            return known
        return self._encoder().attach(points, self.params, known, self.active_levels)

    def point_gradient(
        self, points: Float[Tensor, "n 3"], gradient: Float[Tensor, "n features"]
    ) -> Float[Tensor, "n 3"]:
        """Return Σ_k g_k ∇h_k(x), the derivative of a function of the features by the points.

        Cheaper than automatic differentiation where only parameters are trained: with points that need a gradient,
        every backward pass would compute theirs as well.

        Args:
            points: Positions in [0, 1]^3.
            gradient: g, the function's derivatives by the features.

        Returns:
            Gradients by the points; differentiable by the parameters and by ``gradient`` while gradients are enabled.

        Raises:
            ValueError: The requested back end does not run on the parameters' device.
            ViewDistillError: The requested back end cannot be used on this machine.
        """
        return self._encoder().point_gradient(self._positions(points), self.params, gradient, self.active_levels)

    def extra_repr(self) -> str:
        """Return the settings shown by a printed module."""
        return f"{self.config}, backend={self.backend!r}"

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "HashGrid":
        # every move and every cast passes through here: a module is built on the CPU and then moved by its trainer
        super()._apply(fn, recurse)
        self._choose_backend()
        return self

    def _positions(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        # at least float32: half precision cannot distinguish neighbouring cells of a fine level
        return points.to(torch.promote_types(self.params.dtype, torch.float32))

    def _choose_backend(self) -> None:
        device, dtype = self.params.device, self.params.dtype
        self.backend = choose(device, dtype, self.config) if self._asked_for == "auto" else self._asked_for
        self._built: GridEncoder | None = None

    def _encoder(self) -> GridEncoder:
        # on first use, because a back end may compile kernels, or need the device that the module is later moved to
        if self._built is None:
            self._built = build_encoder(self.backend, self.config, self.params.device, self.params.dtype)
        return self._built
