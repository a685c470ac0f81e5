"""Limits of refinement: the same renders refined by a run's LoRA, and by networks that learned more, or the truth.

    python -m experiments.measurements.refinement_limits runs/robot runs/mug  # runs/refinement_limits/, 10 min/object

The runs are complete ones of generated objects. Their renders are refined at several t by four networks: the run's own
LoRA; one of its rank fitted to the true views from the same cameras, which no pipeline has; and the whole UNet fitted
to the run's sampled views, or to the true ones. If the second gains nothing, a LoRA is too small for the object; if the
fourth gains and the third does not, the sampled views are the problem.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor, nn
from transformers.utils import logging

from commands import options
from commands.arguments import add_option, add_out_argument
from commands.evaluation.truth import same_camera, truth_of_run
from commands.parsing import OneLineParser
from datamodules.dreambooth import PromptedImages
from datamodules.posed_views import ViewCamera, load_views, read_rgba
from datamodules.prompts import Prompts
from datamodules.runs.run_folder import InputMeta, RunFolder, atomic_path, make_folder
from datamodules.seeding import Purpose, generator_at, image_noise
from experiments.reporting.gallery import labels
from experiments.reporting.rows import write_rows
from experiments.script import parse_request, run_script, script_parser
from lightning_modules.specialization import Specialization
from viewdistill.diffusion.refinement import RefinementSettings, refine
from viewdistill.metrics.images import psnr
from viewdistill.pictures import over_white, resize

TIMESTEPS = (25, 50, 100, 200, 400)
"""Noise levels of the refinement."""

GUIDANCE_SCALE = 1.0
"""s of the refinement: none, since guidance away from the empty text costs PSNR whatever was learned."""

LEARNERS = ("the run's LoRA", "LoRA on the truth", "whole UNet on sampled views", "whole UNet on the truth")
"""Networks that refine."""

LORA_RATE, UNET_RATE = 1e-3, 3e-4
"""Learning rates; that of the LoRA is the stages' own."""


@dataclass(frozen=True)
class Refined:
    """Views of one object refined by one network at one t; the input camera is left out."""

    object: str
    learner: str
    """One of `LEARNERS`."""
    timestep: int
    learned_from: float
    """PSNR of the images that the network learned from, dB; infinite for the truth."""
    renders: float
    """PSNR before, dB."""
    refined: float
    """PSNR after, dB."""


@dataclass(frozen=True)
class RunViews:
    """A run's views and the true ones."""

    name: str
    prompt: str
    """ "a [S] [V] {class}"."""
    lora: Path
    renders: Float[Tensor, "views 3 size size"]
    truth: Float[Tensor, "views 3 size size"]
    sampled: Float[Tensor, "samples 3 size size"]
    """DreamBooth's instances: the sampled views, and the input view last."""
    sampled_psnr: float
    """Of the sampled views, dB."""

    @classmethod
    def load(cls, folder: RunFolder, name: str) -> "RunViews":
        """From the files of a complete run.

        Args:
            folder: The run.
            name: What tells it from others.

        Raises:
            ViewDistillError: A stage is missing, or the object is not a generated one.
        """
        renders, samples = load_views(folder.raw_views), load_views(folder.novel_views)
        truth, size = truth_of_run(folder, None), renders.over_white.shape[-1]
        own = ViewCamera.of_input(InputMeta.load(folder.input_meta))
        novel = [i for i, camera in enumerate(renders.cameras) if same_camera(camera, [own]) is None]
        image = resize(over_white(read_rgba(folder.rgba)[None]), size)
        return cls(
            name,
            Prompts.load(folder.prompts("specialize_2")).of_input,
            folder.lora("specialize_2"),
            renders.over_white[novel],
            truth.views([renders.cameras[i] for i in novel], size),
            torch.cat([samples.over_white, image.clamp(0, 1)]),
            float(psnr(samples.over_white, truth.views(samples.cameras, size)).mean()),
        )


def adapted(prior: str, lora: Path | None = None, rank: int = 1) -> Specialization:
    """The prior with a LoRA in it: one from a file, or a new one that changes nothing yet."""
    module = Specialization(prior, rank=rank, initial_lora=None if lora is None else str(lora))
    module.configure_model()
    return module


def train(
    module: Specialization, weights: Sequence[nn.Parameter], rate: float, images: PromptedImages, steps: int
) -> Specialization:
    """Train given weights to denoise the images of a prompt, without any regularisation.

    Args:
        module: Of a prior with a LoRA.
        weights: What learns; all else is frozen.
        rate: Learning rate of AdamW.
        images: What is learned, eight a step.
        steps: How many.

    Returns:
        The module.
    """
    module.prior.unet.requires_grad_(False)
    for weight in weights:
        weight.requires_grad_(True)
    optimizer, known = torch.optim.AdamW(weights, rate), module.encode(images)
    for step in range(steps):
        generator = generator_at(0, step, Purpose.DIFFUSION)
        latents, text = known.draw(torch.randint(len(images), (8,), generator=generator), generator)
        optimizer.zero_grad()
        module.denoising_error(latents, text, generator).mean().backward()
        optimizer.step()
    return module


