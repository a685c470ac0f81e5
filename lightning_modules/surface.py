"""The surface stage: NeuS on a hash grid, fitted to posed views and to the input view."""

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from datamodules.cameras import InputView
from datamodules.refined_views import RayBatch, SurfaceBatch
from datamodules.runs.run_folder import RunFolder
from datamodules.seeding import Purpose
from lightning_modules.checkpoints import load_weights, plain_settings, read_checkpoint, stored_settings
from lightning_modules.fitted_field import FittedField
from lightning_modules.loaded_priors import load_text_prior
from lightning_modules.reference_score import ReferenceView
from lightning_modules.schedules import value_at
from lightning_modules.surface_settings import (
    ColorRays,
    ReferenceSettings,
    SurfaceOptimizer,
    SurfaceSchedule,
    SurfaceSettings,
    SurfaceWeights,
)
from lightning_modules.surface_start import SurfaceStart, start_surface
from viewdistill.fields.regularizers import eikonal, normal_smoothness
from viewdistill.fields.sdf_field import SDFField
from viewdistill.guidance.predictions import Source
from viewdistill.guidance.predictors import Predictors
from viewdistill.guidance.reference import reference_gradient, reference_loss
from viewdistill.phases import phase
from viewdistill.rendering.neus import NeusRenderer, SurfaceOutput
from viewdistill.rendering.volume_renderer import RenderedViews


