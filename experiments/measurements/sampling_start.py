"""Starts of novel-view sampling, and their effect on error, detail and agreement.

    python -m experiments.measurements.sampling_start  # runs/sampling_start/sampling_start.csv, .png; minutes an object
    python -m experiments.measurements.sampling_start --solvers  # solvers and numbers of steps instead of starts

A perfect draw from a posterior has twice the squared error of the posterior's mean, and two draws differ by as much. A
start from the lifted mean at a middle noise level trades detail for both. Measured on test objects, with all
views at the input's elevation around the object:

- PSNR to the truth, over white;
- sharpness: mean length of the image gradient, relative to the truth's (1 is as sharp, 0 is flat);
- agreement: PSNR between neighbouring views over their common surface, reprojected by the true shape. The truth itself
  has a finite one, because of its pixels and its light.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from commands.parsing import one_line
from datamodules.posed_views import ViewCamera
from datamodules.runs.run_folder import make_folder
from datamodules.seeding import Purpose, image_noise
from experiments.reporting.rows import write_rows
from lightning_modules.loaded_priors import load_text_prior, load_view_prior
from viewdistill.cameras import FOVY_ZERO123
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.diffusion.samplers import Sampling
from viewdistill.errors import ViewDistillError
from viewdistill.guidance.rectified import NovelViewSampling, lifted_mean, sample_novel_views
from viewdistill.mesh.contact_sheet import grid
from viewdistill.metrics.geometry import TriangleMesh
from viewdistill.metrics.images import psnr
from viewdistill.metrics.reprojection import reprojection_psnr
from viewdistill.objects.generator import TEST_SEEDS, generate
from viewdistill.objects.render import render
from viewdistill.pictures import over_white, to_pictures, to_tensor, write_picture

START_TIMESTEPS = (None, 800, 600, 400, 250)
"""Noise levels on the lifted mean; none is the start from pure noise."""

SOLVERS = (
    Sampling(),
    *(
        Sampling(scheduler=scheduler, steps=steps, spacing=spacing)
        for scheduler in ("DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "DDIMScheduler")
        for steps in (10, 15, 20)
        for spacing in ("leading", "trailing")
        if scheduler != "DDIMScheduler" or spacing == "leading"
    ),
)
"""Solvers and steps to compare, the shipped ones first."""


class Subject(NamedTuple):
    """One object, its input view and the target views."""

    image: Float[Tensor, "1 3 size size"]
    """The input view over white."""
    elevation: float
    """Of the input camera, degrees."""
    cameras: list[ViewCamera]
    """Of the other views."""
    relative_pose: Float[Tensor, "views 4"]
    """T of them."""
    truth: Float[Tensor, "views 3 size size"]
    """Over white."""
    shape: TriangleMesh
    """Surface of the object."""


@dataclass(frozen=True)
class ArmMeans:
    """Means over all views of all objects."""

    arm: str
    """Name of the arm."""
    psnr: float
    """To the truth, dB."""
    sharpness: float
    """Mean length of the image gradient, relative to the truth's."""
    agreement: float
    """Between neighbouring views, dB."""
    seconds: float
    """Per view, of all processor cores together."""


def subject_of(seed: int, views: int, size: int, elevation: float = 20.0) -> Subject:
    """The object of a seed, seen from ``views`` cameras besides the input's, at equal steps of azimuth."""
    obj = generate(seed)
    known = ViewCamera(0.0, elevation)
    cameras = [ViewCamera(360 / (views + 1) * index, elevation) for index in range(1, views + 1)]
    c2w = torch.stack([camera.c2w for camera in (known, *cameras)])
    rgb = over_white(to_tensor(render(obj, c2w.double().numpy(), FOVY_ZERO123, size).rgba))
    poses = torch.stack([camera.pose_from(known) for camera in cameras])
    return Subject(rgb[:1], elevation, cameras, poses, rgb[1:], TriangleMesh(obj.vertices, obj.faces))


def start_arms(starts: Sequence[int | None], scales: Sequence[float]) -> dict[str, NovelViewSampling]:
    """Every start at every scale, and shared noise beside the two ends."""
    found: dict[str, NovelViewSampling] = {}
    for timestep in starts:
        for scale in scales:
            if timestep is None:
                found[f"pure noise, s {scale:g}"] = NovelViewSampling(guidance_scale=scale)
            else:
                found[f"mean at {timestep}, s {scale:g}"] = NovelViewSampling(
                    guidance_scale=scale, start="lifted_mean", start_timestep=timestep
                )
    found["pure noise, s 3, shared"] = NovelViewSampling(guidance_scale=3.0, shared_noise=1.0)
    found["mean at 600, s 3, shared"] = NovelViewSampling(
        guidance_scale=3.0, start="lifted_mean", start_timestep=600, shared_noise=1.0
    )
    return found


def solver_arms() -> dict[str, NovelViewSampling]:
    """Every solver, from pure noise at the shipped scale."""
    return {
        f"{solver.scheduler.removesuffix('Scheduler')} {solver.steps}, {solver.spacing}": NovelViewSampling(
            guidance_scale=3.0, scheduler=solver.scheduler, steps=solver.steps, spacing=solver.spacing
        )
        for solver in SOLVERS
    }


