"""Score distillation as the field stage uses it: frozen priors, what they know of the input view, the two losses."""

import functools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

import torch
from diffusers.models.attention_processor import AttnProcessor
from jaxtyping import Float
from torch import Tensor, nn

from datamodules.cameras import InputView
from lightning_modules.reference_score import ReferenceScore, draw, resize, statistics
from viewdistill.diffusion.loading import locate
from viewdistill.diffusion.placement import compile_network, take_turns
from viewdistill.diffusion.prior_files import TEXT_COMPONENTS, VIEW_COMPONENTS
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.guidance.family import METHODS, ScoreDistillation
from viewdistill.guidance.gradient import score_loss
from viewdistill.guidance.timesteps import Annealed, UniformTimesteps
from viewdistill.precision import Precision, dtype_of

Method = Literal["usd", "sds", "sds-rectified", "csd", "text-sds", "text-csd", "nfsd", "hifa", "none"]
"""A named setting of the family (`viewdistill.guidance.family.METHODS`), or no score distillation of novel views."""


@dataclass(frozen=True)
class GuidanceSettings:
    """Which score distillation, and with which priors."""

    method: Method = "usd"
    """Named method, or none."""
    scale: float | None = None
    """Guidance scale s; the method's own when not given."""
    image_weight: float | None = None
    """Weight of HiFA's loss between renders and decoded one-step estimates; the method's own when not given."""
    timesteps: UniformTimesteps = field(default_factory=UniformTimesteps)
    """Noise levels of the novel views."""
    reference_timesteps: UniformTimesteps = field(
        default_factory=lambda: UniformTimesteps(Annealed(0.02, 0.02), Annealed(0.98, 0.98))
    )
    """Noise levels of the reference-view score; the official code never anneals them."""
    view_prior: str = "priors/nano/zero123"
    """Folder of the view-conditioned prior, diffusers layout."""
    text_prior: str = "priors/nano/stable-diffusion"
    """Folder of the text-conditioned prior, diffusers layout."""
    precision: Precision = "auto"
    """Precision of the priors; g is always computed in fp32."""
    offload: bool = False
    """Keep the priors' UNets and encoders in main memory, and on the device only the one that computes."""
    compile: str | None = None
    """Back end of torch.compile for the UNets, as ``inductor``; the first steps take minutes, the others less."""
    prompt: str | None = None
    """Text for methods that are conditioned on text; the input's caption when not given."""
    negative_prompt: str = "unrealistic, blurry, low quality"
    """Text that NFSD takes away."""

    @property
    def shares_priors(self) -> bool:
        """Whether priors can be those that other fits in this process use: they are left as they are loaded."""
        return not self.offload and self.compile is None

    def distillation(self) -> ScoreDistillation | None:
        """The method with its overrides; none for ``none``."""
        if self.method == "none":
            return None
        changes = {"guidance_scale": self.scale, "image_weight": self.image_weight}
        return replace(METHODS[self.method], **{name: v for name, v in changes.items() if v is not None})


