"""A surface stage on a tiny scale: real classes, exact views of a ball."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image

from datamodules.posed_views import ViewCamera, save_cameras, save_view
from datamodules.refined_views import RefinedViewRays
from datamodules.runs.run_folder import RunFolder
from lightning_modules.surface import Surface
from lightning_modules.surface_settings import (
    ReferenceSettings,
    SurfaceOptimizer,
    SurfaceSchedule,
    SurfaceSettings,
    SurfaceWeights,
)
from tests.tiny_field import GRID, short_trainer
from viewdistill.cameras import rays
from viewdistill.guidance.timesteps import Annealed

SURFACE = SurfaceSettings(
    grid=GRID, radius=0.6, sphere_radius=0.45, hidden_width=16, occupancy_resolution=16, n_samples_per_ray=48
)
SCHEDULE = SurfaceSchedule(active_levels=Annealed(1.0, 2.0, 0.0, 0.5), annealing=Annealed(0.0, 1.0, 0.0, 0.5))
BALL = 0.3
ANGLES = ((0.0, 20.0), (72.0, 0.0), (144.0, 40.0), (216.0, -20.0), (288.0, 10.0))


def ball_view(camera: ViewCamera, size: int = 32) -> np.ndarray:
    """The exact view of a ball around the origin, red above and blue below."""
    origins, directions = (part[0] for part in rays(camera.c2w[None], camera.fovy_deg, size, size))
    along = -(origins * directions).sum(-1)
    nearest = (origins + along[..., None] * directions).norm(dim=-1)
    hit = origins + (along - (BALL**2 - nearest**2).clamp_min(0).sqrt())[..., None] * directions
    alpha = (nearest < BALL).float()
    up = (hit[..., 2] > 0).float()
    rgba = torch.stack([up * alpha, 0 * up, (1 - up) * alpha, alpha], -1)
    return (rgba * 255).to(torch.uint8).numpy()


def finish_ball(folder: RunFolder) -> RunFolder:
    """Write the input and views stages of a ball into a run."""
    cameras = [ViewCamera(azimuth, elevation) for azimuth, elevation in ANGLES]
    for index, camera in enumerate(cameras):
        save_view(folder.refined_views, index, ball_view(camera))
    save_cameras(folder.refined_views, cameras)
    Image.fromarray(ball_view(cameras[0], 64)).save(folder.rgba)
    return folder


def module(
    reference: ReferenceSettings | None = None, surface: SurfaceSettings = SURFACE, smoothness: float = 0.0
) -> Surface:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        reference = reference or ReferenceSettings("none")
        weights = SurfaceWeights(mask=1.0, reference_score=1.0, normal_smoothness=smoothness)
        return Surface(
            surface,
            SCHEDULE,
            reference,
            weights,
            SurfaceOptimizer(network_lr=5e-3, factor=1.0),
            eikonal_points=64,
            view_size=16,
        )


def scores(prior: Path, method: str, interval: int = 1) -> ReferenceSettings:
    return ReferenceSettings(
        method,  # type: ignore[arg-type]
        interval,
        text_prior=str(prior / "stable-diffusion"),
        precision="fp32",
    )


def fit(
    model: Surface,
    folder: RunFolder,
    steps: int,
    total: int | None = None,
    resume: Path | None = None,
    watchers: Sequence[pl.Callback] = (),
) -> Any:
    """Fit to ``steps`` of ``total``, without files other than a checkpoint."""
    trainer = short_trainer(folder.stage("surface"), steps, total, watchers)
    data = RefinedViewRays(str(folder.root), rays_per_step=192, input_rays=64, input_size=32)
    trainer.fit(model, datamodule=data, ckpt_path=resume, weights_only=True)
    return trainer