@torch.no_grad()
def sampled(
    view: ViewConditionedPrior,
    text: TextConditionedPrior,
    subjects: Sequence[Subject],
    sampling: NovelViewSampling | None,
) -> list[Float[Tensor, "views 3 size size"]]:
    """Views of all objects at once, from the noise that every arm has.

    Args:
        view: Zero-1-to-3.
        text: Stable Diffusion.
        subjects: The objects, each with as many views.
        sampling: Of the views; none for the mean views, which the lifting alone shows.
    """
    views = len(subjects[0].cameras)
    condition = view.condition(
        torch.cat([subject.image for subject in subjects]).repeat_interleave(views, 0),
        torch.tensor([subject.elevation for subject in subjects]).repeat_interleave(views),
    )
    poses = torch.cat([subject.relative_pose for subject in subjects])
    if sampling is None:
        return list(view.decode_latents(lifted_mean(view, condition, poses)).split(views))
    noise = image_noise(0, range(views), view.latent_shape).repeat(len(subjects), 1, 1, 1)
    common = image_noise(0, [0], view.latent_shape, purpose=Purpose.COMMON_NOISE)
    return list(sample_novel_views(view, text, condition, poses, noise, sampling, common).split(views))


def measure(
    name: str, subjects: Sequence[Subject], views: Sequence[Float[Tensor, "views 3 size size"]], seconds: float
) -> ArmMeans:
    """The figures of one arm.

    Args:
        name: Of the arm.
        subjects: The objects.
        views: Of each.
        seconds: Processor time of sampling, over all of them.
    """
    truth, found = torch.cat([subject.truth for subject in subjects]), torch.cat(list(views))
    agreement = [
        value
        for subject, own in zip(subjects, views, strict=True)
        for value in reprojection_psnr(
            own,
            torch.stack([camera.c2w for camera in subject.cameras]),
            [camera.fovy_deg for camera in subject.cameras],
            subject.shape,
        )
    ]
    return ArmMeans(
        name,
        psnr=round(float(psnr(found, truth).mean()), 2),
        sharpness=round(gradient_length(found) / gradient_length(truth), 3),
        agreement=round(sum(agreement) / max(len(agreement), 1), 2),
        seconds=round(seconds / len(found), 3),
    )


def gradient_length(images: Float[Tensor, "views 3 size size"]) -> float:
    """Mean length of the gradient of all channels and pixels."""
    across, down = images.diff(dim=3)[..., :-1, :], images.diff(dim=2)[..., :-1]
    return float((across.square() + down.square()).sqrt().mean())


def main() -> None:
    """Command line of this experiment."""
    parser = argparse.ArgumentParser(prog="python -m experiments.measurements.sampling_start", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--out", type=Path, default=Path("runs/sampling_start"), metavar="DIR", help="folder to write to"
    )
    parser.add_argument("--priors", type=Path, default=Path("priors/nano"), metavar="DIR", help="folder of both priors")
    parser.add_argument("--objects", type=int, default=8, metavar="N", help="test objects (default 8)")
    parser.add_argument("--views", type=int, default=5, metavar="N", help="views of each (default 5)")
    parser.add_argument(
        "--scales", type=float, nargs="+", default=[1.0, 2.0, 3.0], metavar="S", help="guidance scales (default 1 2 3)"
    )
    parser.add_argument("--solvers", action="store_true", help="compare solvers and steps instead of starts")
    arguments = parser.parse_args()
    try:
        if min(arguments.objects, arguments.views) < 1:
            raise ViewDistillError("--objects and --views must be at least 1")
        compared = solver_arms() if arguments.solvers else start_arms(START_TIMESTEPS, arguments.scales)
        name = "solvers" if arguments.solvers else "sampling_start"
        study(compared, arguments.priors, arguments.out / name, arguments.objects, arguments.views)
    except ViewDistillError as error:
        print(f"sampling_start: {one_line(str(error))}", file=sys.stderr)
        sys.exit(2)


def study(arms: dict[str, NovelViewSampling], priors: Path, out: Path, objects: int, views: int) -> list[ArmMeans]:
    """Sample, measure, print and write.

    Args:
        arms: Arms to compare.
        priors: Folder of both priors.
        out: Table and picture, without their suffixes.
        objects: Number of test objects.
        views: Of each, besides the input view.

    Raises:
        ViewDistillError: A prior is missing or damaged, or has no lifting.
    """
    view = load_view_prior(str(priors / "zero123"), "fp32", torch.device("cpu"))
    text = load_text_prior(str(priors / "stable-diffusion"), "fp32", torch.device("cpu"))
    subjects = [subject_of(seed, views, view.image_size) for seed in TEST_SEEDS[:objects]]
    known = {
        "truth": [subject.truth for subject in subjects],
        "lifted mean": sampled(view, text, subjects, None),
    }
    rows = [measure(name, subjects, found, 0.0) for name, found in known.items()]
    pictures = {name: found[0] for name, found in known.items()}
    for name, sampling in arms.items():
        start = time.process_time()
        found = sampled(view, text, subjects, sampling)
        rows.append(measure(name, subjects, found, time.process_time() - start))
        pictures[name] = found[0]
        print(rows[-1], flush=True)
    make_folder(out.parent)
    write_rows(rows, out.with_suffix(".csv"))
    write_picture(out.with_suffix(".png"), sheet(pictures))
    return rows


def sheet(pictures: dict[str, Float[Tensor, "views 3 size size"]]) -> np.ndarray:
    """One row of views an arm, of the first object."""
    return grid([to_pictures(images) for images in pictures.values()], list(pictures))


if __name__ == "__main__":
    main()
