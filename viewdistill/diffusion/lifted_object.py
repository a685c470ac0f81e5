"""What a lifting knows of an object before any sampling: its density in space, and its mean views as pictures.

Both are in the world of the fields: a lifting assumes its own camera, so its space is scaled to another one's.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from viewdistill.diffusion.priors import ViewConditionedPrior
from viewdistill.lifting.reference_lifting import LiftedReference, ReferenceLifting
from viewdistill.lifting.volume_compositing import DENSITY_BIAS, DENSITY_SCALE

VIEWS_PER_BATCH = 8
"""Pictures that are decoded at once: their activations are some tens of megabytes."""


@dataclass(frozen=True)
class LiftedObject:
    """An input image as a lifting sees it."""

    prior: ViewConditionedPrior
    """Decodes the mean views."""
    lifting: ReferenceLifting
    """The prior's."""
    lifted: LiftedReference
    """One object's volume."""
    elevation: Float[Tensor, "1"]
    """Of the input camera, degrees."""
    scale: float
    """Length in the lifting's world of a unit of the field's."""

    @classmethod
    def of(cls, prior: object, condition: object, distance: float, fovy: float) -> "LiftedObject | None":
        """The object that a prior was conditioned on; none where the prior has no lifting.

        Args:
            prior: Any view-conditioned prior.
            condition: What it keeps of the input image.
            distance: Of the field's input camera, world units.
            fovy: Its vertical field of view, degrees.
        """
        if not isinstance(prior, ViewConditionedPrior) or prior.lifting is None:
            return None
        lifted, elevation = getattr(condition, "lifted", None), getattr(condition, "elevation", None)
        if lifted is None or elevation is None:
            return None
        own = prior.lifting.distance * math.tan(math.radians(prior.lifting.fovy / 2))
        return cls(prior, prior.lifting, lifted, elevation, own / (distance * math.tan(math.radians(fovy / 2))))

    @torch.no_grad()
    def density(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Density of the field's world points, per its world unit; zero outside the lifting's ball."""
        volume = self.lifted.features if self.lifted.colors is None else self.lifted.colors
        raw = volume[:1, ..., :1].float().permute(0, 4, 1, 2, 3)
        places = points * (self.scale / self.lifting.radius)
        found = F.grid_sample(raw, places[None, None, None], padding_mode="border", align_corners=False)
        density = F.softplus(found.flatten() + DENSITY_BIAS) * (DENSITY_SCALE * self.scale)
        return density * (places.norm(dim=-1) < 1)

    @torch.no_grad()
    def views(
        self, relative_pose: Float[Tensor, "views 4"]
    ) -> tuple[Float[Tensor, "views 3 side side"], Float[Tensor, "views 1 side side"]]:
        """Mean views over white in [0, 1], and their opacity, at the prior's image size.

        Args:
            relative_pose: T of the wanted cameras, seen from the input camera.
        """
        pictures, opacities = zip(*map(self._views, relative_pose.split(VIEWS_PER_BATCH)), strict=True)
        return torch.cat(pictures).clamp(0, 1), torch.cat(opacities).clamp(0, 1)

    def _views(self, relative_pose: Float[Tensor, "views 4"]) -> tuple[Tensor, Tensor]:
        looks, rendered = self.lifting.look_and_render(self.lifted, self.elevation, relative_pose[None])
        if rendered is not None:
            return rendered[0, :, :3].float(), rendered[0, :, 6:].float()
        pictures = self.prior.decode_latents(self.lifting.mean_view(looks[0]).float())
        opacity = self.lifting.opacity(looks[0]).float()
        return pictures, F.interpolate(opacity, pictures.shape[-2:], mode="bilinear", align_corners=False)
