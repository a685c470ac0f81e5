"""`viewdistill train`: train one of the embedded priors."""

import argparse
from pathlib import Path

MODELS = {
    "autoencoder": "configs/autoencoder.yaml",
    "lifting": "configs/lifting.yaml",
    "text-to-image": "configs/text_to_image.yaml",
    "view-synthesis": "configs/view_synthesis.yaml",
}
"""What can be trained, and the configuration it is trained with by default."""

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--trainer.max_steps 100`; `--print_config`
prints them all with their values. Training that was stopped resumes from the last checkpoint in its folder."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    from commands.stages.configuration import add_configuration_arguments

    parser.add_argument("model", choices=tuple(MODELS), help="which part of the priors to train")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of checkpoints (default: .cache/priors/<model>)"
    )
    add_configuration_arguments(parser, "the model's YAML in configs/")


def run(arguments: argparse.Namespace) -> None:
    """Train or go on training.

    Raises:
        ViewDistillError: A setting is wrong.
    """
    from commands.stages.configuration import configuration

    settings = configuration(arguments, MODELS[arguments.model], arguments.settings)
    from commands.stages.fitting import StageRun, fit

    folder = arguments.out or Path(".cache/priors") / arguments.model.replace("-", "_")
    # Priors are trained in several sittings, often with other settings; only objects start again when settings change.
    stage = StageRun(folder, f"train-{arguments.model}", restart_when_changed=False)
    fit(stage, settings)
