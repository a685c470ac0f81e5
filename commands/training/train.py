"""`viewdistill train`: train one of the embedded priors."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from commands import options
from commands.stages.configuration import add_configuration_arguments, configuration
from commands.stages.fitting import StageRun, fit

MODELS = {
    "autoencoder": "configs/autoencoder.yaml",
    "lifting": "configs/lifting.yaml",
    "text-to-image": "configs/text_to_image.yaml",
    "view-synthesis": "configs/view_synthesis.yaml",
}
"""Trainable models and their default configurations."""

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--trainer.max_steps 100`; `--print_config`
prints them all with their values. Training that was stopped resumes from the last checkpoint in its folder. On a GPU
add `--config configs/presets/gpu/MODEL.yaml` and `--minutes`: rates follow the clock; all sittings count."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    model: str
    """Model to train, one of `MODELS`."""
    out: Path | None = None
    """Folder of checkpoints; ``.cache/priors/<model>`` when not given."""
    minutes: float | None = None
    """Minutes of training over all sessions, instead of a number of steps."""
    config: tuple[Path, ...] = ()
    """Overlays on the shipped YAML, in order."""
    seed: int | None = None
    """Seed of all random numbers; the YAML's where not given."""
    settings: tuple[str, ...] = ()
    """Single settings, as options of LightningCLI."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument("model", choices=tuple(MODELS), help="which part of the priors to train")
    parser.add_argument(
        "--out",
        type=options.output_folder,
        metavar="DIR",
        help="folder of checkpoints (default: .cache/priors/<model>)",
    )
    parser.add_argument(
        "--minutes",
        type=options.Number(0.0, above=True, unit="minutes"),
        metavar="N",
        help="minutes of training in all sittings, in place of a number of steps",
    )
    add_configuration_arguments(parser, "the model's YAML in configs/")


def run(request: Request) -> None:
    """Train or go on training.

    Raises:
        ViewDistillError: A setting is wrong.
    """
    by_clock: list[str] = []
    if request.minutes is not None:
        by_clock = [f"--model.minutes={request.minutes}", "--trainer.max_steps=-1", "--trainer.max_epochs=-1"]
    settings = configuration(request, MODELS[request.model], [*by_clock, *request.settings])
    folder = request.out or Path(".cache/priors") / request.model.replace("-", "_")
    # Priors are trained in several sessions, often with other settings; only objects start again when settings change.
    stage = StageRun(folder, f"train-{request.model}", restart_when_changed=False)
    fit(stage, settings)
