"""The model card of the embedded priors: every figure in it is measured here, on objects no prior was trained on.

python -m experiments.prior_card              # writes priors/nano/README.md, figures.json and the pictures
python -m experiments.prior_card --text-only  # nano-SD alone has changed: its part again, in minutes
"""

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib import pyplot as plt
from PIL import Image
from torch import Tensor

from commands import options
from commands.evaluation.evaluate_prior import Pairs, render_pairs, sample
from commands.parsing import OneLineParser
from datamodules.objects.object_sets import HELD_OUT_FAMILY_SEEDS, HELD_OUT_SEEDS
from experiments.prior_card_data import pair_head, text_card, view_card
from experiments.script import parse_request, run_script, script_parser
from lightning_modules.priors.trained_prior import TRAINING_FILE
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.documents import read_json, read_text
from viewdistill.files import write_json, write_text
from viewdistill.guidance.bias import BIAS_TIMESTEPS, empty_text_predictor, noise_bias, recover_one_step
from viewdistill.mesh.contact_sheet import grid
from viewdistill.metrics.images import psnr, ssim
from viewdistill.pictures import write_picture
from viewdistill.precision import dtype_of

matplotlib.use("Agg")

SCALES = (1.0, 2.0, 3.0, 4.0)
"""Guidance scales that are compared; the best one counts."""


@dataclass(frozen=True)
class ViewScore:
    """Mean over views of one set of predictions."""

    psnr: float
    ssim: float


def score(images: Tensor, targets: Tensor) -> ViewScore:
    """PSNR and SSIM over white, all pixels."""
    return ViewScore(round(float(psnr(images, targets).mean()), 3), round(float(ssim(images, targets).mean()), 4))


def novel_views(prior: ViewConditionedPrior, pairs: Pairs, steps: int) -> tuple[dict[str, ViewScore], Tensor]:
    """Scores of "copy input" and of each guidance scale, and the samples at the best one."""
    scores = {"copy input": score(pairs.inputs, pairs.targets)}
    samples: dict[str, Tensor] = {}
    for scale in SCALES:
        name = f"guidance {scale:g}"
        samples[name] = sample(prior, pairs, scale, steps)
        scores[name] = score(samples[name], pairs.targets)
    best = max(samples, key=lambda name: scores[name].psnr)
    return scores, samples[best]


def reconstruction_psnr(prior: ViewConditionedPrior, images: Tensor) -> float:
    """PSNR of the autoencoder on held-out views, mean over images, dB."""
    with torch.no_grad():
        decoded = prior.decode_latents(prior.encode_images(images))
    return round(float(psnr(decoded, images).mean()), 3)


def unconditional_bias(
    view: ViewConditionedPrior, text: TextConditionedPrior, images: Tensor
) -> dict[str, list[dict[str, float]]]:
    """Bias norms by t of both unconditional branches on the same clean images and noise, and what each recovers."""
    branches = {"zero123": view.predict_noise_unconditional, "stable-diffusion": empty_text_predictor(text)}
    latents = view.encode_images(images)
    result: dict[str, list[dict[str, float]]] = {}
    for name, branch in branches.items():
        generator = torch.Generator().manual_seed(0)
        rows: list[dict[str, float]] = []
        for bias in noise_bias(branch, view.schedule, latents, BIAS_TIMESTEPS, draws=8, generator=generator):
            noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
            recovered = recover_one_step(branch, view.schedule, latents, bias.timestep, noise)
            rows.append(
                {
                    "timestep": bias.timestep,
                    "norm": round(bias.norm, 5),
                    "noise_floor": round(bias.noise_floor, 5),
                    "mean_norm": round(bias.mean_norm, 5),
                    "recovered_psnr": round(float(psnr(view.decode_latents(recovered), images).mean()), 3),
                }
            )
        result[name] = rows
    return result


def learning_curve(shipped: Path, cache: Path) -> list[dict[str, float]]:
    """Validation scores of the view-conditioned prior against samples seen.

    Args:
        shipped: The curve of the trainings that the shipped weights had behind them; may be missing.
        cache: Folder of the trainings, whose CSV logs hold what came after.
    """
    rows: dict[int, dict[str, float]] = {}
    if shipped.is_file():
        for row in csv.DictReader(shipped.read_text().splitlines()):
            numbers = {name: float(value) for name, value in row.items()}
            rows[int(numbers["samples"])] = numbers
    for path in sorted(cache.glob("view_synthesis/version_*/metrics.csv")):
        for row in csv.DictReader(path.read_text().splitlines()):
            if row.get("val/psnr"):
                samples = int(float(row["val/samples"]))
                rows[samples] = {
                    "samples": samples,
                    "psnr": float(row["val/psnr"]),
                    "psnr_copy_input": float(row["val/psnr_copy_input"]),
                    "loss": float(row["val/loss"]),
                }
    return [rows[samples] for samples in sorted(rows)]