class FieldScores:
    """The priors that a method needs, loaded and frozen, and what they make of the input, computed once.

    Args:
        settings: Method and priors.
        view: The input image.
        caption: Words for the object.
        reference: Whether the reference-view score will be asked for.
        device: Where the field is fitted.
    """

    def __init__(
        self, settings: GuidanceSettings, view: InputView, caption: str, reference: bool, device: torch.device
    ) -> None:
        self.settings = settings
        self.distillation = method = settings.distillation()
        self.view_prior = self.text_prior = self.condition = self.text = self.negative = self.reference = None
        if method is not None and method.wanted_from("view"):
            self.view_prior = load_view_prior(settings.view_prior, settings.precision, device, settings.shares_priors)
        if reference or (method is not None and method.wanted_from("text")):
            self.text_prior = load_text_prior(settings.text_prior, settings.precision, device, settings.shares_priors)
        self._place(device)
        if self.view_prior is not None:
            image = view.resized(self.view_prior.image_size)[0].to(device)
            self.condition = self.view_prior.condition(image, float(view.cameras.elevation))
        if method is not None and method.conditional == "text" and self.text_prior is not None:
            self.text = self.text_prior.encode_text([settings.prompt if settings.prompt is not None else caption])
            self.negative = self.text_prior.encode_text([settings.negative_prompt])
        if reference and self.text_prior is not None:
            self.reference = ReferenceScore(self.text_prior, settings.reference_timesteps, view, device)
        self.statistics: dict[str, Tensor] = {}
        """What the last step's scores were like, for the log."""

    def _place(self, device: torch.device) -> None:
        priors = [prior for prior in (self.view_prior, self.text_prior) if prior is not None]
        if self.settings.compile is not None:
            for prior in priors:
                compile_network(prior.unet, self.settings.compile)
        if self.settings.offload:
            take_turns([network for prior in priors for network in prior.large_networks()], device)

    def losses(
        self,
        novel: Float[Tensor, "batch 3 height width"],
        relative_pose: Float[Tensor, "batch 4"],
        known: Float[Tensor, "1 3 known_height known_width"] | None,
        progress: float,
        generator: torch.Generator,
    ) -> dict[str, Float[Tensor, ""]]:
        """Losses of renders: of ``score`` distillation, and the ``reference_score`` where there is a known view.

        Args:
            novel: Novel views in [0, 1], of any size, with gradient.
            relative_pose: T of their cameras.
            known: The render from the input camera, likewise; only where built with ``reference``.
            progress: Fraction of the fit that is done.
            generator: Source of the noise.
        """
        prior = self.view_prior or self.text_prior
        if self.distillation is None or prior is None:
            losses = {"score": novel.new_zeros(())}
            if known is not None:
                losses["reference_score"] = self._reference().loss(known, progress, generator)
                self.statistics |= self._reference().statistics
            return losses
        images = resize(novel, prior.image_size)
        latents = prior.encode_images(images, generator)
        timesteps, noise = draw(self.settings.timesteps, latents, progress, prior, generator)
        known_latents = pair = None
        if known is not None:
            known_latents, pair = self._reference().pair(known, progress, generator)
        terms = self.distillation.predict(
            latents.detach(),
            timesteps,
            noise,
            view_prior=self.view_prior,
            condition=self.condition,
            relative_pose=relative_pose,
            text_prior=self.text_prior,
            text_embeddings=self.text,
            negative_embeddings=self.negative,
            reference=pair,
        )
        score = self.distillation.combine(terms)
        self.statistics |= statistics("novel", score, timesteps)
        losses = {"score": score_loss(latents, score.g)}
        if self.distillation.image_weight:
            images_score = self.distillation.image_gradient(terms, images.detach(), prior)
            losses["score"] = losses["score"] + score_loss(images, images_score.g)
        if known_latents is not None and pair is not None and terms.reference is not None:
            losses["reference_score"] = self._reference().loss_of(known_latents, pair, terms.reference)
            self.statistics |= self._reference().statistics
        return losses

    def _reference(self) -> ReferenceScore:
        assert self.reference is not None, "built without the reference-view score"
        return self.reference


def load_view_prior(
    folder: str, precision: Precision, device: torch.device, shared: bool = True
) -> ViewConditionedPrior:
    """The frozen view-conditioned prior of a folder, ready to be evaluated on a device.

    A process that asks for a shared one again gets the same object, unless a file of the prior has changed: leave it as
    it is.

    Args:
        folder: Diffusers layout, or a name on the hub.
        precision: Of its weights.
        device: Where they go.
        shared: Whether it may be the object that others use.

    Raises:
        ViewDistillError: The prior is missing or damaged.
    """
    load = _view_prior if shared else _view_prior.__wrapped__
    return load(folder, precision, device, _state_of_files(folder, VIEW_COMPONENTS))


def load_text_prior(
    folder: str, precision: Precision, device: torch.device, shared: bool = True
) -> TextConditionedPrior:
    """The frozen text-conditioned prior of a folder, ready to be evaluated; kept as in `load_view_prior`."""
    load = _text_prior if shared else _text_prior.__wrapped__
    return load(folder, precision, device, _state_of_files(folder, TEXT_COMPONENTS))


def _state_of_files(folder: str, components: tuple[str, ...]) -> tuple[tuple[str, int, int], ...]:
    """Path, size (bytes) and time of every file of a prior; digests of gigabytes would take as long as reading them."""
    source = locate(Path(folder), components)
    files = [path for component in source.files for path in source.paths(component)]
    return tuple((str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files)


# Two, so that stages of different precision do not drive each other's priors out.
@functools.lru_cache(maxsize=2)
def _view_prior(
    folder: str, precision: Precision, device: torch.device, state: tuple[tuple[str, int, int], ...]
) -> ViewConditionedPrior:
    prior = ViewConditionedPrior.from_folder(Path(folder), dtype_of(precision, device), device)
    suit_to_device(prior, device)
    return prior


@functools.lru_cache(maxsize=2)
def _text_prior(
    folder: str, precision: Precision, device: torch.device, state: tuple[tuple[str, int, int], ...]
) -> TextConditionedPrior:
    prior = TextConditionedPrior.from_folder(Path(folder), dtype_of(precision, device), device)
    suit_to_device(prior, device)
    return prior


def suit_to_device(prior: ViewConditionedPrior | TextConditionedPrior, device: torch.device) -> None:
    """Let the networks compute in the way that is fastest on a device; what they compute stays the same.

    Attention is plain on a CPU, where the fused form is slower for few tokens. Convolutions are channels-last: their
    libraries would bring every input into an order of that kind, and back.
    """
    if device.type == "cpu":
        prior.unet.set_attn_processor(AttnProcessor())
    for network in (prior.unet, prior.vae):
        cast(nn.Module, network).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
