"""`viewdistill bias`: does the unconditional branch of a prior pull clean images off themselves?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from viewdistill.errors import ViewDistillError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

EPILOG = """\
examples:
  viewdistill bias --prior priors/nano/zero123 priors/nano/stable-diffusion
  viewdistill bias --prior priors/nano/stable-diffusion --image mario.png --out runs/mario

Clean images are noised to t, and the branch says what the noise was: norm is the root mean square of the mean of
(its noise - the noise) over the draws, floor what so few draws leave in it of an unbiased branch, common the part that
all images share. Recovered are the images that the branch alone makes of z_t, in one step and by DDIM (PSNR against
the clean ones). Several priors meet the same images and the same noise. Of objects, those that no prior was trained on
are shown, each from its front."""

BIAS_FILE = "bias.json"
"""Name of the file with all figures."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    from commands.stages.configuration import REPOSITORY

    parser.add_argument(
        "--prior",
        type=Path,
        nargs="+",
        default=[REPOSITORY / "priors" / "nano" / name for name in ("zero123", "stable-diffusion")],
        metavar="PRIOR",
        help="folders of priors or names on the hub (default: both of priors/nano)",
    )
    parser.add_argument(
        "--kind", choices=("view", "text"), help="what the priors are conditioned on (default: by what a folder holds)"
    )
    parser.add_argument(
        "--image", type=Path, nargs="+", metavar="IMG", help="clean images, squared over white (default: test objects)"
    )
    parser.add_argument(
        "--objects", type=int, default=16, metavar="N", help="test objects without --image (default 16)"
    )
    parser.add_argument(
        "--timesteps",
        type=int,
        nargs="+",
        default=[50, 100, 200, 300, 500, 700],
        metavar="T",
        help="noise levels (default 50 100 200 300 500 700)",
    )
    parser.add_argument("--draws", type=int, default=16, metavar="N", help="noise draws an image (default 16)")
    parser.add_argument("--steps", type=int, default=50, metavar="N", help="DDIM steps from pure noise (default 50)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise (default 0)")
    parser.add_argument("--out", type=Path, default=Path("runs/bias"), metavar="DIR", help="folder to write to")


def run(arguments: argparse.Namespace) -> None:
    """Measure, print a table, and write ``bias.json``, ``bias.md`` and the pictures of each prior.

    Raises:
        ViewDistillError: A prior or an image cannot be read, or a number makes no sense.
    """
    check_options(arguments)

    from rich.console import Console

    from commands.evaluation.bias_figures import load_branch, measure
    from commands.evaluation.bias_pictures import maps_sheet, markdown, recovered_sheet, rich_table, save_sheet
    from datamodules.run_folder import atomic_path, write_json

    names = prior_names(arguments.prior)
    pictures = [square_over_white(path) for path in arguments.image or ()]
    found = []
    for name, prior in zip(names, arguments.prior, strict=True):
        branch = load_branch(name, prior, arguments.kind)
        images = clean_images(pictures or arguments.objects, branch.image_size)
        measured = measure(branch, images, arguments.timesteps, arguments.draws, arguments.steps, arguments.seed)
        save_sheet(arguments.out / f"{name}_maps.png", maps_sheet(measured, images))
        save_sheet(arguments.out / f"{name}_recovered.png", recovered_sheet(measured, images))
        found.append(measured.content)
    content = {
        "format": 1,
        "images": [str(path) for path in arguments.image] if arguments.image else f"{arguments.objects} test objects",
        "draws": arguments.draws,
        "ddim_steps": arguments.steps,
        "seed": arguments.seed,
        "priors": found,
    }
    with atomic_path(arguments.out / "bias.md") as partial:
        partial.write_text(markdown(found), encoding="utf-8")
    write_json(arguments.out / BIAS_FILE, content)
    Console().print(rich_table(found))
    print(f"wrote {arguments.out}/{BIAS_FILE}, bias.md and two pictures a prior")


def check_options(arguments: argparse.Namespace) -> None:
    """Refuse numbers that make no sense.

    Raises:
        ViewDistillError: They do not.
    """
    if arguments.draws < 2:
        raise ViewDistillError("--draws must be at least 2: the spread between draws gives the floor")
    if min(arguments.objects, arguments.steps) < 1 or arguments.steps > 1000 or arguments.seed < 0:
        raise ViewDistillError("--objects and --steps (to 1000) must be at least 1, --seed at least 0")
    if any(not 0 <= t < 1000 for t in arguments.timesteps):
        raise ViewDistillError("--timesteps must be from 0 to 999")


def prior_names(priors: list[Path]) -> list[str]:
    """A name for files and tables a prior: the last part of its folder, or all of it where several share that.

    Raises:
        ViewDistillError: A prior is given twice.
    """
    plain = [str(prior).strip("/").replace("/", "_").replace(":", "_") for prior in priors]
    if len(set(plain)) < len(plain):
        raise ViewDistillError(f"a prior is given twice: {', '.join(map(str, priors))}")
    short = [prior.name.replace(":", "_") for prior in priors]
    return short if len(set(short)) == len(short) else plain


def square_over_white(path: Path) -> Float[Tensor, "3 side side"]:
    """An image file over white, widened to a square.

    Raises:
        ViewDistillError: It cannot be read.
    """
    import torch
    from torch.nn import functional as F

    from viewdistill.input_image import read_image, to_rgba
    from viewdistill.metrics.images import over_white

    picture = over_white(torch.from_numpy(to_rgba(read_image(path))).permute(2, 0, 1)[None].float() / 255)[0]
    height, width = picture.shape[1:]
    side = max(height, width)
    left, top = (side - width) // 2, (side - height) // 2
    return F.pad(picture, (left, side - width - left, top, side - height - top), value=1.0)


def clean_images(source: list[Tensor] | int, size: int) -> Float[Tensor, "images 3 size size"]:
    """Square pictures in the size of a prior, or renders of so many test objects over white."""
    import torch
    from torch.nn import functional as F

    from viewdistill.cameras import FOVY_ZERO123
    from viewdistill.metrics.images import over_white
    from viewdistill.objects.generator import TEST_SEEDS, generate
    from viewdistill.objects.render import poses, render

    if isinstance(source, int):
        front, seeds = poses([0.0], [20.0]), TEST_SEEDS[:source]
        rgba = torch.cat([torch.from_numpy(render(generate(s), front, FOVY_ZERO123, size, 4).rgba) for s in seeds])
        return over_white(rgba.permute(0, 3, 1, 2).float() / 255)
    return torch.cat(
        [F.interpolate(p[None], (size, size), mode="bilinear", antialias=True, align_corners=False) for p in source]
    ).clamp(0, 1)
