"""Marching by nerfacc's CUDA code: whether it can be used, why not, and the call itself.

nerfacc (Li et al. 2023, version 0.5) is pure Python as installed. Its CUDA code is compiled either when it is installed
from source, or at its first use, for which it needs nvcc, takes minutes, and waits for ever where an earlier attempt
was interrupted. Where there is no nvcc it prints that it is disabled and fails later. So it is used without being asked
for only where it has been compiled at installation.
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
"""The module that holds the CUDA code where it was compiled at installation."""


@cache
def obstacle() -> str | None:
    """What stands in the way of nerfacc's CUDA code, or None where it is ready."""
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
    """Make nerfacc's CUDA code ready, compiling it where that is left to do.

    Raises:
        ViewDistillError: It cannot be used on this machine.
    """
    problem = obstacle()
    if problem is None:
        return
    if problem == "installed without its CUDA code":
        try:
            if importlib.import_module("nerfacc.cuda._backend")._C is not None:
                return
        except Exception as error:  # whatever a compiler may raise
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
    """Intervals of a fixed lattice whose midpoints lie in occupied cells.

    Args:
        origins: Ray origins, world units.
        directions: Unit ray directions.
        binaries: Occupied cells of nested cubes around the origin, the finest first.
        radius: Half the side of the finest cube, world units.
        near_planes: Where the lattice of each ray is anchored, world units.
        far: No midpoint is farther, world units.
        step: Length of an interval, world units.

    Returns:
        Ray of each sample, ascending, and both ends of its interval.
    """
    # Imported here because it compiles CUDA code when it is first imported.
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
    assert samples.ray_indices is not None  # left out only by calls that do not pack
    return samples.ray_indices, intervals.vals[intervals.is_left], intervals.vals[intervals.is_right]


def _unusable(reason: str) -> ViewDistillError:
    return ViewDistillError(
        f"nerfacc's CUDA code cannot be used ({reason}); `viewdistill doctor` says how to mend it, "
        "backend='auto' does without"
    )
