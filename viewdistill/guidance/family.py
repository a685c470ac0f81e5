"""Score distillation: one family of gradients, of which every method is a setting.

    g = w(t) · [ λ (ε_u − ε) + s (ε_c − ε_u) ]                                                          (1)

z are the latents of a render, ε ~ N(0, I), z_t = √ᾱ_t z + √(1−ᾱ_t) ε. ε_c and ε_u are a conditional and an
unconditional noise prediction for z_t. Each comes from one of two priors: ε_Z(y, T) and ε_Z(∅) from the
view-conditioned one (Zero-1-to-3, for input image y and relative pose T), ε_S(c) and ε_S(∅) from the text-conditioned
one (Stable Diffusion).

SDS (DreamFusion) is λ = 1. Zero-1-to-3's own ε_Z(∅) is biased: training drops the image but never the pose, inference
drops both, and fine-tuning on renders forgets the broad 2D prior. Unbiased Score Distillation (Zhang et al., arXiv
2312.06198) therefore takes ε_u from Stable Diffusion and leaves the λ term away:

    g = w(t) · s (ε_Z(y, T) − ε_S(∅))                                                                   (2)

Network evaluations are the price of a step. The coefficients in (1) are s of ε_c, λ − s of ε_u, and −λ of ε: a
prediction whose coefficient is zero is never made, and predictions that share a network are made in one call.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from viewdistill.diffusion.priors import TextConditionedPrior, ViewCondition, ViewConditionedPrior
from viewdistill.guidance.gradient import ScoreGradient, Weighting, weight
from viewdistill.guidance.predictions import GuidanceTerms, Wanted, needed, predict_text, predict_view, shared_schedule
from viewdistill.guidance.reference import ReferencePair

Source = Literal["view", "text"]
"""Which prior a prediction comes from."""


@dataclass(frozen=True)
class ScoreDistillation:
    """A setting of the family. `METHODS` holds the named ones; change a field with `dataclasses.replace`."""

    conditional: Source
    """Prior that predicts ε_c."""
    unconditional: Source
    """Prior that predicts ε_u."""
    noise_weight: float
    """λ, the weight of (ε_u − ε)."""
    guidance_scale: float
    """s, the weight of (ε_c − ε_u)."""
    weighting: Weighting = "sds"
    """w(t)."""
    subtracted: Literal["noise", "negative-text"] = "noise"
    """What the λ term takes away from ε_u: ε, or NFSD's prediction for a negative text."""
    image_weight: float = 0.0
    """Weight of HiFA's gradient on decoded images, see `image_gradient`; `gradient` does not depend on it."""

    def combine(self, terms: GuidanceTerms) -> ScoreGradient:
        """Equation (1), from the predictions of this setting or of one that needs more.

        Raises:
            ValueError: A prediction that this setting needs is absent.
        """
        g = torch.zeros_like(terms.noise)
        if self.noise_weight != 0:
            subtracted = terms.noise if self.subtracted == "noise" else _present(terms.negative, "negative")
            g = g - self.noise_weight * subtracted
        if self.needs_conditional:
            g = g + self.guidance_scale * _present(terms.conditional, "conditional")
        if self.needs_unconditional:
            g = g + (self.noise_weight - self.guidance_scale) * _present(terms.unconditional, "unconditional")
        return ScoreGradient.of(weight(terms.schedule, terms.timesteps, self.weighting) * g)

    @property
    def needs_conditional(self) -> bool:
        """Whether ε_c has a coefficient other than zero."""
        return self.guidance_scale != 0

    @property
    def needs_unconditional(self) -> bool:
        """Whether ε_u has a coefficient other than zero."""
        return self.noise_weight != self.guidance_scale

    def wanted_from(self, source: Source) -> Wanted:
        """What this setting needs of one prior; false where it does not need that prior at all."""
        return Wanted(
            conditional=self.needs_conditional and self.conditional == source,
            unconditional=self.needs_unconditional and self.unconditional == source,
            negative=source == "text" and self.subtracted == "negative-text" and self.noise_weight != 0,
        )

    @torch.no_grad()
    def predict(
        self,
        latents: Float[Tensor, "batch c h w"],
        timesteps: Int[Tensor, " batch"],
        noise: Float[Tensor, "batch c h w"],
        *,
        view_prior: ViewConditionedPrior | None = None,
        condition: ViewCondition | None = None,
        relative_pose: Float[Tensor, "batch 4"] | None = None,
        text_prior: TextConditionedPrior | None = None,
        text_embeddings: Float[Tensor, "texts length dim"] | None = None,
        negative_embeddings: Float[Tensor, "negatives length dim"] | None = None,
        reference: ReferencePair | None = None,
    ) -> GuidanceTerms:
        """Make the predictions that this setting needs, and no others; what it does not need may be given or not.

        Args:
            latents: z, scaled latents of renders.
            timesteps: t.
            noise: ε.
            view_prior: For a source ``view``; where ε_c is its, ``condition`` and ``relative_pose`` are needed too.
            condition: Of the input image y.
            relative_pose: T of each render's camera.
            text_prior: For a source ``text``; ε_S(∅) is its prediction for the empty text.
            text_embeddings: c, where ε_c comes from the text prior; one per sample, or one for all.
            negative_embeddings: c⁻, for NFSD; likewise.
            reference: What the text prior is to judge of the input view, in the same evaluation where it can be.

        Raises:
            ViewDistillError: Something that this setting needs is absent, or the priors' noise levels differ.
        """
        from_view, from_text = self.wanted_from("view"), self.wanted_from("text")
        view_prior = needed(view_prior, "a view-conditioned prior") if from_view else None
        text_prior = needed(text_prior, "a text-conditioned prior") if from_text or reference else None
        schedule = shared_schedule(view_prior, text_prior)
        noisy = schedule.add_noise(latents, noise, timesteps)
        view_c = view_u = None
        text: dict[str, Tensor] = {}
        if view_prior is not None:
            view_c, view_u = predict_view(from_view, noisy, timesteps, view_prior, condition, relative_pose)
        if text_prior is not None:
            text = predict_text(
                from_text, noisy, timesteps, text_prior, text_embeddings, negative_embeddings, reference
            )
        return GuidanceTerms(
            noisy=noisy,
            noise=noise,
            timesteps=timesteps,
            schedule=schedule,
            conditional=view_c if self.conditional == "view" else text.get("conditional"),
            unconditional=view_u if self.unconditional == "view" else text.get("unconditional"),
            negative=text.get("negative"),
            reference=text.get("reference"),
        )

    def gradient(
        self,
        latents: Float[Tensor, "batch c h w"],
        timesteps: Int[Tensor, " batch"],
        noise: Float[Tensor, "batch c h w"],
        *,
        view_prior: ViewConditionedPrior | None = None,
        condition: ViewCondition | None = None,
        relative_pose: Float[Tensor, "batch 4"] | None = None,
        text_prior: TextConditionedPrior | None = None,
        text_embeddings: Float[Tensor, "texts length dim"] | None = None,
        negative_embeddings: Float[Tensor, "negatives length dim"] | None = None,
    ) -> ScoreGradient:
        """Equation (1) from the latents of renders: `predict`, whose arguments these are, and `combine`."""
        terms = self.predict(
            latents,
            timesteps,
            noise,
            view_prior=view_prior,
            condition=condition,
            relative_pose=relative_pose,
            text_prior=text_prior,
            text_embeddings=text_embeddings,
            negative_embeddings=negative_embeddings,
        )
        return self.combine(terms)

    @torch.no_grad()
    def image_gradient(
        self,
        terms: GuidanceTerms,
        images: Float[Tensor, "batch 3 height width"],
        prior: ViewConditionedPrior | TextConditionedPrior,
    ) -> ScoreGradient:
        """HiFA's gradient on images, ``image_weight`` · w(t) √ᾱ_t / √(1−ᾱ_t) · (x − D(ẑ)).

        ẑ is the one-step estimate of the clean latents under the guided prediction ε_u + s (ε_c − ε_u), and D the
        decoder (Zhu et al. 2023). Use it with `score_loss` on the renders.

        Args:
            terms: From `predict`.
            images: x, the renders in [0, 1], at the prior's image size.
            prior: Its autoencoder decodes ẑ.

        Raises:
            ValueError: A prediction is absent.
        """
        unconditional = _present(terms.unconditional, "unconditional")
        guided = unconditional + self.guidance_scale * (_present(terms.conditional, "conditional") - unconditional)
        clean = terms.schedule.clean_from_epsilon(guided, terms.noisy, terms.timesteps)
        alpha_bar = terms.schedule.alpha_bar(terms.timesteps)
        scale = weight(terms.schedule, terms.timesteps, self.weighting) * (alpha_bar / (1 - alpha_bar)).sqrt()
        return ScoreGradient.of(self.image_weight * scale * (images - prior.decode_latents(clean)))


