"""`viewdistill picture`: an input image for an object that exists in words only."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from callbacks.picture import PictureWriter
from commands import options
from commands.stages.cli import StageCLI
from commands.stages.configuration import StageRequest, add_configuration_arguments, own_settings
from commands.stages.job import StageJob, run_stage
from commands.stages.sampling import sampled_job
from viewdistill.errors import ViewDistillError

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--data.count 4`; `--print_config` prints them all with
their values. candidates.png shows all samples; `--data.index 3` takes another than the one that was chosen. The picture
and the text, beside it as JSON, are what `viewdistill input` reads next."""


@dataclass(frozen=True, kw_only=True)
class Request(StageRequest):
    """Options of the subcommand."""

    text: str
    """What the object is."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "text", type=options.text, metavar="TEXT", help='what the object is, as "a red mug with white stripes"'
    )
    parser.add_argument(
        "--out",
        type=options.output_folder,
        required=True,
        metavar="RUN",
        dest="run_folder",
        help="run folder to write to, as runs/mug",
    )
    add_configuration_arguments(parser, "configs/picture.yaml")


def run(request: Request) -> None:
    """Sample pictures of the text and write the best of them.

    Raises:
        ViewDistillError: The text is empty, a setting is wrong, or no sample shows a whole object; no picture is
            written then.
    """
    run_stage(prepare(request))


def prepare(request: Request) -> StageJob:
    """Resolve the settings.

    Raises:
        ViewDistillError: The text is empty, or a setting is wrong.
    """
    text = " ".join(request.text.split())
    if not text:
        raise ViewDistillError('the text is empty; say what the object is, as "a red mug with white stripes"')
    return sampled_job("picture", request, [own_settings("data", text=text)], figures)


def figures(cli: StageCLI) -> Mapping[str, Any]:
    """Figures of the choice, for the record."""
    writers = [callback for callback in cli.trainer.callbacks if isinstance(callback, PictureWriter)]  # type: ignore[attr-defined]
    return {name: value for writer in writers for name, value in writer.figures.items()}
