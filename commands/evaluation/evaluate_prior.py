"""`viewdistill evaluate-prior`: how well a view-conditioned prior shows objects it never saw from new sides."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from viewdistill.errors import ViewDistillError

if TYPE_CHECKING:
    from torch import Tensor

    from viewdistill.diffusion.priors import ViewConditionedPrior

EPILOG = """\
Each object is shown from random cameras; the first view is the input, the others are sampled by DDIM and compared with
the truth over white. "copy input" scores the input view itself in place of the samples: a prior must beat it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument("--prior", type=Path, default=Path("priors/nano/zero123"), metavar="DIR", help="prior's folder")
    parser.add_argument("--objects", type=int, default=48, metavar="N", help="number of objects (default 48)")
    parser.add_argument("--targets", type=int, default=3, metavar="N", help="new views of each object (default 3)")
    parser.add_argument(
        "--scales", type=float, nargs="+", default=[1.0, 2.0, 3.0], metavar="S", help="guidance scales (default 1 2 3)"
    )
    parser.add_argument("--steps", type=int, default=50, metavar="N", help="DDIM steps (default 50)")
    others = parser.add_mutually_exclusive_group()
    others.add_argument(
        "--held-out-families", action="store_true", help="objects of the two families that were never trained on"
    )
    others.add_argument("--patterned", action="store_true", help="objects with bold prints and thin parts")
    parser.add_argument("--out", type=Path, default=Path("runs/prior"), metavar="DIR", help="folder to write to")


@dataclass(frozen=True)
class Pairs:
    """Input and target views of several objects, over white, one row a target."""

    inputs: Tensor
    """Input views [B, 3, H, W]."""
    targets: Tensor
    """The truth [B, 3, H, W]."""
    relative_pose: Tensor
    """Pose of each target seen from its input [B, 4]."""
    elevation: Tensor
    """Of the input cameras [B], degrees."""


def run(arguments: argparse.Namespace) -> None:
    """Sample, compare, print a table and write ``novel_views.json`` and ``novel_views.png``.

    Raises:
        ViewDistillError: The prior cannot be read, or a number makes no sense.
    """
    if min(arguments.objects, arguments.targets, arguments.steps) < 1:
        raise ViewDistillError("--objects, --targets and --steps must be at least 1")
    if not arguments.prior.is_dir():
        raise ViewDistillError(f"{arguments.prior}: no such prior; give its folder with --prior")

    from datamodules.run_folder import write_json
    from viewdistill.diffusion.priors import ViewConditionedPrior
    from viewdistill.metrics.images import psnr, ssim
    from viewdistill.objects.generator import HELD_OUT_SEEDS, PATTERNED_TEST_SEEDS, TEST_SEEDS

    prior = ViewConditionedPrior.from_folder(arguments.prior)
    kind = PATTERNED_TEST_SEEDS if arguments.patterned else TEST_SEEDS
    seeds = (HELD_OUT_SEEDS if arguments.held_out_families else kind)[: arguments.objects]
    pairs = render_pairs(seeds, arguments.targets, prior.image_size)
    samples = {"copy input": pairs.inputs}
    for scale in arguments.scales:
        samples[f"guidance {scale:g}"] = sample(prior, pairs, scale, arguments.steps)
    scores = {
        name: {"psnr": float(psnr(images, pairs.targets).mean()), "ssim": float(ssim(images, pairs.targets).mean())}
        for name, images in samples.items()
    }
    best = max((name for name in scores if name != "copy input"), key=lambda name: scores[name]["psnr"])
    for name, score in scores.items():
        print(f"{name:14} PSNR {score['psnr']:6.2f} dB   SSIM {score['ssim']:.3f}{'   best' if name == best else ''}")
    content = {
        "objects": len(seeds),
        "targets": arguments.targets,
        "steps": arguments.steps,
        "scores": scores,
        "best": best,
    }
    write_json(arguments.out / "novel_views.json", content)
    write_sheet(arguments.out / "novel_views.png", pairs, samples[best], arguments.targets)
    print(f"wrote {arguments.out}/novel_views.json and novel_views.png")


def render_pairs(seeds: range, targets: int, size: int) -> Pairs:
    """Render each object from an input camera and ``targets`` further ones, drawn as in training."""
    import torch

    from viewdistill.cameras import relative_pose
    from viewdistill.metrics.images import over_white
    from viewdistill.objects.dataset import RenderSettings, render_object, sample_cameras

    settings = RenderSettings(views_per_object=1 + targets, size=size)
    inputs: list[Tensor] = []
    truth: list[Tensor] = []
    poses: list[Tensor] = []
    elevations: list[Tensor] = []
    for seed in seeds:
        rgba, _ = render_object(seed, settings)
        views = over_white(torch.from_numpy(rgba).permute(0, 3, 1, 2).float() / 255)
        azimuth, elevation, distance = torch.from_numpy(sample_cameras(seed, settings)).unbind(-1)
        inputs.append(views[:1].expand(targets, -1, -1, -1))
        truth.append(views[1:])
        elevations.append(elevation[:1].expand(targets))
        poses.append(relative_pose(azimuth[:1], elevation[:1], distance[:1], azimuth[1:], elevation[1:], distance[1:]))
    return Pairs(torch.cat(inputs), torch.cat(truth), torch.cat(poses), torch.cat(elevations))


def sample(prior: ViewConditionedPrior, pairs: Pairs, scale: float, steps: int, batch: int = 24) -> Tensor:
    """Predicted target views [B, 3, H, W] by DDIM, with the same noise for every guidance scale."""
    import torch

    from viewdistill.diffusion.samplers import sample_ddim, view_noise_predictor

    generator = torch.Generator().manual_seed(0)
    images: list[Tensor] = []
    for start in range(0, len(pairs.inputs), batch):
        rows = slice(start, start + batch)
        condition = prior.condition(pairs.inputs[rows], pairs.elevation[rows])
        predict = view_noise_predictor(prior, condition, pairs.relative_pose[rows], scale)
        shape = (len(condition.latent), *prior.latent_shape)
        latents = sample_ddim(predict, prior.schedule, shape, steps=steps, generator=generator)
        with torch.no_grad():
            images.append(prior.decode_latents(latents).clamp(0, 1))
    return torch.cat(images)


def write_sheet(path: Path, pairs: Pairs, predictions: Tensor, targets: int, columns: int = 16) -> None:
    """Write rows of input, target and prediction, the first target of each object."""
    import numpy as np
    from PIL import Image

    from datamodules.run_folder import atomic_path

    rows = [
        images[::targets][:columns].permute(2, 0, 3, 1).flatten(1, 2)
        for images in (pairs.inputs, pairs.targets, predictions)
    ]
    sheet = np.concatenate([(row.numpy() * 255).round().astype(np.uint8) for row in rows])
    with atomic_path(path) as partial:
        Image.fromarray(sheet).save(partial)