def draw_learning_curve(rows: list[dict[str, float]], path: Path) -> None:
    """PSNR against samples, beside the "copy input" line."""
    figure, axes = plt.subplots(figsize=(6, 3.2))
    thousands = [row["samples"] / 1000 for row in rows]
    axes.plot(thousands, [row["psnr"] for row in rows], marker=".", label="samples (DDIM-20, guidance 2)")
    axes.plot(thousands, [row["psnr_copy_input"] for row in rows], linestyle="--", label="copy the input view")
    axes.set(xlabel="training samples, thousands", ylabel="novel-view PSNR, dB", title="nano-Zero123, held-out objects")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def novel_view_sheet(pairs: Pairs, predictions: Tensor, targets: int, columns: int = 12) -> Image.Image:
    """Rows of inputs, targets and predictions; one column an object."""
    rows = [images[::targets][:columns] for images in (pairs.inputs, pairs.targets, predictions)]
    enlarged = [torch.nn.functional.interpolate(row, scale_factor=1.5, mode="bicubic").clamp(0, 1) for row in rows]
    cells = [[image.permute(1, 2, 0).numpy() for image in row] for row in enlarged]
    return Image.fromarray(grid(cells, row_labels=("input", "target", "prediction")))


CARD = Path(__file__).with_suffix(".md")
"""Text of the model card, with places for figures."""

GATE = 2.0
"""dB above "copy the input view" that a usable prior must reach."""


def card(figures: dict[str, Any], trainings: dict[str, dict[str, int]], megabytes: float) -> str:
    """The model card, from what was measured."""
    new, families = figures["new_objects"], figures["new_families"]
    rows = [
        f"| {name} | {new[name]['psnr']:.2f} | {new[name]['ssim']:.3f} "
        f"| {families[name]['psnr']:.2f} | {families[name]['ssim']:.3f} |"
        for name in new
        if name != "autoencoder_psnr"
    ]
    margin = max(new[name]["psnr"] for name in new if name.startswith("guidance")) - new["copy input"]["psnr"]
    pairs = list(zip(figures["bias"]["zero123"], figures["bias"]["stable-diffusion"], strict=True))
    keys = ("norm", "noise_floor", "mean_norm", "recovered_psnr")
    bias = [
        f"| {a['timestep']} | " + " | ".join(f"{row[key]:.3f}" for row in (a, b) for key in keys) + " |"
        for a, b in pairs
    ]
    better = [b["timestep"] for a, b in pairs if b["norm"] < a["norm"]]
    return read_text(CARD).format(
        megabytes=megabytes,
        trainings="\n".join(
            f"| {name} | {t['steps']:,} | {t['samples']:,} | {t['seconds'] / 60:.0f} |" for name, t in trainings.items()
        ),
        objects=figures["objects"],
        targets=figures["targets"],
        ddim_steps=figures["ddim_steps"],
        verdict=f"{'met' if margin >= GATE else 'not met'}, {margin:+.2f} dB",
        scores="\n".join(rows),
        vae_new=new["autoencoder_psnr"],
        vae_families=families["autoencoder_psnr"],
        bias="\n".join(bias),
        better=", ".join(map(str, better)) or "none of these",
    )


def measure_novel_views(
    view: ViewConditionedPrior, picture: Path, objects: int, targets: int, steps: int
) -> dict[str, Any]:
    """Figures of nano-Zero123 and of the autoencoder, and the picture of its novel views."""
    figures: dict[str, Any] = {"objects": objects, "targets": targets, "ddim_steps": steps}
    sheets: list[np.ndarray] = []
    for name, seed in (("new_objects", HELD_OUT_SEEDS), ("new_families", HELD_OUT_FAMILY_SEEDS)):
        pairs = render_pairs(range(seed, seed + objects), targets, view.image_size)
        scores, predictions = novel_views(view, pairs, steps)
        figures[name] = {
            "autoencoder_psnr": reconstruction_psnr(view, pairs.targets),
            **{key: asdict(value) for key, value in scores.items()},
        }
        sheets.append(np.asarray(novel_view_sheet(pairs, predictions, targets)))
        print(name, json.dumps(figures[name]), flush=True)
    width = max(sheet.shape[1] for sheet in sheets)
    padded = [np.pad(s, ((0, 0), (0, width - s.shape[1]), (0, 0)), constant_values=255) for s in sheets]
    write_picture(picture, np.concatenate(padded))
    return figures


