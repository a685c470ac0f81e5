"""`viewdistill evaluate-prior`: accuracy of a view-conditioned prior's novel views of held-out objects."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from commands import options
from commands.arguments import add_option, add_out_argument
from commands.devices import Accelerator, add_accelerator_argument, device_of
from datamodules.runs.run_folder import write_json
from viewdistill.cameras import relative_pose
from viewdistill.diffusion.priors import ViewConditionedPrior
from viewdistill.diffusion.samplers import Sampling, view_noise_predictor
from viewdistill.diffusion.samplers import sample as sample_latents
from viewdistill.errors import ViewDistillError
from viewdistill.metrics.images import psnr, ssim
from viewdistill.objects.dataset import RenderSettings, render_object, sample_cameras
from viewdistill.objects.generator import HELD_OUT_SEEDS, PATTERNED_TEST_SEEDS, TEST_SEEDS
from viewdistill.pictures import over_white, to_bytes, to_tensor, write_picture
from viewdistill.resources import REPOSITORY

EPILOG = """\
Each object is shown from random cameras; the first view is the input, the others are sampled by DDIM and compared with
the truth over white. "copy input" scores the input view itself in place of the samples: a prior must beat it.
"""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    prior: Path = REPOSITORY / "priors" / "nano" / "zero123"
    """Folder of the view-conditioned prior."""
    objects: int = 48
    """Number of objects."""
    targets: int = 3
    """New views per object."""
    scales: tuple[float, ...] = (1.0, 2.0, 3.0)
    """Guidance scales to compare."""
    steps: int = 50
    """DDIM steps."""
    held_out_families: bool = False
    """Whether the objects are of the two held-out families."""
    patterned: bool = False
    """Whether the objects have bold prints and thin parts."""
    accelerator: Accelerator = "auto"
    """Device to sample on; auto is a GPU if available."""
    out: Path = Path("runs/prior")
    """Folder to write to."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "--prior",
        type=options.path,
        default=Request.prior,
        metavar="DIR",
        help="folder of the prior (default: that of priors/nano)",
    )
    add_option(parser, "--objects", options.Integer(1, 10_000), Request.objects, "N", "number of objects")
    add_option(parser, "--targets", options.Integer(1, 64), Request.targets, "N", "new views per object")
    parser.add_argument(
        "--scales",
        type=options.Number(0.0, 1000.0),
        nargs="+",
        default=Request.scales,
        metavar="S",
        help="guidance scales (default 1 2 3)",
    )
    add_option(parser, "--steps", options.Integer(1, 1000), Request.steps, "N", "DDIM steps")
    others = parser.add_mutually_exclusive_group()
    others.add_argument(
        "--held-out-families", action="store_true", help="objects of the two families that were never trained on"
    )
    others.add_argument("--patterned", action="store_true", help="objects with bold prints and thin parts")
    add_accelerator_argument(parser)
    add_out_argument(parser, Request.out)


@dataclass(frozen=True)
class Pairs:
    """Input and target views of several objects, over white, one row per target."""

    inputs: Tensor
    """Input views [B, 3, H, W]."""
    targets: Tensor
    """The truth [B, 3, H, W]."""
    relative_pose: Tensor
    """Pose of each target seen from its input [B, 4]."""
    elevation: Tensor
    """Elevations of the input cameras [B], degrees."""


def run(request: Request) -> None:
    """Sample, compare, print a table and write ``novel_views.json`` and ``novel_views.png``.

    Raises:
        ViewDistillError: The prior cannot be read, or the device is not there.
    """
    if not request.prior.is_dir():
        raise ViewDistillError(f"{request.prior}: no such prior; give its folder with --prior")
    prior = ViewConditionedPrior.from_folder(request.prior, device=device_of(request.accelerator))
    kind = PATTERNED_TEST_SEEDS if request.patterned else TEST_SEEDS
    seeds = (HELD_OUT_SEEDS if request.held_out_families else kind)[: request.objects]
    pairs = render_pairs(seeds, request.targets, prior.image_size)
    samples = {"copy input": pairs.inputs}
    for scale in request.scales:
        samples[f"guidance {scale:g}"] = sample(prior, pairs, scale, request.steps)
    scores = {
        name: {"psnr": float(psnr(images, pairs.targets).mean()), "ssim": float(ssim(images, pairs.targets).mean())}
        for name, images in samples.items()
    }
    best = max((name for name in scores if name != "copy input"), key=lambda name: scores[name]["psnr"])
    for name, score in scores.items():
        print(f"{name:14} PSNR {score['psnr']:6.2f} dB   SSIM {score['ssim']:.3f}{'   best' if name == best else ''}")
    content = {
        "objects": len(seeds),
        "targets": request.targets,
        "steps": request.steps,
        "scores": scores,
        "best": best,
    }
    write_json(request.out / "novel_views.json", content)
    write_sheet(request.out / "novel_views.png", pairs, samples[best], request.targets)
    print(f"wrote {request.out}/novel_views.json and novel_views.png")


def render_pairs(seeds: range, targets: int, size: int) -> Pairs:
    """Render each object from an input camera and ``targets`` further ones, drawn as in training."""
    settings = RenderSettings(views_per_object=1 + targets, size=size)
    inputs: list[Tensor] = []
    truth: list[Tensor] = []
    poses: list[Tensor] = []
    elevations: list[Tensor] = []
    for seed in seeds:
        rgba, _ = render_object(seed, settings)
        views = over_white(to_tensor(rgba))
        azimuth, elevation, distance = torch.from_numpy(sample_cameras(seed, settings)).unbind(-1)
        inputs.append(views[:1].expand(targets, -1, -1, -1))
        truth.append(views[1:])
        elevations.append(elevation[:1].expand(targets))
        poses.append(relative_pose(azimuth[:1], elevation[:1], distance[:1], azimuth[1:], elevation[1:], distance[1:]))
    return Pairs(torch.cat(inputs), torch.cat(truth), torch.cat(poses), torch.cat(elevations))


def sample(prior: ViewConditionedPrior, pairs: Pairs, scale: float, steps: int, batch: int = 24) -> Tensor:
    """Sample the target views [B, 3, H, W] by DDIM, with the same noise for every guidance scale."""
    generator, device = torch.Generator().manual_seed(0), prior.device
    images: list[Tensor] = []
    for start in range(0, len(pairs.inputs), batch):
        rows = slice(start, start + batch)
        condition = prior.condition(pairs.inputs[rows].to(device), pairs.elevation[rows].to(device))
        predict = view_noise_predictor(prior, condition, pairs.relative_pose[rows].to(device), scale)
        noise = torch.randn((len(condition.latent), *prior.latent_shape), generator=generator).to(device)
        latents = sample_latents(predict, prior.schedule, noise, Sampling(steps=steps))
        with torch.no_grad():
            images.append(prior.decode_latents(latents).clamp(0, 1).cpu())
    return torch.cat(images)


def write_sheet(path: Path, pairs: Pairs, predictions: Tensor, targets: int, columns: int = 16) -> None:
    """Write rows of input, target and prediction, the first target of each object."""
    rows = [
        images[::targets][:columns].permute(2, 0, 3, 1).flatten(1, 2)
        for images in (pairs.inputs, pairs.targets, predictions)
    ]
    write_picture(path, to_bytes(torch.cat(rows)))
