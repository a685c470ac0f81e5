"""Effect of each guidance on the truth: its mean gradient at the true latents of a novel view, by t.

python -m experiments.measurements.pull           # runs/pull/pull.csv, pull.png; a minute

A field with the true views stays there only if the mean of g over noise is zero at them. It never is: g is a difference
of two predictions, each with its own error. Common errors cancel, so a guidance benefits from correlated errors of its
two branches; their correlation is reported as well.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from commands import options
from commands.arguments import add_option, add_out_argument
from commands.evaluation.evaluate_prior import Pairs, render_pairs
from commands.parsing import OneLineParser
from datamodules.runs.run_folder import atomic_path, make_folder
from experiments.reporting.rows import write_rows
from experiments.script import parse_request, run_script, script_parser
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.guidance.bias import BIAS_TIMESTEPS, empty_text_predictor
from viewdistill.guidance.family import METHODS
from viewdistill.objects.generator import TEST_SEEDS

COMPARED = ("usd", "csd", "sds-rectified", "sds")
"""Methods that have Zero-1-to-3's conditional branch."""


@dataclass(frozen=True)
class Pull:
    """One method at one t."""

    method: str
    timestep: int
    pull: float
    """Root mean square over views and pixels of the mean of g / (w s) over noise draws."""
    noise_floor: float
    """Its value expected from the finite number of draws alone."""
    correlation: float
    """Of the errors of the two branches."""


@torch.no_grad()
def measure(
    view: ViewConditionedPrior, text: TextConditionedPrior, pairs: Pairs, scale: float, draws: int, batch: int = 16
) -> list[Pull]:
    """The pull of every method.

    Args:
        view: Zero-1-to-3.
        text: Stable Diffusion.
        pairs: Input views, and the novel views that are the truth.
        scale: s of all methods.
        draws: Noise draws per view.
        batch: Views at once.
    """
    empty_text = empty_text_predictor(text)
    latents = view.encode_images(pairs.targets)
    pulls: list[Pull] = []
    for timestep in BIAS_TIMESTEPS:
        generator = torch.Generator().manual_seed(timestep)
        errors: dict[str, list[Tensor]] = {"conditional": [], "view": [], "text": []}
        for start in range(0, len(latents), batch):
            rows = slice(start, start + batch)
            condition = view.condition(pairs.inputs[rows], pairs.elevation[rows])
            clean, pose = latents[rows], pairs.relative_pose[rows]
            t = torch.full((len(clean),), timestep)
            of_draws: dict[str, list[Tensor]] = {name: [] for name in errors}
            for _ in range(draws):
                noise = torch.randn(clean.shape, generator=generator)
                noisy = view.schedule.add_noise(clean, noise, t)
                conditional, unconditional = view.predict_noise_pair(noisy, t, condition, pose)
                of_draws["conditional"].append(conditional - noise)
                of_draws["view"].append(unconditional - noise)
                of_draws["text"].append(empty_text(noisy, t) - noise)
            for name, found in of_draws.items():
                errors[name].append(torch.stack(found))
        of_branch = {name: torch.cat(found, 1) for name, found in errors.items()}
        pulls += [pull_of(method, timestep, of_branch, scale) for method in COMPARED]
    return pulls


def pull_of(method: str, timestep: int, errors: dict[str, Tensor], scale: float) -> Pull:
    """One method's pull.

    Args:
        method: Its name.
        timestep: t.
        errors: ε_c − ε of Zero-1-to-3, and ε_u − ε of both unconditional branches, each [draws, views, c, h, w].
        scale: s.
    """
    member = METHODS[method]
    conditional, unconditional = errors["conditional"], errors[member.unconditional]
    # In g = λ (ε_u − ε) + s (ε_c − ε_u) the noise cancels: only errors are left.
    g = (member.noise_weight * unconditional + scale * (conditional - unconditional)) / scale
    draws = len(g)
    return Pull(
        method,
        timestep,
        pull=round(float(g.mean(0).square().mean().sqrt()), 5),
        noise_floor=round(float((g.var(0).mean() / draws).sqrt()), 5),
        correlation=round(
            float(torch.corrcoef(torch.stack([conditional.flatten(), unconditional.flatten()]))[0, 1]), 4
        ),
    )


def plot(pulls: list[Pull]) -> Figure:
    """Pull by t, and the correlation of the branches' errors."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    for method in COMPARED:
        line = [pull for pull in pulls if pull.method == method]
        left.plot([p.timestep for p in line], [p.pull for p in line], marker=".", label=method)
    for method, label in (("usd", "with Stable Diffusion's ∅"), ("csd", "with its own ∅")):
        line = [pull for pull in pulls if pull.method == method]
        right.plot([p.timestep for p in line], [p.correlation for p in line], marker=".", label=label)
    left.set(xlabel="t", ylabel="pull at the truth, g / (w s)")
    right.set(xlabel="t", ylabel="correlation of errors")
    for axes in (left, right):
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=8)
    return figure


@dataclass(frozen=True)
class Request:
    """Options of this script."""

    out: Path = Path("runs/pull")
    """Folder to write to."""
    priors: Path = Path("priors/nano")
    """Folder of both priors."""
    objects: int = 24
    """Test objects."""
    scale: float = 3.0
    """Guidance scale s of all methods."""
    draws: int = 8
    """Noise draws per view; two are needed for their spread."""


def build_parser() -> OneLineParser:
    """Build the parser of the options."""
    parser = script_parser("measurements.pull", __doc__)
    add_out_argument(parser, Request.out)
    add_option(parser, "--priors", options.existing_folder, Request.priors, "DIR", "folder of both priors")
    add_option(parser, "--objects", options.Integer(1, 10_000), Request.objects, "N", "test objects")
    parser.add_argument(
        "--scale",
        type=options.Number(0.0, 1000.0, above=True),
        default=Request.scale,
        metavar="S",
        help="guidance scale (default %(default)g)",
    )
    add_option(parser, "--draws", options.Integer(2, 10_000), Request.draws, "N", "noise draws per view")
    return parser


def run(request: Request) -> None:
    """Measure, draw and print.

    Raises:
        ViewDistillError: A prior cannot be read.
    """
    view = ViewConditionedPrior.from_folder(request.priors / "zero123")
    text = TextConditionedPrior.from_folder(request.priors / "stable-diffusion")
    pairs = render_pairs(TEST_SEEDS[: request.objects], 2, view.image_size)
    pulls = measure(view, text, pairs, request.scale, request.draws)
    folder = make_folder(request.out)
    write_rows(pulls, folder / "pull.csv")
    with atomic_path(folder / "pull.png") as partial:
        plot(pulls).savefig(partial, dpi=110, format="png")
    for pull in pulls:
        print(f"t {pull.timestep:3d}  {pull.method:14} pull {pull.pull:.3f}  correlation {pull.correlation:.3f}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the experiment; returns the exit status."""
    return run_script("pull", lambda: run(parse_request(build_parser(), Request, argv)))


if __name__ == "__main__":
    sys.exit(main())
