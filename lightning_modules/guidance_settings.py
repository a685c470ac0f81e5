"""Settings of the guidance, as in ``configs/field.yaml``."""

from dataclasses import dataclass, replace
from typing import Literal

from viewdistill.diffusion.latents import LatentDiffusionPrior
from viewdistill.errors import ViewDistillError
from viewdistill.guidance.family import METHODS
from viewdistill.guidance.gradient import Weighting
from viewdistill.guidance.method import GuidanceMethod
from viewdistill.guidance.timesteps import Annealed, SquareRootTimesteps, UniformTimesteps
from viewdistill.precision import Precision

MethodName = Literal["usd", "sds", "sds-rectified", "csd", "text-sds", "text-csd", "nfsd", "hifa", "none"]
"""A named setting of the family (`viewdistill.guidance.family.METHODS`), or no score distillation of novel views."""

REFERENCE_TIMESTEPS = UniformTimesteps(Annealed(0.02, 0.02), Annealed(0.98, 0.98))
"""Noise levels of the reference-view score; the official code never anneals them."""


@dataclass(frozen=True)
class GuidanceSettings:
    """Method of score distillation, and its priors."""

    method: MethodName | GuidanceMethod = "sds"
    """Named method, none, or a `GuidanceMethod` of your own by ``class_path``."""
    scale: float | None = None
    """Guidance scale s; the named method's own when not given."""
    weighting: Weighting | None = None
    """w(t), likewise."""
    image_weight: float | None = None
    """Weight of HiFA's loss between renders and decoded one-step estimates, likewise."""
    timesteps: UniformTimesteps | SquareRootTimesteps | None = None
    """Noise levels of the novel views; the method's own when not given."""
    reference_timesteps: UniformTimesteps = REFERENCE_TIMESTEPS
    """Noise levels of the reference-view score."""
    view_prior: str | LatentDiffusionPrior = "priors/nano/zero123"
    """Folder of the view-conditioned prior, diffusers layout; or, by ``class_path``, your own class (`ViewPrior`)."""
    text_prior: str = "priors/nano/stable-diffusion"
    """Folder of the text-conditioned prior, diffusers layout."""
    precision: Precision = "auto"
    """Precision of the priors; g is always computed in fp32."""
    offload: bool = False
    """Offload: keep the priors' UNets and encoders in main memory, and only the active one on the device."""
    compile: str | None = None
    """Back end of torch.compile for the UNets, such as ``inductor``; the first steps take minutes, later ones less
    time."""
    prompt: str | None = None
    """Text for text-conditioned methods; the input's caption when not given."""
    negative_prompt: str = "unrealistic, blurry, low quality"
    """Negative text of NFSD."""

    @property
    def shares_priors(self) -> bool:
        """Whether other fits in this process can share the priors, because they are not modified."""
        return not self.offload and self.compile is None

    def build_method(self) -> GuidanceMethod | None:
        """Build the method with its settings; None for ``none``.

        Raises:
            ViewDistillError: A custom method comes with settings of the named ones.
        """
        given = {"scale": self.scale, "weighting": self.weighting, "image_weight": self.image_weight}
        given = {name: value for name, value in given.items() if value is not None}
        if isinstance(self.method, GuidanceMethod):
            if given:
                raise ViewDistillError(
                    f"model.guidance.{next(iter(given))} is for named methods; give {type(self.method).__name__} its "
                    "settings in model.guidance.method.init_args"
                )
            return self.method
        if self.method == "none":
            return None
        if "scale" in given:
            given["guidance_scale"] = given.pop("scale")
        return replace(METHODS[self.method], **given)
