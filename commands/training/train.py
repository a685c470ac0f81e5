"""`viewdistill train`: train one of the embedded priors."""

import argparse
from pathlib import Path

from viewdistill.errors import ViewDistillError

MODELS = {
    "autoencoder": "configs/autoencoder.yaml",
    "lifting": "configs/lifting.yaml",
    "text-to-image": "configs/text_to_image.yaml",
    "view-synthesis": "configs/view_synthesis.yaml",
}
"""What can be trained, and the configuration it is trained with by default."""

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--trainer.max_steps 100`; `--print_config`
prints them all with their values. Training that was stopped resumes from the last checkpoint in its folder. On a GPU
add `--config configs/presets/gpu/MODEL.yaml` and `--minutes`: rates follow the clock; all sittings count."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    from commands.stages.configuration import add_configuration_arguments

    parser.add_argument("model", choices=tuple(MODELS), help="which part of the priors to train")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of checkpoints (default: .cache/priors/<model>)"
    )
    parser.add_argument(
        "--minutes", type=float, metavar="N", help="minutes of training in all sittings, in place of a number of steps"
    )
    add_configuration_arguments(parser, "the model's YAML in configs/")


def run(arguments: argparse.Namespace) -> None:
    """Train or go on training.

    Raises:
        ViewDistillError: A setting is wrong.
    """
    from commands.stages.configuration import configuration

    by_clock: list[str] = []
    if arguments.minutes is not None:
        if not arguments.minutes > 0:
            raise ViewDistillError(f"--minutes is {arguments.minutes:g}; give a number above 0")
        by_clock = [f"--model.minutes={arguments.minutes}", "--trainer.max_steps=-1", "--trainer.max_epochs=-1"]
    settings = configuration(arguments, MODELS[arguments.model], [*by_clock, *arguments.settings])
    from commands.stages.fitting import StageRun, fit

    folder = arguments.out or Path(".cache/priors") / arguments.model.replace("-", "_")
    # Priors are trained in several sittings, often with other settings; only objects start again when settings change.
    stage = StageRun(folder, f"train-{arguments.model}", restart_when_changed=False)
    fit(stage, settings)
