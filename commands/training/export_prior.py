"""`viewdistill export-prior`: write trained checkpoints as prior folders that stock classes load."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from commands import options
from commands.arguments import add_option, add_out_argument
from lightning_modules.priors.prior_export import (
    export_autoencoder,
    export_lifting,
    export_text_to_image,
    export_view_synthesis,
)
from viewdistill.errors import ViewDistillError

EPILOG = """\
Reads .cache/priors/<model>/last.ckpt, whose weights are the moving average, and may run while the training goes on.
Parts that are not trained yet are left out. `make priors` writes to .cache/priors/nano between its trainings, and to
priors/nano at the end."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    models: tuple[str, ...]
    """Models to export, in order."""
    cache: Path = Path(".cache/priors")
    """Folder of the trainings."""
    out: Path = Path(".cache/priors/nano")
    """Folder to write to."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "models",
        nargs="+",
        choices=("autoencoder", "lifting", "text-to-image", "view-synthesis"),
        help="what to write, in order",
    )
    add_option(parser, "--cache", options.path, Request.cache, "DIR", "folder of the trainings")
    add_out_argument(parser, Request.out)


def run(request: Request) -> None:
    """Export the named models.

    Raises:
        ViewDistillError: A model has no checkpoint yet.
    """
    cache, out = request.cache, request.out
    for model in request.models:
        checkpoint = cache / model.replace("-", "_") / "last.ckpt"
        if not checkpoint.exists():
            raise ViewDistillError(f"{checkpoint}: no such checkpoint; run `viewdistill train {model}` first")
        if model == "autoencoder":
            export_autoencoder(checkpoint, cache / "objects", out / "vae")
        elif model == "lifting":
            export_lifting(checkpoint, out / "lifting")
        elif model == "text-to-image":
            export_text_to_image(checkpoint, cache / "nano" / "vae", out / "stable-diffusion")
        else:
            nano = cache / "nano"
            export_view_synthesis(checkpoint, nano / "vae", nano / "lifting", out / "zero123")
        print(f"wrote {model} to {out}")
