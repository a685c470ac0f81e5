"""The specialisation stages: DreamBooth with LoRA teaches a 2D prior one object, whose renders it then refines."""

from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from datamodules.dreambooth import DreamBooth, DreamBoothBatch, PromptedImages
from datamodules.rendered_views import RenderBatch
from datamodules.seeding import Purpose, generator_at, image_noise
from lightning_modules.loaded_priors import suit_to_device
from viewdistill.diffusion.latents import LatentPosterior
from viewdistill.diffusion.lora import add_lora, load_lora, lora_weights
from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.diffusion.refinement import RefinementSettings, refine
from viewdistill.diffusion.samplers import TextSampling, sample_text
from viewdistill.errors import ViewDistillError
from viewdistill.phases import phase
from viewdistill.precision import Precision, dtype_of


class EncodedImages(NamedTuple):
    """Encoded set of training images; computed once."""

    posterior: LatentPosterior
    """Posteriors of all images."""
    text: Float[Tensor, "1 length dim"]
    """Embedding of their prompt."""

    def draw(
        self, indices: Int[Tensor, " n"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n length dim"]]:
        """Draw latents of given images from their posteriors, each with the prompt."""
        chosen = LatentPosterior(self.posterior.mean[indices], self.posterior.std[indices])
        return chosen.sample(generator), self.text.expand(len(indices), -1, -1)


class RefinedViews(NamedTuple):
    """Pictures of one batch of views."""

    rgb: Float[Tensor, "views height width 3"]
    """Colour over white, in [0, 1]."""
    opacity: Float[Tensor, "views height width"]
    """The field's opacity, in [0, 1]."""


class Specialization(pl.LightningModule):
    """Trains a LoRA of the text-conditioned prior on an instance and a negative set; predicts refined views with it.

    All randomness in a step is a function of (seed, global step), so that a resumed fit equals an uninterrupted one.

    Args:
        prior: Folder of the text-conditioned prior, diffusers layout.
        precision: Precision of its frozen weights; the LoRA's are fp32.
        rank: Rank of a new LoRA.
        initial_lora: LoRA with initial weights, as from stage 1 for stage 2; a new LoRA when not given.
        learning_rate: Constant learning rate of AdamW.
        weight_decay: Decoupled weight decay.
        negative_weight: Weight of the negatives' error (DreamBooth's prior weight).
        refinement: Settings of the refinement in prediction.
        seed: Seed of the LoRA's initial weights, of the noise and of the timesteps.
    """

    def __init__(
        self,
        prior: str = "priors/nano/stable-diffusion",
        precision: Precision = "auto",
        rank: int = 4,
        initial_lora: str | None = None,
        learning_rate: float = 2e-4,
        weight_decay: float = 0.01,
        negative_weight: float = 1.0,
        refinement: RefinementSettings | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        refinement = refinement or RefinementSettings()
        if rank < 1:
            raise ViewDistillError(f"model.rank is {rank}; give 1 or more")
        self.prior_folder = prior
        self.precision: Precision = precision
        self.rank, self.initial_lora = rank, initial_lora
        self.learning_rate, self.weight_decay, self.negative_weight = learning_rate, weight_decay, negative_weight
        self.refinement = refinement
        self.seed = seed
        self.lora = nn.ParameterList()
        # A plain list keeps the frozen prior out of the module tree, checkpoints and optimisers.
        self.loaded: list[TextConditionedPrior] = []
        # Plain containers only: checkpoints are read without unpickling.
        settings = {"prior": prior, "precision": precision, "rank": rank, "initial_lora": initial_lora}
        settings |= {"learning_rate": learning_rate, "weight_decay": weight_decay, "negative_weight": negative_weight}
        self.save_hyperparameters(settings | {"refinement": asdict(self.refinement), "seed": seed})

    def configure_model(self) -> None:
        """Load the frozen prior and insert the LoRA; Lightning calls this before it reads a checkpoint."""
        if self.loaded:
            return
        device = self.trainer.strategy.root_device if self._trainer else self.device
        prior = TextConditionedPrior.from_folder(Path(self.prior_folder), dtype_of(self.precision, device))
        if self.initial_lora is None:
            add_lora(prior.unet, self.rank, generator_at(self.seed, 0, Purpose.WEIGHTS))
        else:
            load_lora(prior.unet, Path(self.initial_lora))
        self.lora.extend(lora_weights(prior.unet).values())
        self.loaded.append(prior)

    @property
    def prior(self) -> TextConditionedPrior:
        """The prior with the LoRA in its UNet."""
        return self.loaded[0]

    def place(self) -> None:
        """Move the prior, which Lightning does not manage, to the LoRA's device."""
        self.prior.to(self.device)
        suit_to_device(self.prior, self.device)

    def on_fit_start(self) -> None:
        """Encode both sets of images once."""
        self.place()
        data: DreamBooth = self.trainer.datamodule  # type: ignore[attr-defined]
        self.prior.latent_shape_of(data.image_size)
        self.instances, self.negatives = self.encode(data.instances), self.encode(data.negatives)

    def on_predict_start(self) -> None:
        """Prepare the prior."""
        self.place()

    def training_step(self, batch: DreamBoothBatch, batch_idx: int) -> Tensor:
        """Run one step: noise instances and negatives, predict the noise, compare."""
        generator = generator_at(self.seed, self.global_step, Purpose.DIFFUSION, self.device)
        drawn = self.instances.draw(batch.instances, generator), self.negatives.draw(batch.negatives, generator)
        latents, text = (torch.cat(parts) for parts in zip(*drawn, strict=True))

        error = self.denoising_error(latents, text, generator)
        terms = dict(zip(("instance", "negative"), error.split([len(part) for part in batch]), strict=True))
        # One mean over both halves, as in the official code: a sum of two means would reach the clip twice as soon.
        loss = (terms["instance"].sum() + self.negative_weight * terms["negative"].sum()) / len(error)

        self.log("loss", loss, prog_bar=True)
        self.log_dict({f"loss/{name}": term.mean() for name, term in terms.items()})
        return loss

    def denoising_error(
        self,
        latents: Float[Tensor, "batch c h w"],
        text: Float[Tensor, "batch length dim"],
        generator: torch.Generator,
    ) -> Float[Tensor, " batch"]:
        """Return the mean squared error of the network's target, ε or v, at uniform timesteps; with gradient."""
        prior, schedule = self.prior, self.prior.schedule
        total, device = schedule.num_train_timesteps, latents.device
        timesteps = torch.randint(total, (len(latents),), generator=generator, device=device)
        noise = torch.randn(latents.shape, generator=generator, device=device)
        noisy = schedule.add_noise(latents, noise, timesteps)
        dtype = prior.unet.dtype
        with phase("UNets"):
            output = prior.unet(noisy.to(dtype), timesteps, text.to(dtype)).sample.float()
        target = schedule.training_target(latents, noise, timesteps)
        return F.mse_loss(output, target, reduction="none").mean((1, 2, 3))

    @torch.no_grad()
    def encode(self, images: PromptedImages) -> EncodedImages:
        """Encode a set of images: posteriors, at the images' own size, and the prompt's embedding."""
        parts = [self.prior.encode_image_moments(x.to(self.device)) for x in images.images.split(8)]
        mean, std = torch.cat([part.mean for part in parts]), torch.cat([part.std for part in parts])
        return EncodedImages(LatentPosterior(mean, std), self.prior.encode_text([images.prompt]))

    @torch.no_grad()
    def sample(
        self, prompt: str, count: int, size: int, steps: int, guidance_scale: float
    ) -> Float[Tensor, "n 3 size size"]:
        """Images of a prompt by DPM++, ``size`` pixels a side, from the same noise for every prompt."""
        noise = image_noise(self.seed, range(count), self.prior.latent_shape_of(size), self.device)
        sampling = TextSampling(
            scheduler="DPMSolverMultistepScheduler", steps=steps, spacing="trailing", guidance_scale=guidance_scale
        )
        return sample_text(self.prior, prompt, noise, sampling)

    def predict_step(self, batch: RenderBatch, batch_idx: int) -> RefinedViews:
        """Refine views with the final prompt of both stages; a callback writes them."""
        prior, data = self.prior, self.trainer.datamodule  # type: ignore[attr-defined]
        shape = prior.latent_shape_of(batch.images.shape[-1])
        noise = image_noise(self.seed, batch.indices.tolist(), shape, self.device)
        text = prior.encode_text([data.prompts.of_input])
        refined = refine(prior, batch.images, text, noise, self.refinement)
        return RefinedViews(refined.movedim(1, -1), batch.opacity)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW on the LoRA, at a constant rate."""
        return torch.optim.AdamW(self.lora, lr=self.learning_rate, weight_decay=self.weight_decay, fused=True)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Log the gradient norm."""
        gradients = [weight.grad for weight in self.lora if weight.grad is not None]
        self.log("gradient_norm", torch.nn.utils.get_total_norm(gradients))