METHODS: Mapping[str, ScoreDistillation] = {
    # The paper's core ablation: {λ = 1, 0} × {own ∅, Stable Diffusion's ∅}.
    "sds": ScoreDistillation("view", "view", noise_weight=1.0, guidance_scale=3.0),
    "usd": ScoreDistillation("view", "text", noise_weight=0.0, guidance_scale=7.5),
    "sds-rectified": ScoreDistillation("view", "text", noise_weight=1.0, guidance_scale=3.0),
    "csd": ScoreDistillation("view", "view", noise_weight=0.0, guidance_scale=7.5),
    # Text to 3D, from the 2D prior alone.
    "text-sds": ScoreDistillation("text", "text", noise_weight=1.0, guidance_scale=100.0),
    "text-csd": ScoreDistillation("text", "text", noise_weight=0.0, guidance_scale=7.5),
    # Katzir et al. 2023: the λ term becomes ε_u for t < 200, and ε_u − ε_S(c⁻) above.
    "nfsd": ScoreDistillation("text", "text", noise_weight=1.0, guidance_scale=7.5, subtracted="negative-text"),
    # Zhu et al. 2023: SDS with a gradient on decoded images beside it, at the timesteps of `SquareRootTimesteps`.
    "hifa": ScoreDistillation("text", "text", noise_weight=1.0, guidance_scale=100.0, image_weight=0.01),
}
"""Every named method, with its default scale."""


def _present(prediction: Tensor | None, name: str) -> Tensor:
    if prediction is None:
        raise ValueError(f"the {name} prediction was not made; call `predict` of a setting that needs it")
    return prediction
