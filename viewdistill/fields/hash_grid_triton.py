"""The hash grid's GPU back end without a build: Triton kernels; Triton comes with torch's CUDA wheels.

With ``TRITON_INTERPRET=1`` set before this module is imported the kernels are interpreted, on tensors of the CPU: slow,
but the same code. Tests without a GPU use this.
"""

# Triton has no type stubs, and is not installed everywhere
# pyright: reportMissingTypeStubs=false, reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportIndexIssue=false

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import triton
from jaxtyping import Float
from torch import Tensor

from viewdistill.fields import hash_grid_triton_kernels as kernels
from viewdistill.fields.hash_grid_layout import HashGridConfig

_KERNEL: Any = kernels.gather  # the decorator's result has no static type

INTERPRETED = not isinstance(_KERNEL, triton.JITFunction)
"""Whether the kernels were imported for Triton's interpreter."""

BLOCK = 512 if INTERPRETED else 128
"""Points per program; on a GPU one per thread, with Triton's default of four warps."""


class TritonSums:
    """The three sums of `viewdistill.fields.hash_grid_autograd.GridSums`, on float32 tensors of one GPU."""

    def __init__(self, config: HashGridConfig, device: torch.device) -> None:
        """Copy the levels' sizes to the kernels' device.

        Args:
            config: The grid's size.
            device: The GPU; a CPU if the kernels are interpreted.
        """
        levels = config.levels()
        self.config = config
        self.device = device
        self.n_params = config.n_params
        self._scales = torch.tensor([level.scale for level in levels], device=device)
        sizes = [(level.resolution, level.offset, level.entries, int(level.hashed)) for level in levels]
        self._levels = torch.tensor(sizes, device=device)

    def gather(
        self,
        points: Float[Tensor, "n 3"],
        vectors: Float[Tensor, "n 3"] | None,
        params: Float[Tensor, " params"],
        active_levels: int,
    ) -> Float[Tensor, "n features"]:
        """Σ_c a_c θ_c."""
        # every active column is written, so only a grid with masked levels needs zeros
        allocate = torch.empty if active_levels == self.config.n_levels else torch.zeros
        output = allocate(len(points), self.config.n_output_dims, device=self.device)
        if output.numel() and active_levels:
            with self._current_device():
                kernels.gather[self._programs(points, active_levels)](
                    points, _or(vectors, points), params, output, *self._sizes(points), **self._options(vectors)
                )
        return output

    def scatter(
        self,
        points: Float[Tensor, "n 3"],
        vectors: Float[Tensor, "n 3"] | None,
        gradient: Float[Tensor, "n features"],
        active_levels: int,
    ) -> Float[Tensor, " params"]:
        """a_c g added up by corner, in no fixed order: the last digits differ from run to run."""
        output = torch.zeros(self.n_params, device=self.device)
        if len(points) and active_levels:
            with self._current_device():
                kernels.scatter[self._programs(points, active_levels)](
                    points, _or(vectors, points), gradient, output, *self._sizes(points), **self._options(vectors)
                )
        return output

    def slope(
        self,
        points: Float[Tensor, "n 3"],
        vectors: Float[Tensor, "n 3"] | None,
        gradient: Float[Tensor, "n features"],
        params: Float[Tensor, " params"],
        active_levels: int,
    ) -> Float[Tensor, "n 3"]:
        """Σ_c <g, θ_c> ∇a_c."""
        output = torch.zeros_like(points)
        if len(points) and active_levels:
            with self._current_device():
                kernels.slope[self._programs(points, 1)](
                    points,
                    _or(vectors, points),
                    gradient,
                    params,
                    output,
                    *self._sizes(points),
                    active_levels,
                    **self._options(vectors),
                )
        return output

    def _sizes(self, points: Tensor) -> tuple[Tensor, Tensor, int, int]:
        return self._scales, self._levels, len(points), self.config.n_output_dims

    def _options(self, vectors: Tensor | None) -> dict[str, Any]:
        return {
            "F": self.config.n_features_per_level,
            "SMOOTH": self.config.interpolation == "smoothstep",
            "DIRECTIONAL": vectors is not None,
            "BLOCK": BLOCK,
        }

    def _programs(self, points: Tensor, n_levels: int) -> tuple[int, int]:
        return -(-len(points) // BLOCK), n_levels

    def _current_device(self) -> AbstractContextManager[Any]:
        # Triton launches on the current device, wherever the tensors are
        return torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext()


def _or(vectors: Tensor | None, points: Tensor) -> Tensor:
    # a kernel always takes a pointer; it reads this one only with vectors
    return points if vectors is None else vectors
