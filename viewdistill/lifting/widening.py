"""Growth of a trained lifting into a wider and deeper one that starts from its function."""

from typing import cast

import torch
from torch import Tensor, nn

from viewdistill.errors import ViewDistillError
from viewdistill.lifting.reference_lifting import ReferenceLifting


@torch.no_grad()
def grow(small: ReferenceLifting, large: ReferenceLifting) -> None:
    """Copy a lifting into a larger one, whose added weights do not disturb it at first.

    Added channels are computed, but do not feed the copied ones yet; added blocks start as the identity, as they are
    built. With ``groups`` grown as the widths are, the larger lifting gives the same features.

    Args:
        small: Trained.
        large: As constructed; its ends and tokens must be as wide as the small one's.

    Raises:
        ViewDistillError: ``large`` is smaller somewhere, or has other ends.
    """
    full, more_full = small.volume_unet.up2.out_channels, large.volume_unet.up2.out_channels
    half, more_half = small.volume_unet.down2.in_channels, large.volume_unet.down2.in_channels
    # Two kinds of channels meet here; in all other layers the copied channels come first.
    joint = {"volume_unet.up2.weight": [*range(half), *range(more_half, more_half + full)]}
    if large.volume_unet.up2.in_channels != more_half + more_full:
        raise ViewDistillError("the larger lifting joins other channels than the smaller one")
    target = large.state_dict()
    for name, old in small.state_dict().items():
        new = target.get(name)
        if new is None or new.ndim != old.ndim or any(n < o for n, o in zip(new.shape, old.shape, strict=True)):
            raise ViewDistillError(f"{name}: the larger lifting must have it, at least as large in every direction")
        _embed(old, new, joint.get(name))
    for block in large.volume_unet.modules():
        if isinstance(block, nn.Conv3d) and block is large.volume_unet.unprojected:
            nn.init.zeros_(block.weight)
            nn.init.zeros_(cast(Tensor, block.bias))


def _embed(old: Tensor, new: Tensor, inputs: list[int] | None) -> None:
    """Write ``old`` into ``new``: first outputs, first inputs or those given, and zeros from added inputs to them."""
    if old.ndim < 2:
        new[: len(old)] = old
        return
    rows, columns = old.shape[:2]
    chosen = list(range(columns)) if inputs is None else inputs
    if old.shape[1] < new.shape[1]:
        new[:rows] = 0
    new[:rows, chosen] = old
