"""Availability and choice of the hash grid's back ends."""

import importlib.util
import logging
import math
import time
from collections.abc import Mapping
from functools import cache
from typing import Literal

import torch

from viewdistill.errors import ViewDistillError
from viewdistill.fields.hash_grid_autograd import GridEncoder, SumsEncoder
from viewdistill.fields.hash_grid_layout import HashGridConfig
from viewdistill.fields.hash_grid_torch import TorchEncoder

ChosenBackend = Literal["numba", "torch", "tinycudann", "triton"]
Backend = Literal["auto", "numba", "torch", "tinycudann", "triton"]

PACKAGES: dict[ChosenBackend, str] = {"tinycudann": "tiny-cuda-nn", "triton": "Triton", "numba": "numba"}
"""Back ends that need a package of the same name → the package's usual name."""

GPU_BACKENDS: tuple[ChosenBackend, ...] = ("triton", "tinycudann")
"""Back ends for GPUs, in order of preference; a measurement overrules the order."""

TRIED_POINTS = 65_536
"""Number of points for timing back ends."""

PROBE = HashGridConfig(n_levels=2, log2_hashmap_size=7, base_resolution=4, per_level_scale=2.0)
"""A dense and a hashed level, for testing a back end."""

TOLERANCE = 1e-3
"""Largest relative difference of a usable back end from plain torch on the probe."""

logger = logging.getLogger(__name__)


def choose(
    device: torch.device, dtype: torch.dtype = torch.float32, config: HashGridConfig | None = None
) -> ChosenBackend:
    """Return the fastest usable back end; never one that fails later because a compiler is missing.

    Args:
        device: Where the parameters are.
        dtype: Their precision; all back ends but "torch" compute in float32.
        config: The grid's size, for timing where a GPU has more than one back end.
    """
    if dtype != torch.float32:
        return "torch"
    if device.type == "cpu":
        return "numba"
    candidates = GPU_BACKENDS if device.type == "cuda" else ()
    usable: list[ChosenBackend] = [backend for backend in candidates if obstacle(backend, device) is None]
    if len(usable) > 1 and config is not None:
        return _measured(config, device)
    if usable:
        return usable[0]
    if device.type == "cuda":
        logger.warning(
            "hash grid on %s: plain torch, which is slow (%s); `viewdistill doctor` says how to fix it",
            device,
            "; ".join(f"{PACKAGES[backend]}: {obstacle(backend, device)}" for backend in GPU_BACKENDS),
        )
    return "torch"


@cache
def _measured(config: HashGridConfig, device: torch.device) -> ChosenBackend:
    return fastest({backend: _encoder(backend, config, device) for backend in GPU_BACKENDS}, config, device)


def fastest(
    encoders: Mapping[ChosenBackend, GridEncoder], config: HashGridConfig, device: torch.device
) -> ChosenBackend:
    """Return the back end with the shortest time for encoding and gradients of a training step.

    Args:
        encoders: By name, for one grid.
        config: The grid's size.
        device: Device of the parameters.
    """
    seconds: dict[ChosenBackend, float] = {}
    with torch.inference_mode(False), torch.enable_grad():
        # ramps, not random numbers: timing must not advance the fit's random stream
        points = (torch.arange(3 * TRIED_POINTS, device=device).view(-1, 3) * 0.6180339887).frac()
        table = torch.nn.Parameter((torch.arange(config.n_params, device=device) * 0.4142135624).frac() - 0.5)
        for name, encoder in encoders.items():
            best = math.inf
            for _ in range(4):
                _wait(device)
                begun = time.perf_counter()
                encoded = encoder.encode(points, table, config.n_levels)
                slope = encoder.point_gradient(points, table, encoded.detach(), config.n_levels)
                torch.autograd.grad(encoded.sum() + slope.square().sum(), table)
                _wait(device)
                best = min(best, time.perf_counter() - begun)
            seconds[name] = best
    return min(seconds, key=lambda name: seconds[name])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def require(backend: ChosenBackend) -> None:
    """Check that a back end's package is installed.

    Raises:
        ViewDistillError: The package is not installed.
    """
    if backend in PACKAGES and importlib.util.find_spec(backend) is None:
        raise ViewDistillError(
            f"the hash grid's back end {backend} needs {PACKAGES[backend]}, which is not installed; "
            "`viewdistill doctor` says how, backend='auto' does without"
        )


