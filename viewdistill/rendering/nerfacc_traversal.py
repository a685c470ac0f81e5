"""Marching by nerfacc's CUDA code: its availability and the call.

nerfacc (Li et al. 2023, version 0.5) is pure Python as installed. Its CUDA code is compiled either at installation from
source or at first use. Compilation at first use needs nvcc, takes minutes, and hangs after an interrupted attempt;
without nvcc it prints that it is disabled and fails later. It is therefore used by default only if it was compiled at
installation.
"""

# nerfacc has no type stubs
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportPrivateUsage=false

import importlib
import importlib.util
from functools import cache

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from viewdistill.errors import ViewDistillError

COMPILED = "nerfacc.csrc"
"""Name of the module with the CUDA code, if compiled at installation."""


@cache
def obstacle() -> str | None:
    """Return the obstacle to nerfacc's CUDA code, or None if it is ready."""
    if importlib.util.find_spec("nerfacc") is None:
        return "not installed"
    if not torch.cuda.is_available():
        return "needs a CUDA device"
    if importlib.util.find_spec(COMPILED) is None:
        return "installed without its CUDA code"
    try:
        importlib.import_module(COMPILED)
    except Exception as error:  # a build for another torch or another driver
        return (
            f"its CUDA code does not load: {str(error).strip().splitlines()[0] if str(error).strip() else repr(error)}"
        )
    return None


def require() -> None:
    """Prepare nerfacc's CUDA code, compiling it if needed.

    Raises:
        ViewDistillError: The code cannot be used on this machine.
    """
    problem = obstacle()
    if problem is None:
        return
    if problem == "installed without its CUDA code":
        try:
            if importlib.import_module("nerfacc.cuda._backend")._C is not None:
                return
        except Exception as error:  # any error of the compiler
            raise _unusable(str(error).strip().split("\n")[0]) from error
    raise _unusable(problem)


@torch.no_grad()
def traverse(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    binaries: Bool[Tensor, "levels x y z"],
    radius: float,
    near_planes: Float[Tensor, " rays"],
    far: float,
    step: float,
) -> tuple[Int64[Tensor, " samples"], Float[Tensor, " samples"], Float[Tensor, " samples"]]:
    """Return intervals of a fixed lattice whose midpoints lie in occupied cells.

    Args:
        origins: Ray origins, world units.
        directions: Unit ray directions.
        binaries: Occupied cells of nested cubes around the origin, the finest first.
        radius: Half the side of the finest cube, world units.
        near_planes: Distance of each ray's lattice anchor, world units.
        far: No midpoint is farther, world units.
        step: Length of an interval, world units.

    Returns:
        Ray of each sample, ascending, and both ends of its interval.
    """
    # Imported here because its first import compiles CUDA code.
    from nerfacc.grid import traverse_grids

    halves = radius * 2.0 ** torch.arange(len(binaries), device=origins.device, dtype=torch.float32)
    corners = halves[:, None].expand(-1, 3)
    intervals, samples, _ = traverse_grids(
        origins.float(),
        directions.float(),
        binaries,
        torch.cat([-corners, corners], -1),
        near_planes=near_planes.float(),
        far_planes=torch.full_like(near_planes, far, dtype=torch.float32),
        step_size=step,
        cone_angle=0.0,
    )
    assert samples.ray_indices is not None  # None only in calls that do not pack
    return samples.ray_indices, intervals.vals[intervals.is_left], intervals.vals[intervals.is_right]


def _unusable(reason: str) -> ViewDistillError:
    return ViewDistillError(
        f"nerfacc's CUDA code cannot be used ({reason}); `viewdistill doctor` says how to fix it, "
        "backend='auto' does without"
    )
