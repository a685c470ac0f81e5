"""Common base of the two fitted fields: progress of the fit, random streams, and validation pictures."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor

from datamodules.cameras import CameraBatch
from datamodules.seeding import Purpose, generator_at
from lightning_modules.checkpoints import last_checkpoint
from viewdistill.errors import ViewDistillError
from viewdistill.finite import non_finite
from viewdistill.guidance.gradient import TOLERATED_SHARE, ScoreGradient
from viewdistill.guidance.predictions import Predictions, Source
from viewdistill.rendering.volume_renderer import ViewRenderer


class FieldViews(NamedTuple):
    """Pictures of the field, detached."""

    rgb: Float[Tensor, "views height width 3"]
    """Colour over white, in [0, 1]."""
    opacity: Float[Tensor, "views height width"]
    """Opacity, in [0, 1]."""
    depth: Float[Tensor, "views height width"]
    """Weighted sum of distances along the rays, world units."""


class FittedField(pl.LightningModule):
    """A field within its renderer.

    All randomness in a step is a function of (seed, global step), so that a resumed fit equals an uninterrupted one.

    Args:
        renderer: The field's renderer.
        view_size: Side of the validation pictures, pixels.
        seed: Seed of all streams, not negative.
    """

    def __init__(self, renderer: ViewRenderer, view_size: int, seed: int) -> None:
        super().__init__()
        self.renderer, self.view_size, self.seed = renderer, view_size, seed
        self.white: Tensor
        self.register_buffer("white", torch.ones(3), persistent=False)
        self.scored: dict[str, tuple[ScoreGradient, Predictions]] = {}
        """Score gradients of this step by name, each with its predictions."""
        self.logged: set[str] = set()
        """Figures last logged by `log_step`."""

    @property
    def progress(self) -> float:
        """Completed fraction of the fit."""
        return self.global_step / max(1, self.trainer.max_steps)

    @torch.no_grad()
    def share_start(self) -> None:
        """Give all processes that share the fit the first one's field: on a GPU, sums differ by their order."""
        if self.trainer.world_size > 1:
            for value in self.state_dict().values():
                value.copy_(self.trainer.strategy.broadcast(value))

    def generator(self, purpose: Purpose) -> torch.Generator:
        """Yield this step's random stream for one purpose."""
        return generator_at(self.seed, self.global_step, purpose, self.device)

    def finite(
        self, name: str, g: Float[Tensor, "batch c h w"], predictions: Predictions
    ) -> Float[Tensor, "batch c h w"]:
        """Return the finite part of a score gradient; `on_before_backward` checks the rest.

        Args:
            name: For `score_figures`.
            g: The gradient.
            predictions: Its predictions.
        """
        self.scored[name] = score, predictions = ScoreGradient.of(g), predictions
        return score.g

    def score_figures(self) -> dict[str, Tensor]:
        """Return figures of this step's score gradients, for the log."""
        figures: dict[str, Tensor] = {}
        for name, (score, predictions) in self.scored.items():
            figures[f"score/{name}_norm"] = score.norm
            figures[f"score/{name}_timestep"] = predictions.query.timesteps.float().mean()
            figures[f"score/{name}_nonfinite"] = score.nonfinite.float()
        return figures

    def log_step(self, figures: Mapping[str, Tensor]) -> None:
        """Log the figures of this step, and drop earlier ones that are missing from it.

        Lightning repeats the last value of a figure until the end of the epoch, which is the end of the fit.
        """
        stale, self.logged = self.logged - set(figures), set(figures)
        results: Any = self.trainer._results
        for item in results.values():
            if item.meta.name in stale:
                item.reset()
        for name in stale:
            self.trainer.callback_metrics.pop(name, None)
            self.trainer.logged_metrics.pop(name, None)
        self.log_dict(dict(figures), sync_dist=True)

    def on_before_backward(self, loss: Tensor) -> None:
        """Stop if more than a few entries of a score gradient are non-finite; one synchronisation per step.

        Raises:
            ViewDistillError: They are; the message names the step and the prior, or the part of the field itself that
                is not finite and led to that.
        """
        scored, self.scored = [*self.scored.values()], {}
        if not scored or bool(torch.stack([s.nonfinite_share for s, _ in scored]).max() <= TOLERATED_SHARE):
            return
        kept = f"last finite checkpoint: {last_checkpoint(self.trainer) or 'none yet'}"
        if name := non_finite(dict(self.named_parameters())):
            raise ViewDistillError(f"step {self.global_step}: {name} is not finite; {kept}; try a lower learning rate")
        share = max(float(score.nonfinite_share) for score, _ in scored)
        sources: dict[Source, None] = {source: None for _, seen in scored for source in seen.nonfinite_sources()}
        culprits = " and ".join(f"the {source}-conditioned prior ({self.prior_names()[source]})" for source in sources)
        raise ViewDistillError(
            f"step {self.global_step}: {share:.0%} of the score is not finite, which comes from "
            f"{culprits or 'the guidance method itself'}; {kept}; "
            "try precision fp32 for the priors, or fetch them again"
        )

    def prior_names(self) -> dict[Source, str]:
        """Return the names of the priors in use, for messages."""
        return {}

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Log the gradient norm."""
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        self.log("gradient_norm", torch.nn.utils.get_total_norm(gradients))

    def validation_step(self, batch: CameraBatch, batch_idx: int) -> FieldViews:
        """Render the validation ring; a callback draws it."""
        return self.render_views(batch.c2w, batch.fovy, self.view_size)

    @torch.no_grad()
    def render_views(self, c2w: Float[Tensor, "views 4 4"], fovy: float, size: int) -> FieldViews:
        """Render pictures over white, without randomness.

        Args:
            c2w: Camera-to-world matrices.
            fovy: Vertical field of view, degrees.
            size: Height and width, pixels.
        """
        training = self.training
        self.eval()
        views = self.renderer.render_views(c2w.to(self.device), fovy, size, size, self.white)
        self.train(training)
        return FieldViews(to_last(views.rgb), views.opacity[:, 0], views.depth[:, 0])


def to_last(images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch height width channels"]:
    """Move channels to the end."""
    return images.movedim(1, -1)