def build_encoder(
    backend: ChosenBackend, config: HashGridConfig, device: torch.device, dtype: torch.dtype
) -> GridEncoder:
    """Build a back end for one grid.

    Args:
        backend: Its name.
        config: The grid's size.
        device: Where the parameters are.
        dtype: Their precision.

    Raises:
        ValueError: The back end does not run on this device, or not in this precision.
        ViewDistillError: The back end cannot be used on this machine.
    """
    if backend == "torch":
        return TorchEncoder(config)
    if dtype != torch.float32:
        raise ValueError(f"the hash grid's {backend} back end computes in float32, not {dtype}: use backend='torch'")
    kind = "cpu" if backend == "numba" else "cuda"
    if device.type != kind and not (backend == "triton" and triton_is_interpreted()):
        raise ValueError(
            f"the hash grid's {backend} back end runs on a {'CPU' if kind == 'cpu' else 'GPU'}, its parameters are on "
            f"{device}: build it with backend='torch' or 'auto'"
        )
    if backend in GPU_BACKENDS and (problem := obstacle(backend, device)) is not None:
        raise ViewDistillError(
            f"the hash grid's back end {backend} cannot be used on {device} ({problem}); "
            "`viewdistill doctor` says how to fix it, backend='auto' does without"
        )
    return _encoder(backend, config, device)


@cache
def obstacle(backend: ChosenBackend, device: torch.device) -> str | None:
    """Return the obstacle to a GPU back end on a device, or None if it works.

    The back end is tested on a tiny grid against plain torch, so that a missing compiler or a build for another GPU
    shows here and not in the middle of a fit.

    Args:
        backend: "tinycudann" or "triton".
        device: Device for the test.
    """
    if importlib.util.find_spec(backend) is None:
        return "not installed"
    if device.type != "cuda" and not (backend == "triton" and triton_is_interpreted()):
        return f"needs a GPU, not {device}"
    try:
        worst = probe(_encoder(backend, PROBE, device), device)
    except Exception as error:  # any error of a compiler, a driver or a broken build
        return f"does not work here: {str(error).strip().splitlines()[0] if str(error).strip() else repr(error)}"
    return None if worst <= TOLERANCE else f"differs from plain torch by {worst:.1e}"


def probe(encoder: GridEncoder, device: torch.device) -> float:
    """Return the largest difference between a back end and plain torch on `PROBE`, relative to each result's magnitude.

    Features, both of their gradients, and those of the point gradient are compared.

    Args:
        encoder: The back end.
        device: Device to test on.
    """
    results: list[tuple[torch.Tensor, ...]] = []
    # a module may be moved with gradients disabled
    with torch.inference_mode(False), torch.enable_grad():
        # ramps, not random numbers: the test must not advance the fit's random stream
        points = (torch.arange(192, device=device).view(64, 3) * 0.6180339887).frac()
        params = (torch.arange(PROBE.n_params, device=device) * 0.4142135624).frac() - 0.5
        weights = (torch.arange(64 * PROBE.n_output_dims, device=device) * 0.7320508076).frac().view(64, -1) - 0.5
        for each in (encoder, TorchEncoder(PROBE)):
            x, table = points.clone().requires_grad_(), torch.nn.Parameter(params.clone())
            encoded = each.encode(x, table, PROBE.n_levels)
            first = torch.autograd.grad(encoded, (x, table), weights)
            g = weights.clone().requires_grad_()
            slope = each.point_gradient(points, table, g, PROBE.n_levels)
            second = torch.autograd.grad(slope.square().sum(), (g, table))
            results.append((encoded, *first, slope, *second))
    pairs = zip(*results, strict=True)
    # torch's maximum propagates NaN; Python's does not
    worst = [((a - b).abs().max() / b.abs().max()).detach() for a, b in pairs]
    return float(torch.stack(worst).max())


def triton_is_interpreted() -> bool:
    """Return whether the Triton kernels run in Triton's interpreter (``TRITON_INTERPRET=1`` at import)."""
    if importlib.util.find_spec("triton") is None:
        return False
    # Imported here because it needs Triton, an optional package.
    from viewdistill.fields.hash_grid_triton import INTERPRETED

    return INTERPRETED


def _encoder(backend: ChosenBackend, config: HashGridConfig, device: torch.device) -> GridEncoder:
    # imported here and not at the top of the file: each takes a second or more, and most machines lack most of them
    if backend == "numba":
        from viewdistill.fields.hash_grid_numba import NumbaSums

        return SumsEncoder(NumbaSums(config))
    if backend == "triton":
        from viewdistill.fields.hash_grid_triton import TritonSums

        return SumsEncoder(TritonSums(config, device))
    if backend == "tinycudann":
        from viewdistill.fields.hash_grid_tinycudann import TinyCudaNNEncoder

        return TinyCudaNNEncoder(config, device)
    return TorchEncoder(config)