def networks(subject: RunViews, prior: str, steps: int) -> Iterator[Specialization]:
    """Those of `LEARNERS`, one at a time."""
    size = subject.renders.shape[-1]
    true, sampled = (
        PromptedImages([*images[:, None]], subject.prompt, size) for images in (subject.truth, subject.sampled)
    )
    own = adapted(prior, subject.lora)
    rank = min(own.lora[0].shape)
    yield own
    module = adapted(prior, rank=rank)
    yield train(module, [*module.lora], LORA_RATE, true, steps)
    for images in (sampled, true):
        module = adapted(prior)
        yield train(module, [*module.prior.unet.parameters()], UNET_RATE, images, steps)


def measure(subject: RunViews, prior: str, steps: int, timesteps: Sequence[int] = TIMESTEPS) -> list[Refined]:
    """All networks at all t on one object."""
    before, found = float(psnr(subject.renders, subject.truth).mean()), list[Refined]()
    for learner, module in zip(LEARNERS, networks(subject, prior, steps), strict=True):
        text = module.prior.encode_text([subject.prompt])
        noise = image_noise(0, range(len(subject.renders)), module.prior.latent_shape, subject.renders.device)
        source = float("inf") if learner.endswith("truth") else subject.sampled_psnr
        for t in timesteps:
            settings = RefinementSettings(timestep=t, steps=50, guidance_scale=GUIDANCE_SCALE)
            views = refine(module.prior, subject.renders, text, noise, settings).clamp(0, 1)
            after = float(psnr(views, subject.truth).mean())
            found.append(Refined(subject.name, learner, t, round(source, 2), round(before, 3), round(after, 3)))
    return found


def plot(rows: list[Refined]) -> Figure:
    """Gain by t, a line a network: means over objects, and every object as a dot."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    for learner in LEARNERS:
        own = [row for row in rows if row.learner == learner]
        at = sorted({row.timestep for row in own})
        gains = {t: [row.refined - row.renders for row in own if row.timestep == t] for t in at}
        (line,) = axes.plot(at, [sum(gains[t]) / len(gains[t]) for t in at], marker=".", label=learner)
        for t in at:
            axes.scatter([t] * len(gains[t]), gains[t], 6, color=line.get_color(), alpha=0.4)
    axes.axhline(0, color="grey", linewidth=0.8)
    axes.set(xlabel="t of the added noise", ylabel="PSNR gained over the renders, dB")
    axes.legend(fontsize=8)
    return figure


@dataclass(frozen=True)
class Request:
    """Options of this script."""

    runs: tuple[Path, ...]
    """Folders of complete runs of generated objects."""
    out: Path = Path("runs/refinement_limits")
    """Folder to write to."""
    prior: str = "priors/nano/stable-diffusion"
    """Text-conditioned prior."""
    steps: int = 600
    """Steps of each fit."""


def build_parser() -> OneLineParser:
    """Build the parser of the options."""
    parser = script_parser("measurements.refinement_limits", __doc__)
    parser.add_argument(
        "runs", type=options.run_folder, nargs="+", metavar="RUN", help="complete run of a generated object"
    )
    add_out_argument(parser, Request.out)
    parser.add_argument(
        "--prior", type=options.text, default=Request.prior, metavar="DIR", help="text-conditioned prior"
    )
    add_option(parser, "--steps", options.Integer(1, 1_000_000), Request.steps, "N", "steps of each fit")
    return parser


def run(request: Request) -> None:
    """Measure, draw and print.

    Raises:
        ViewDistillError: A run is not complete, or its object is not a generated one.
    """
    logging.disable_progress_bar()  # of every network that is loaded
    folders = [RunFolder(path) for path in request.runs]
    subjects = [RunViews.load(folder, name) for folder, name in zip(folders, labels(folders), strict=True)]
    rows = [row for subject in subjects for row in measure(subject, request.prior, request.steps)]
    out = make_folder(request.out)
    write_rows(rows, out / "refinement_limits.csv")
    with atomic_path(out / "refinement_limits.png") as partial:
        plot(rows).savefig(partial, dpi=110, format="png")
    for row in rows:
        print(f"{row.object:12} {row.learner:28} t {row.timestep:3}  {row.renders:.2f} -> {row.refined:.2f} dB")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the experiment; returns the exit status."""
    return run_script("refinement_limits", lambda: run(parse_request(build_parser(), Request, argv)))


if __name__ == "__main__":
    sys.exit(main())
