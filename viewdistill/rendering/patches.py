"""Large training views at the cost of small ones: coarse everywhere, at full resolution in one random patch.

Source: threestudio, `renderers/patch_renderer.py`, as the official USD code uses it: 512 pixels, a quarter of the
resolution everywhere and one patch of 128 pixels.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from viewdistill.cameras import rays
from viewdistill.rendering.volume_renderer import RenderedViews, VolumeRenderer


def render_with_patch(
    renderer: VolumeRenderer,
    c2w: Float[Tensor, "batch 4 4"],
    fovy: float,
    size: int,
    patch_size: int,
    coarseness: int,
    background: Float[Tensor, "3"],
    generator: torch.Generator | None = None,
) -> RenderedViews:
    """Render square views coarsely, enlarge them, and insert a patch of full resolution into each; differentiable.

    The patch is at the same place in every view of the batch.

    Args:
        renderer: The renderer.
        c2w: Camera-to-world matrices.
        fovy: Vertical field of view, degrees.
        size: Side of the views, pixels.
        patch_size: Side of the patch, pixels, at most ``size``.
        coarseness: Downscaling factor of the rest, along each side.
        background: Colour behind the field.
        generator: Source of the patch's place and of the stratified shifts.
    """
    coarse = renderer.render_views(c2w, fovy, size // coarseness, size // coarseness, background, generator)
    device = generator.device if generator is not None else c2w.device
    top, left = torch.randint(size - patch_size + 1, (2,), generator=generator, device=device).tolist()
    rows, columns = slice(top, top + patch_size), slice(left, left + patch_size)
    origins, directions = (r[:, rows, columns].reshape(-1, 3) for r in rays(c2w, fovy, size, size))
    patch = renderer.render(origins, directions, background, generator)
    images: dict[str, Tensor] = {}
    for name in ("rgb", "opacity", "depth", "z_variance"):
        image = F.interpolate(getattr(coarse, name), (size, size), mode="bilinear", align_corners=False)
        image[:, :, rows, columns] = getattr(patch, name).reshape(len(c2w), patch_size, patch_size, -1).movedim(-1, 1)
        images[name] = image
    n_coarse = len(c2w) * (size // coarseness) ** 2
    n_samples = coarse.samples_per_ray * n_coarse + patch.n_samples
    return RenderedViews(**images, samples_per_ray=n_samples / (n_coarse + len(origins)))
