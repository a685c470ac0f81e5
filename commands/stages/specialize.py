"""`viewdistill specialize`: teach the text-conditioned prior one object, in two stages of DreamBooth with LoRA."""

import argparse
from dataclasses import dataclass
from typing import Literal

from commands.options import Integer
from commands.stages.configuration import StageRequest, add_stage_arguments, own_settings
from commands.stages.fitting import fitted_job
from commands.stages.job import StageJob, run_stage
from datamodules.runs.run_folder import RunFolder

EPILOG = """\
Stage 1 teaches "a [V] {class}" with the input and the novel views; stage 2 goes on with the same LoRA and teaches
"a [S] [V] {class}" with the input alone. Every setting of the YAML can be given as an option, for example
`--trainer.max_steps 100`; `--print_config` prints them all with their values. A fit that was stopped resumes from its
last checkpoint, unless a setting, its inputs or the prior has changed since: then it starts again."""


@dataclass(frozen=True, kw_only=True)
class Request(StageRequest):
    """Options of the subcommand."""

    stage: Literal[1, 2]
    """Which of the two stages."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    shipped = "configs/specialize_1.yaml or _2.yaml"
    add_stage_arguments(parser, "complete novel_views and class_images stages", shipped)
    parser.add_argument("--stage", type=Integer(1, 2), choices=(1, 2), required=True, help="which of the two stages")


def run(request: Request) -> None:
    """Fit, resume or confirm one stage.

    Raises:
        ViewDistillError: An earlier stage is missing, or a setting is wrong.
    """
    run_stage(prepare(request))


def prepare(request: Request) -> StageJob:
    """Resolve the settings.

    Raises:
        ViewDistillError: A setting is wrong.
    """
    if request.stage == 1:
        return fitted_job("specialize_1", request, ())
    lora = RunFolder(request.run_folder).lora("specialize_1")
    return fitted_job("specialize_2", request, (own_settings("model", initial_lora=str(lora)),))
