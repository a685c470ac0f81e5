"""`viewdistill bias`: bias of a prior's unconditional branch on clean images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float
from rich.console import Console
from torch import Tensor
from torch.nn import functional as F

from commands import options
from commands.arguments import add_option, add_out_argument
from commands.devices import Accelerator, add_accelerator_argument, device_of
from commands.evaluation.bias_figures import Kind, load_branch, measure
from commands.evaluation.bias_pictures import maps_sheet, markdown, recovered_sheet, rich_table
from datamodules.runs.run_folder import atomic_path, write_json
from datamodules.view_sets import read_over_white
from viewdistill.cameras import FOVY_ZERO123
from viewdistill.errors import ViewDistillError
from viewdistill.objects.generator import TEST_SEEDS, generate
from viewdistill.objects.render import poses, render
from viewdistill.pictures import over_white, resize, to_tensor, write_picture
from viewdistill.resources import REPOSITORY

EPILOG = """\
examples:
  viewdistill bias --prior priors/nano/zero123 priors/nano/stable-diffusion
  viewdistill bias --prior priors/nano/stable-diffusion --image mario.png --out runs/mario

Clean images are noised to t, and the branch predicts the noise: norm is the root mean square of the mean of (predicted
noise - noise) over the draws, floor its value for an unbiased branch with this number of draws, common the part shared
by all images. Recovered images are those that the branch alone makes of z_t, in one step and by DDIM (PSNR against the
clean ones). All priors get the same images and the same noise. Objects are held-out ones, each seen from its front."""

BIAS_FILE = "bias.json"
"""Name of the file with all figures."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    prior: tuple[Path, ...] = tuple(REPOSITORY / "priors" / "nano" / name for name in ("zero123", "stable-diffusion"))
    """Folders of priors, or names on the hub."""
    kind: Kind | None = None
    """Condition of the priors; detected from the contents of a folder when not given."""
    image: tuple[Path, ...] | None = None
    """Clean images; renders of test objects where not given."""
    objects: int = 16
    """Test objects, without ``image``."""
    timesteps: tuple[int, ...] = (50, 100, 200, 300, 500, 700)
    """Noise levels t."""
    draws: int = 16
    """Noise draws per image, at least two: their spread gives the floor."""
    steps: int = 50
    """DDIM steps from pure noise."""
    seed: int = 0
    """Seed of the noise."""
    accelerator: Accelerator = "auto"
    """Device to compute on."""
    out: Path = Path("runs/bias")
    """Folder to write to."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "--prior",
        type=options.path,
        nargs="+",
        default=Request.prior,
        metavar="PRIOR",
        help="folders of priors or names on the hub (default: both of priors/nano)",
    )
    parser.add_argument(
        "--kind",
        choices=get_args(Kind),
        help="condition of the priors (default: detected from the contents of the folder)",
    )
    parser.add_argument(
        "--image",
        type=options.existing_file,
        nargs="+",
        metavar="IMG",
        help="clean images, squared over white (default: test objects)",
    )
    add_option(parser, "--objects", options.Integer(1, 10_000), Request.objects, "N", "test objects without --image")
    parser.add_argument(
        "--timesteps",
        type=options.Integer(0, 999),
        nargs="+",
        default=Request.timesteps,
        metavar="T",
        help="noise levels (default 50 100 200 300 500 700)",
    )
    add_option(parser, "--draws", options.Integer(2, 10_000), Request.draws, "N", "noise draws per image")
    add_option(parser, "--steps", options.Integer(1, 1000), Request.steps, "N", "DDIM steps from pure noise")
    add_option(parser, "--seed", options.SEED, Request.seed, "N", "seed of the noise")
    add_accelerator_argument(parser)
    add_out_argument(parser, Request.out)


def run(request: Request) -> None:
    """Measure, print a table, and write ``bias.json``, ``bias.md`` and the pictures of each prior.

    Raises:
        ViewDistillError: A prior or an image cannot be read, or the device is not there.
    """
    device = device_of(request.accelerator)
    names = prior_names(request.prior)
    pictures = [square_over_white(path) for path in request.image or ()]
    found = []
    for name, prior in zip(names, request.prior, strict=True):
        branch = load_branch(name, prior, device, request.kind)
        images = clean_images(pictures or request.objects, branch.image_size)
        measured = measure(branch, images, request.timesteps, request.draws, request.steps, request.seed)
        write_picture(request.out / f"{name}_maps.png", maps_sheet(measured, images))
        write_picture(request.out / f"{name}_recovered.png", recovered_sheet(measured, images))
        found.append(measured.content)
    content = {
        "format": 1,
        "images": [str(path) for path in request.image] if request.image else f"{request.objects} test objects",
        "draws": request.draws,
        "ddim_steps": request.steps,
        "seed": request.seed,
        "priors": found,
    }
    with atomic_path(request.out / "bias.md") as partial:
        partial.write_text(markdown(found), encoding="utf-8")
    write_json(request.out / BIAS_FILE, content)
    Console().print(rich_table(found))
    print(f"wrote {request.out}/{BIAS_FILE}, bias.md and two pictures per prior")


def prior_names(priors: Sequence[Path]) -> list[str]:
    """Return a name per prior for files and tables: the last part of its folder, or all of it where several share that.

    Raises:
        ViewDistillError: A prior is given twice.
    """
    plain = [str(prior).strip("/").replace("/", "_").replace(":", "_") for prior in priors]
    if len(set(plain)) < len(plain):
        raise ViewDistillError(f"a prior is given twice: {', '.join(map(str, priors))}")
    short = [prior.name.replace(":", "_") for prior in priors]
    return short if len(set(short)) == len(short) else plain


def square_over_white(path: Path) -> Float[Tensor, "3 side side"]:
    """Read an image file over white, padded to a square.

    Raises:
        ViewDistillError: The file cannot be read.
    """
    picture = read_over_white(path)
    height, width = picture.shape[1:]
    side = max(height, width)
    left, top = (side - width) // 2, (side - height) // 2
    return F.pad(picture, (left, side - width - left, top, side - height - top), value=1.0)


def clean_images(source: list[Tensor] | int, size: int) -> Float[Tensor, "images 3 size size"]:
    """Return square pictures in the size of a prior, or renders of test objects over white."""
    if isinstance(source, int):
        front, seeds = poses([0.0], [20.0]), TEST_SEEDS[:source]
        rgba = np.concatenate([render(generate(s), front, FOVY_ZERO123, size, 4).rgba for s in seeds])
        return over_white(to_tensor(rgba))
    return torch.cat([resize(picture[None], size) for picture in source]).clamp(0, 1)