@dataclass(frozen=True)
class Request:
    """Options of this script."""

    priors: Path = Path("priors/nano")
    """Folder of both priors, to which figures and pictures are written."""
    cache: Path = Path(".cache/priors")
    """Folder of the trainings, for the curve."""
    objects: int = 48
    """Held-out objects of each kind."""
    targets: int = 3
    """New views per object."""
    steps: int = 50
    """DDIM steps."""
    text_only: bool = False
    """Whether to keep the figures of the view-conditioned prior, and to measure the biases alone."""


def measure(request: Request) -> None:
    """Measure everything and write figures and pictures into the folder of the priors.

    Raises:
        ViewDistillError: A prior cannot be read.
    """
    priors, objects, targets = request.priors, request.objects, request.targets
    dtype = dtype_of("auto", torch.device("cpu"))
    view = ViewConditionedPrior.from_folder(priors / "zero123", dtype=dtype)
    text = TextConditionedPrior.from_folder(priors / "stable-diffusion", dtype=dtype)
    figures: dict[str, Any] = (
        read_json(priors / "figures.json", "measure all of it")
        if request.text_only
        else measure_novel_views(view, priors / "novel_views.png", objects, targets, request.steps)
    )
    clean = render_pairs(range(HELD_OUT_SEEDS, HELD_OUT_SEEDS + objects), targets, view.image_size).targets[:64]
    figures["bias"] = unconditional_bias(view, text, clean)
    print("bias", json.dumps(figures["bias"]), flush=True)
    curve = learning_curve(priors / "learning_curve.csv", request.cache)
    if curve:
        draw_learning_curve(curve, priors / "learning_curve.png")
        with (priors / "learning_curve.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(curve[0]))
            writer.writeheader()
            writer.writerows(curve)
    write_json(priors / "figures.json", figures)
    write_cards(priors, figures)


def write_cards(priors: Path, figures: dict[str, Any]) -> None:
    """Write the cards of the pair and of both priors, from what was measured.

    Raises:
        ViewDistillError: What a prior tells of its training cannot be read.
    """
    folders = {
        "autoencoder": "stable-diffusion/vae",
        "nano-SD": "stable-diffusion",
        "lifting": "zero123/lifting",
        "nano-Zero123": "zero123",
    }
    trainings = {name: read_json(priors / path / TRAINING_FILE) for name, path in folders.items()}
    megabytes = sum(path.stat().st_size for path in priors.rglob("*.safetensors")) / 1e6
    write_text(priors / "README.md", f"---\n{pair_head()}\n---\n\n{card(figures, trainings, megabytes)}")
    write_text(priors / "stable-diffusion" / "README.md", text_card())
    write_text(priors / "zero123" / "README.md", view_card(figures))


def build_parser() -> OneLineParser:
    """Build the parser of the options."""
    parser = script_parser("prior_card", __doc__)
    parser.add_argument(
        "--priors", type=options.existing_folder, default=Request.priors, metavar="DIR", help="folder of the priors"
    )
    parser.add_argument(
        "--cache", type=options.path, default=Request.cache, metavar="DIR", help="folder of the trainings"
    )
    for name, default, most, text in (
        ("--objects", Request.objects, 10_000, "held-out objects of each kind"),
        ("--targets", Request.targets, 64, "new views per object"),
        ("--steps", Request.steps, 1000, "DDIM steps"),
    ):
        parser.add_argument(
            name, type=options.Integer(1, most), default=default, metavar="N", help=f"{text} (default {default})"
        )
    parser.add_argument(
        "--text-only",
        action="store_true",
        help="the text-conditioned prior alone has changed: keep the figures of the other",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the experiment; returns the exit status."""
    return run_script("prior_card", lambda: measure(parse_request(build_parser(), Request, argv)))


if __name__ == "__main__":
    sys.exit(main())
