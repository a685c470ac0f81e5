"""Supervision of a lifting by the exact geometry of its training objects."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from viewdistill.lifting.averaging import LiftedReference
from viewdistill.lifting.cells import cell_centres, turned_about_z
from viewdistill.lifting.volume_compositing import occupancy_error


def occupancy_errors(
    lifted: LiftedReference,
    radius: float,
    azimuth: Float[Tensor, " batch"],
    occupancy: Float[Tensor, "batch n n n"],
    half_side: float,
) -> list[Float[Tensor, ""]]:
    """Return cross-entropies between absorption and true geometry, for the features' cells and the colours' cells.

    Args:
        lifted: From `ReferenceLifting.volume`.
        radius: Half the side of its volume, world units.
        azimuth: Of the reference cameras in the object's frame, degrees.
        occupancy: 1 inside the objects, else 0, in their frame; axes z, y, x of [-half_side, half_side]^3.
        half_side: World units.
    """
    errors: list[Tensor] = []
    for cells in (lifted.features, lifted.colors):
        if cells is not None:
            with torch.autocast(cells.device.type, enabled=False):
                points = cell_centres(cells.shape[1], radius, cells.device)
                places = turned_about_z(points, azimuth) / half_side
                truth = F.grid_sample(occupancy[:, None], places, align_corners=False)[:, 0]
                errors.append(occupancy_error(cells[..., 0].float(), truth, 2 * radius / cells.shape[1]))
    return errors
