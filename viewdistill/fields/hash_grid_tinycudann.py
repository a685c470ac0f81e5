"""The hash grid's tiny-cuda-nn back end: the original, on a GPU, if it has been built.

Source: NVlabs/tiny-cuda-nn, `bindings/torch/tinycudann/modules.py`. Its `Encoding` with dtype float32 computes in
float32 without padding, on the same flat vector of parameters as ours.
"""

# tiny-cuda-nn is not installed where types are checked
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from viewdistill.errors import ViewDistillError
from viewdistill.fields import hash_grid_torch
from viewdistill.fields.hash_grid_autograd import differentiated
from viewdistill.fields.hash_grid_layout import HashGridConfig

INTERPOLATION = {"linear": "Linear", "smoothstep": "Smoothstep"}


def encoding_config(config: HashGridConfig) -> dict[str, Any]:
    """Return a grid's size in tiny-cuda-nn's terms (its `DOCUMENTATION.md`, "Grid")."""
    return {
        "otype": "Grid",
        "type": "Hash",
        "n_levels": config.n_levels,
        "n_features_per_level": config.n_features_per_level,
        "log2_hashmap_size": config.log2_hashmap_size,
        "base_resolution": config.base_resolution,
        "per_level_scale": config.per_level_scale,
        "interpolation": INTERPOLATION[config.interpolation],
    }


class TinyCudaNNEncoder:
    """The back end, as `viewdistill.fields.hash_grid_autograd.GridEncoder`.

    Second derivatives are those of the point gradient; the gradient by the parameters is differentiable only once.
    """

    def __init__(self, config: HashGridConfig, device: torch.device) -> None:
        """Build tiny-cuda-nn's encoding.

        Args:
            config: The grid's size.
            device: The GPU.

        Raises:
            ViewDistillError: The library's layout of parameters differs from this grid's.
        """
        # Imported here because the user builds it, and it may fail to load.
        import tinycudann

        self.config = config
        self.device = device
        with self._current_device():
            self._encoding: Any = tinycudann.Encoding(3, encoding_config(config), dtype=torch.float32)
        if len(self._encoding.params) != config.n_params or self._encoding.n_output_dims != config.n_output_dims:
            raise ViewDistillError(
                f"this tiny-cuda-nn has {len(self._encoding.params)} parameters and "
                f"{self._encoding.n_output_dims} features where the hash grid has {config.n_params} and "
                f"{config.n_output_dims}; use another version, or backend='auto'"
            )

    def encode(
        self, points: Float[Tensor, "n 3"], params: Float[Tensor, " params"], active_levels: int
    ) -> Float[Tensor, "n features"]:
        """Features of points."""
        if len(points) == 0:
            # its kernels cannot be launched without points; the plain-torch back end keeps the (zero) gradients
            return hash_grid_torch.encode(points, params, self.config, active_levels)
        with self._current_device():
            # with our own table in place of the module's: a parameter or a computed tensor
            encoded = functional_call(self._encoding, {"params": params}, (_Contiguous.apply(points),))
        encoded = _Contiguous.apply(encoded)
        n_active = active_levels * self.config.n_features_per_level
        return nn.functional.pad(encoded[:, :n_active], (0, self.config.n_output_dims - n_active))

    def attach(
        self,
        points: Float[Tensor, "n 3"],
        params: Float[Tensor, " params"],
        features: Float[Tensor, "n features"],
        active_levels: int,
    ) -> Float[Tensor, "n features"]:
        """Encode again: the graph is the library's own."""
        return self.encode(points, params, active_levels)

    def point_gradient(
        self,
        points: Float[Tensor, "n 3"],
        params: Float[Tensor, " params"],
        gradient: Float[Tensor, "n features"],
        active_levels: int,
    ) -> Float[Tensor, "n 3"]:
        """Σ_k g_k ∇h_k; differentiable by g, the parameters and the points."""
        return differentiated(lambda x: self.encode(x, params, active_levels), points, gradient)

    def _current_device(self) -> AbstractContextManager[Any]:
        # the library works on the current device, wherever the tensors are
        return torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext()


class _Contiguous(torch.autograd.Function):
    """Return the same values; their gradients, of any order, get the layout that the library's kernels demand."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        del ctx
        return values.contiguous().view_as(values)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        del ctx
        return _Contiguous.apply(grad_outputs[0])
