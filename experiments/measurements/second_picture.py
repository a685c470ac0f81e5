"""Gain from a second picture of the object, and its error of scale.

`python -m experiments.measurements.second_picture` renders held-out objects from two sides with the standard camera. It
compares the lifting's mean views with one picture and with both, from eight cameras around the object, and the size of
the object in the second picture when each picture is framed alone. It prints a table and writes it to
``experiments/results/second_picture.md``.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from commands import options
from commands.arguments import add_option
from commands.parsing import OneLineParser
from experiments.script import parse_request, run_script, script_parser
from viewdistill.cameras import DISTANCE, FOVY_ZERO123, relative_pose
from viewdistill.diffusion.lifted_object import LiftedObject
from viewdistill.diffusion.priors import ViewConditionedPrior
from viewdistill.errors import ViewDistillError
from viewdistill.files import write_text
from viewdistill.input.regions import longer_side
from viewdistill.metrics.images import psnr
from viewdistill.objects.generator import ProceduralObject, generate
from viewdistill.objects.render import poses, render
from viewdistill.pictures import over_white, to_tensor
from viewdistill.references import FurtherReference

FIRST_SEED = 10_000_100
"""First of the objects: test seeds."""

SIDES = (90.0, 180.0)
"""Azimuths of the second picture from the first, degrees."""

ELEVATION, HIGHEST = 20.0, 35.0
"""Elevation of the cameras that are compared, and the highest of the pictures, degrees."""

SHARP = 192
"""Pixels a side of the pictures whose objects are measured."""


@dataclass(frozen=True)
class ComparedObject:
    """One object, with the second picture at one azimuth."""

    side: float
    """Azimuth of the second picture, degrees."""
    gain: float
    """PSNR of the mean views with both pictures, less that with the first alone, dB."""
    far_gain: float
    """The same of the views more than 90 degrees from the first."""
    scale_error: float
    """Ratio of the object's sizes in the two pictures of one camera distance, larger by smaller, less 1."""


def picture(scene: ProceduralObject, azimuth: float, elevation: float, size: int) -> Float[Tensor, "1 3 side side"]:
    """Render a view over white."""
    return over_white(to_tensor(rgba(scene, azimuth, elevation, size))[None])


def rgba(scene: ProceduralObject, azimuth: float, elevation: float, size: int) -> np.ndarray:
    """Render a view with the standard camera."""
    return render(scene, poses([azimuth], [elevation], DISTANCE), FOVY_ZERO123, size, 4).rgba[0]


def measure(prior: ViewConditionedPrior, seed: int, side: float, elevation: float) -> ComparedObject:
    """Compare one picture with two.

    Raises:
        ViewDistillError: The prior has no lifting.
    """
    scene, around = generate(seed), torch.arange(8) * 45.0
    first, second = (picture(scene, azimuth, elevation, prior.image_size) for azimuth in (0.0, side))
    far = (around > 90) & (around < 270)
    truth = torch.cat([picture(scene, float(a), ELEVATION, prior.image_size) for a in around])
    ones = torch.ones(len(around))
    pose = relative_pose(
        0 * ones, elevation * ones, DISTANCE * ones, around, ELEVATION * ones, DISTANCE * ones
    )  # fmt: skip
    scores = []
    for further in ((), (FurtherReference(second, side, elevation),)):
        lifted = LiftedObject.of(prior, prior.condition(first, elevation, further), DISTANCE, FOVY_ZERO123)
        if lifted is None:
            raise ViewDistillError("the view-conditioned prior has no lifting, so that only the first picture counts")
        scores.append(psnr(lifted.views(pose)[0], truth))
    gain = scores[1] - scores[0]
    sizes = sorted(longer_side(rgba(scene, azimuth, elevation, SHARP)) for azimuth in (0.0, side))
    return ComparedObject(side, float(gain.mean()), float(gain[far].mean()), sizes[1] / sizes[0] - 1)


def table(cases: Sequence[ComparedObject]) -> str:
    """Tabulate the means by the second picture's side; of the error of scale the median."""
    lines = [
        "| second picture at | objects | mean views, dB | those of the far side, dB | error of scale, median |",
        "|---|---:|---:|---:|---:|",
    ]
    for side in SIDES:
        own = [case for case in cases if case.side == side]
        gains = (np.mean([case.gain for case in own]), np.mean([case.far_gain for case in own]))
        scale = np.median([case.scale_error for case in own])
        lines.append(f"| {side:g}° | {len(own)} | {gains[0]:+.2f} | {gains[1]:+.2f} | {scale:.0%} |")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Request:
    """Options of this script."""

    prior: Path = Path("priors/nano/zero123")
    """View-conditioned prior."""
    count: int = 30
    """Objects."""
    out: Path = Path("experiments/results/second_picture.md")
    """Table to write."""


def build_parser() -> OneLineParser:
    """Build the parser of the options."""
    parser = script_parser("measurements.second_picture", __doc__)
    add_option(parser, "--prior", options.existing_folder, Request.prior, "DIR", "view-conditioned prior")
    add_option(parser, "--count", options.COUNT, Request.count, "N", "objects")
    add_option(parser, "--out", options.output_file, Request.out, "MD", "table to write")
    return parser


def run(request: Request) -> None:
    """Measure, print, and write the table.

    Raises:
        ViewDistillError: The prior cannot be read, or has no lifting.
    """
    prior, rng = ViewConditionedPrior.from_folder(request.prior), np.random.default_rng(0)
    cases: list[ComparedObject] = []
    for seed in range(FIRST_SEED, FIRST_SEED + request.count):
        elevation = float(rng.uniform(0, HIGHEST))
        cases += [measure(prior, seed, side, elevation) for side in SIDES]
    text = table(cases)
    print(text)
    write_text(request.out, text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    return run_script("second_picture", lambda: run(parse_request(build_parser(), Request, argv)))


if __name__ == "__main__":
    sys.exit(main())