class Surface(FittedField):
    """Fits a signed distance field with colour to posed views.

    All randomness in a step is a function of (seed, global step), so that a resumed fit equals an uninterrupted one.

    Args:
        surface: Size of the field and its renderer.
        schedule: Levels of the grid and annealing of the cosine over the fit.
        reference: Use of the input view.
        weights: Weight of every loss term.
        optimizer: Settings of AdamW.
        color_rays: Rays that the colour error of views and input is the mean over: all, or those that hit the surface.
        eikonal_points: Random points of the cube a step, besides the samples on rays, where |∇f| shall be 1; may be 0.
        smoothness_distance: How far apart normals are compared, world units: a standard deviation along each axis.
        view_size: Side of rendered pictures and of the render that the reference-view score sees, pixels; resized to
            the prior's own size where that differs.
        start: What a new fit starts from.
        seed: Seed of ray shifts, backgrounds, points, noise and timesteps.
    """

    renderer: NeusRenderer

    def __init__(
        self,
        surface: SurfaceSettings | None = None,
        schedule: SurfaceSchedule | None = None,
        reference: ReferenceSettings | None = None,
        weights: SurfaceWeights | None = None,
        optimizer: SurfaceOptimizer | None = None,
        color_rays: ColorRays = "all",
        eikonal_points: int = 1024,
        smoothness_distance: float = 0.01,
        view_size: int = 64,
        start: SurfaceStart = "sphere",
        seed: int = 0,
    ) -> None:
        surface_settings = surface or SurfaceSettings()
        super().__init__(surface_settings.build(), view_size, seed)
        self.surface_settings = surface_settings
        self.schedule = schedule or SurfaceSchedule()
        self.reference_settings = reference or ReferenceSettings()
        self.weights = weights or SurfaceWeights()
        self.optimizer_settings = optimizer or SurfaceOptimizer()
        self.color_rays: ColorRays = color_rays
        self.start: SurfaceStart = start
        self.eikonal_points, self.smoothness_distance = eikonal_points, smoothness_distance
        # Plain containers only: checkpoints are read without unpickling.
        parts = {"surface": self.surface_settings, "schedule": self.schedule, "reference": self.reference_settings}
        parts |= {"weights": self.weights, "optimizer": self.optimizer_settings}
        sizes = {"color_rays": color_rays, "eikonal_points": eikonal_points, "smoothness_distance": smoothness_distance}
        sizes |= {"view_size": view_size, "start": start, "seed": seed}
        self.save_hyperparameters({name: plain_settings(part) for name, part in parts.items()} | sizes)

    def on_fit_start(self) -> None:
        """Load the prior, if scores are asked for, and encode the references once; neither belongs in a checkpoint."""
        settings = self.reference_settings
        self.reference_views: tuple[ReferenceView, ...] = ()
        if settings.by_score and self.weights.ever("reference_score"):
            data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
            views: tuple[InputView, ...] = data.input_views
            prior = load_text_prior(settings.text_prior, settings.precision, self.device)
            self.predictors = Predictors(text_prior=prior)
            self.reference_views = tuple(ReferenceView(prior, settings.timesteps, view, self.device) for view in views)

    def on_train_start(self) -> None:
        """Give a new fit its first surface; one that is resumed has it."""
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        if self.start == "field" and self.global_step == 0 and data.run_folder.record("field").is_file():
            self.follow_schedule()
            start_surface(self.renderer, data.run_folder, self.optimizer_settings, self.seed)
            self.share_start()

    def training_step(self, batch: SurfaceBatch, batch_idx: int) -> dict[str, Tensor]:
        """Run one step: render rays of the views, compare, regularise, hold the input view."""
        self.follow_schedule()
        weights, noise = self.weights.at(self.progress), self.generator(Purpose.RAYS)
        self.renderer.update_occupancy(self.global_step, self.generator(Purpose.OCCUPANCY))
        # One random background colour per step: no part of the object can vanish by matching it.
        background = torch.rand(3, generator=noise, device=self.device)

        views = self.render(batch.views, background, noise)
        terms = {
            "color": color_error(views, batch.views, background, self.color_rays),
            "mask": mask_error(views, batch.views),
            "eikonal": eikonal(self.gradients(views, noise)),
        }
        if self.weights.ever("normal_smoothness"):
            terms["normal_smoothness"] = self.normal_smoothness(views, batch.views, noise)
        if self.reference_settings.by_pixels:
            known = self.render(batch.input, background, noise)
            terms["input_color"] = color_error(known, batch.input, background, self.color_rays)
            terms["input_mask"] = mask_error(known, batch.input)
        turn, left = divmod(self.global_step, self.reference_settings.interval)
        if self.reference_views and left == 0:
            reference = self.reference_views[turn % len(self.reference_views)]
            known = self.render_reference(reference, noise)
            latents, query = reference.query(known.rgb, self.progress, self.generator(Purpose.DIFFUSION))
            seen = self.predictors.predict({"reference": query})["reference"]
            g = reference_gradient(seen)
            terms["reference_score"] = reference_loss(latents, self.finite("reference", g, seen))

        loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        self.log("loss", loss, prog_bar=True)
        # Between two scores, the figures of the last one are repeated.
        self.log_dict({f"loss/{name}": term for name, term in terms.items()} | self.score_figures())
        self.log("inverse_std", self.sdf_field.inverse_std, prog_bar=True)
        self.log("samples_per_ray", views.n_samples / len(views.opacity))
        return {"loss": loss, "opacity": views.opacity.detach().mean()}

    def follow_schedule(self) -> None:
        """Set the grid's active levels and the annealing of the cosine for this step."""
        grid = self.sdf_field.grid
        levels = self.schedule.levels_at(self.progress, grid.config.n_levels)
        if levels != grid.active_levels:
            grid.active_levels = levels
        self.renderer.annealing = value_at(self.schedule.annealing, self.progress)

    def render(self, batch: RayBatch, background: Float[Tensor, "3"], generator: torch.Generator) -> SurfaceOutput:
        """Render rays, with gradient."""
        return self.renderer.render(batch.origins, batch.directions, background, generator)

    def gradients(self, seen: SurfaceOutput, generator: torch.Generator) -> Float[Tensor, "points 3"]:
        """Return ∇f at the samples on rays and at random points of the cube."""
        if not self.eikonal_points:
            return seen.gradients
        with phase("field query"):
            return torch.cat([seen.gradients, self.sdf_field.gradient(self.random_points(generator))])

    def random_points(self, generator: torch.Generator) -> Float[Tensor, "n 3"]:
        """Draw uniform points of the cube."""
        points = torch.rand(self.eikonal_points, 3, generator=generator, device=self.device)
        return (2 * points - 1) * self.radius

    def normal_smoothness(self, seen: SurfaceOutput, rays: RayBatch, generator: torch.Generator) -> Float[Tensor, ""]:
        """Return the mean difference of neighbouring normals at the rays' surface points."""
        points = surface_points(seen, rays)
        shift = torch.randn(points.shape, generator=generator, device=self.device)
        with phase("field query"):
            normals = self.sdf_field.normals(torch.cat([points, points + self.smoothness_distance * shift]))
        return normal_smoothness(*normals.chunk(2))

    def render_reference(self, reference: ReferenceView, generator: torch.Generator) -> RenderedViews:
        """The whole view of a reference over white, with gradient."""
        size, cameras = self.view_size, reference.cameras
        return self.renderer.render_views(cameras.c2w, cameras.fovy, size, size, self.white, generator)

    def prior_names(self) -> dict[Source, str]:
        """Return the names of the priors in use, for messages."""
        return {"text": self.reference_settings.text_prior}

    def configure_optimizers(self) -> Any:
        """Return AdamW: fast for the hash grid, slower for the networks, a separate rate for NeuS's s without decay."""
        settings, sdf_field = self.optimizer_settings, self.sdf_field
        networks = [*sdf_field.sdf_network.parameters(), *sdf_field.color_network.parameters()]
        groups: list[dict[str, Any]] = [
            {"params": list(sdf_field.grid.parameters()), "lr": settings.encoding_lr, "name": "encoding"},
            {"params": networks, "lr": settings.network_lr, "name": "networks"},
            {"params": [sdf_field.log_inverse_std], "lr": settings.inverse_std_lr, "weight_decay": 0.0, "name": "s"},
        ]
        return settings.adamw(groups, self.trainer.max_steps)

    @property
    def sdf_field(self) -> SDFField:
        """The field within its renderer."""
        return cast(SDFField, self.renderer.field)

    @property
    def radius(self) -> float:
        """Half the side of the cube that the field fills, world units."""
        return self.surface_settings.radius

    def sdf(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Return the signed distance of world points, world units, negative inside."""
        return self.sdf_field.sdf(points)

    def color(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Return colour of world points in [0, 1], seen head-on."""
        return self.sdf_field.color(points)


def color_error(
    seen: SurfaceOutput, batch: RayBatch, background: Float[Tensor, "3"], over: ColorRays
) -> Float[Tensor, ""]:
    """Return the weighted mean squared error of colours over a background.

    Args:
        seen: Rendered rays.
        batch: Target colours.
        background: Colour behind the object.
        over: Rays in the mean.
    """
    errors = batch.weights[:, None] * (seen.rgb - batch.over(background)) ** 2
    if over == "all":
        return errors.mean()
    hit = seen.opacity > 0
    return (errors * hit[:, None]).sum() / (3 * hit.sum().clamp_min(1))


def mask_error(seen: SurfaceOutput, batch: RayBatch) -> Float[Tensor, ""]:
    """Return the weighted binary cross-entropy of opacity and mask."""
    return F.binary_cross_entropy(seen.opacity.clamp(1e-3, 1 - 1e-3), batch.alpha, batch.weights)


def surface_points(seen: SurfaceOutput, batch: RayBatch) -> Float[Tensor, "points 3"]:
    """Return the surface points of rays that are more than half covered; without gradient."""
    hit = seen.opacity > 0.5
    distance = (seen.depth[hit] / seen.opacity[hit]).detach()
    return batch.origins[hit] + distance[:, None] * batch.directions[hit]


def load_surface(folder: RunFolder, device: torch.device | str = "cpu") -> Surface:
    """Load the fitted surface of a run, in evaluation mode; no prior is loaded.

    Raises:
        ViewDistillError: The checkpoint is missing, damaged, foreign or of another version.
    """
    path, remedy = folder.surface_checkpoint, f"`viewdistill surface {folder.root}`"
    checkpoint = read_checkpoint(path, remedy, device)
    settings = stored_settings(SurfaceSettings, checkpoint["hyper_parameters"].get("surface"), path, remedy)
    module = Surface(settings)
    load_weights(module, checkpoint["state_dict"], path, remedy)
    return module.to(device).eval().requires_grad_(False)
