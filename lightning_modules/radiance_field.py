"""The field stage: a radiance field distilled from the priors' scores and from the input view."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from datamodules.cameras import CameraBatch, InputView
from datamodules.runs.run_folder import RunFolder
from datamodules.seeding import Purpose, generator_at
from lightning_modules.bound_guidance import BoundGuidance, bind
from lightning_modules.checkpoints import load_weights, plain_settings, read_checkpoint, stored_settings
from lightning_modules.field_settings import FieldSettings, LossWeights, OptimizerSettings
from lightning_modules.field_start import FieldStart, start_field
from lightning_modules.fitted_field import FittedField, to_last
from lightning_modules.guidance_settings import GuidanceSettings
from viewdistill.cameras import rays
from viewdistill.errors import ViewDistillError
from viewdistill.fields.density_field import DensityField
from viewdistill.fields.regularizers import opaque, sparsity, z_variance
from viewdistill.guidance.gradient import score_loss
from viewdistill.guidance.predictions import Query, Source
from viewdistill.guidance.reference import reference_gradient, reference_loss
from viewdistill.guidance.timesteps import draw
from viewdistill.pictures import resize
from viewdistill.rendering.patches import render_with_patch
from viewdistill.rendering.volume_renderer import RenderedViews, VolumeRenderer

METHOD_STATE = "guidance_method"
"""Entry of a checkpoint that holds the state of a guidance method with networks of its own."""


class RadianceField(FittedField):
    """Fits a density field so that its novel views score well under the priors, and its input view matches the input.

    Everything random in a step is a function of (seed, global step), so that a resumed fit repeats an undisturbed one.
    Under a strategy with several processes each renders its own part of the novel views, with noise of its own.

    Args:
        field: Size of the field and its renderer.
        guidance: Which score distillation, with which priors.
        weights: Weight of every loss term.
        optimizer: Settings of AdamW.
        view_size: Side of the rendered views, pixels; resized to the prior's own size where that differs.
        patch_size: Side of a random patch of each training view that alone is rendered in full resolution, pixels; the
            whole view when not given.
        coarseness: With ``patch_size``: how much coarser the rest is, along each side.
        antialias: Whether views are smoothed before they are resized to the prior's size.
        input_size: Side of the input image that the colour and mask terms compare with, pixels.
        input_rays: Random rays of the input view per step and process, for these terms.
        start: What a new fit starts from.
        seed: Seed of the noise, timesteps and ray shifts.
    """

    renderer: VolumeRenderer

    def __init__(
        self,
        field: FieldSettings | None = None,
        guidance: GuidanceSettings | None = None,
        weights: LossWeights | None = None,
        optimizer: OptimizerSettings | None = None,
        view_size: int = 64,
        patch_size: int | None = None,
        coarseness: int = 4,
        antialias: bool = True,
        input_size: int = 128,
        input_rays: int = 1024,
        start: FieldStart = "lifting",
        seed: int = 0,
    ) -> None:
        field_settings = field or FieldSettings()
        super().__init__(field_settings.build(), view_size, seed)
        self.field_settings = field_settings
        self.guidance = guidance or GuidanceSettings()
        self.weights = weights or LossWeights()
        self.optimizer_settings = optimizer or OptimizerSettings()
        if patch_size is not None and not 0 < patch_size <= view_size:
            raise ViewDistillError(
                f"model.patch_size is {patch_size}; give 1 to model.view_size ({view_size}), or null"
            )
        self.patch_size, self.coarseness, self.antialias = patch_size, coarseness, antialias
        self.input_size, self.input_rays, self.start = input_size, input_rays, start
        # Plain containers only: checkpoints are read without unpickling.
        parts = {"field": self.field_settings, "guidance": self.guidance}
        parts |= {"weights": self.weights, "optimizer": self.optimizer_settings}
        sizes = {"view_size": view_size, "patch_size": patch_size, "coarseness": coarseness, "antialias": antialias}
        sizes |= {"input_size": input_size, "input_rays": input_rays, "start": start, "seed": seed}
        self.save_hyperparameters({name: plain_settings(part) for name, part in parts.items()} | sizes)
        self.bound: BoundGuidance | None = None
        self.method_state: dict[str, Any] = {}

    def on_fit_start(self) -> None:
        """Load the priors that the method needs and encode the references once; neither belongs in a checkpoint."""
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        views: tuple[InputView, ...] = data.input_views
        self.input_pixels = [torch.cat(part) for part in zip(*map(self.pixels_of, views), strict=True)]
        reference = self.weights.ever("reference_score")
        self.bound = bind(self.guidance, views, data.meta.caption, reference, self.device)
        if self.method_state and self.bound.method is not None:
            self.bound.method.load_state_dict(self.method_state)

    def pixels_of(self, view: InputView) -> list[Float[Tensor, "pixels _"]]:
        """Origins and directions of the rays through a picture's pixels, their colours over white and their mask."""
        size = self.input_size
        origins, directions = rays(view.cameras.c2w.to(self.device), view.cameras.fovy, size, size)
        rgb, mask = (to_last(image.to(self.device)) for image in view.resized(size))
        return [x.reshape(-1, x.shape[-1]) for x in (origins, directions, rgb, mask)]

    def on_train_start(self) -> None:
        """Give a new fit its first field; one that is resumed has it."""
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        if self.start == "lifting" and self.global_step == 0 and self.bound is not None:
            start_field(self.renderer, self.bound.predictors, data, self.optimizer_settings, self.input_size, self.seed)
            self.share_start()

    def training_step(self, batch: CameraBatch, batch_idx: int) -> dict[str, Tensor]:
        """One step: render, distil the priors' scores, regularise, compare with the input."""
        bound = self.bound
        assert bound is not None, "bound when the fit starts"
        method, priors, weights = bound.method, bound.predictors, self.weights.at(self.progress)
        ray_noise, noise = self.own_generator(Purpose.RAYS), self.own_generator(Purpose.DIFFUSION)
        self.renderer.update_occupancy(self.global_step, self.generator(Purpose.OCCUPANCY))
        novel = self.render_training_views(batch, ray_noise)
        terms, queries = {"score": novel.rgb.new_zeros(())}, dict[str, Query]()

        if method is not None:
            images = resize(novel.rgb, priors.image_size, self.antialias)
            latents = priors.encode(images, noise)
            t, eps = draw(bound.timesteps, latents, self.progress, priors.schedule, noise)
            queries["novel"] = Query(latents.detach(), t, eps, priors.schedule, method.branches, batch.relative_pose)
        if weights["reference_score"] and bound.references:
            reference = bound.references[self.global_step % len(bound.references)]
            known = self.render_training_views(reference.cameras, ray_noise).rgb
            known_latents, queries["reference"] = reference.query(known, self.progress, noise)
        predictions = priors.predict(queries)
        if method is not None:
            g = method.combine(seen := predictions["novel"])
            terms["score"] = score_loss(latents, self.finite("novel", g, seen))
            if (g := method.image_gradient(seen, images.detach(), priors.decode)) is not None:
                terms["score"] = terms["score"] + score_loss(images, self.finite("image", g, seen))
        if (seen := predictions.get("reference")) is not None:
            g = reference_gradient(seen)
            terms["reference_score"] = reference_loss(known_latents, self.finite("reference", g, seen))

        terms |= self.regularizers(novel) | self.input_errors(weights, ray_noise)
        loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        self.log_losses(loss, terms, novel)
        return {"loss": loss, "opacity": novel.opacity.detach().mean()}

    def regularizers(self, novel: RenderedViews) -> dict[str, Tensor]:
        """Terms of the novel views alone."""
        return {
            "sparsity": sparsity(novel.opacity),
            "opaque": opaque(novel.opacity),
            "z_variance": z_variance(novel.z_variance, novel.opacity),
        }

    def input_errors(self, weights: Mapping[str, float], generator: torch.Generator) -> dict[str, Tensor]:
        """Terms of the input view's pixels, where they count at this step."""
        if not weights["color"] and not weights["mask"]:
            return {}
        rgb, opacity, target_rgb, target_mask = self.render_input_rays(generator)
        return {"color": F.mse_loss(rgb, target_rgb), "mask": F.mse_loss(opacity, target_mask)}

    def log_losses(self, loss: Tensor, terms: Mapping[str, Tensor], novel: RenderedViews) -> None:
        """Log the loss, its terms, the scores' figures, and what the novel views cover and cost."""
        self.log("loss", loss, prog_bar=True, sync_dist=True)
        self.log_step({f"loss/{name}": term for name, term in terms.items()} | self.score_figures())
        self.log_dict({"opacity": novel.opacity.mean(), "samples_per_ray": novel.samples_per_ray}, sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the state of a method that has networks of its own."""
        method = self.bound.method if self.bound is not None else None
        if method is not None and (state := method.state_dict()):
            checkpoint[METHOD_STATE] = state

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take that state up when the fit starts."""
        self.method_state = checkpoint.get(METHOD_STATE, {})

    def prior_names(self) -> dict[Source, str]:
        """The priors in use, for messages."""
        view = self.guidance.view_prior
        return {"view": view if isinstance(view, str) else type(view).__name__, "text": self.guidance.text_prior}

    def own_generator(self, purpose: Purpose) -> torch.Generator:
        """The stream of this step for one purpose, in this process; `generator` is the same in all of them."""
        return generator_at(self.seed, self.global_step, purpose, self.device, self.global_rank)

    def render_training_views(self, cameras: CameraBatch, generator: torch.Generator) -> RenderedViews:
        """Whole views with gradient; with ``patch_size``, in full resolution within one random patch only."""
        size, c2w, fovy = self.view_size, cameras.c2w, cameras.fovy
        if self.patch_size is None:
            return self.renderer.render_views(c2w, fovy, size, size, self.white, generator)
        return render_with_patch(
            self.renderer, c2w, fovy, size, self.patch_size, self.coarseness, self.white, generator
        )

    def render_input_rays(
        self, generator: torch.Generator
    ) -> tuple[Float[Tensor, "rays 3"], Float[Tensor, " rays"], Float[Tensor, "rays 3"], Float[Tensor, " rays"]]:
        """Colour and opacity of random rays of the input view and further references, then what they should be."""
        total = len(self.input_pixels[0])
        chosen = torch.randint(total, (min(self.input_rays, total),), generator=generator, device=self.device)
        origins, directions, rgb, mask = (x[chosen] for x in self.input_pixels)
        output = self.renderer.render(origins, directions, self.white, generator)
        return output.rgb, output.opacity, rgb, mask[:, 0]

    def configure_optimizers(self) -> Any:
        """AdamW, the hash grid faster than the networks."""
        settings, density_field = self.optimizer_settings, self.density_field
        networks = [*density_field.density_network.parameters(), *density_field.color_network.parameters()]
        groups = [
            {"params": list(density_field.grid.parameters()), "lr": settings.encoding_lr, "name": "encoding"},
            {"params": networks, "lr": settings.network_lr, "name": "networks"},
        ]
        return settings.adamw(groups, self.trainer.max_steps)

    @property
    def density_field(self) -> DensityField:
        """The field within its renderer."""
        return cast(DensityField, self.renderer.field)

    @property
    def radius(self) -> float:
        """Half the side of the cube that the field fills, world units."""
        return self.field_settings.radius

    def density(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Density of world points, per world unit."""
        return self.density_field.density(points)

    def color(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Colour of world points in [0, 1]."""
        return self.density_field.color(points)

    def occupied(self, points: Float[Tensor, "n 3"]) -> Bool[Tensor, " n"]:
        """Whether the renderer looks at world points at all."""
        return self.renderer.occupancy.occupied(*points.unbind(-1))


def load_field(folder: RunFolder, device: torch.device | str = "cpu") -> RadianceField:
    """The fitted field of a run, in evaluation mode; no prior is loaded.

    Raises:
        ViewDistillError: There is no checkpoint, or it is damaged, foreign or of another version.
    """
    path, remedy = folder.field_checkpoint, f"`viewdistill field {folder.root}`"
    checkpoint = read_checkpoint(path, remedy, device)
    settings = stored_settings(FieldSettings, checkpoint["hyper_parameters"].get("field"), path, remedy)
    module = RadianceField(settings)
    load_weights(module, checkpoint["state_dict"], path, remedy)
    return module.to(device).eval().requires_grad_(False)
