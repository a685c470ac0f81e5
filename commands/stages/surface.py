"""`viewdistill surface`: fit a signed distance field to the views of a run, or to any posed pictures."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from commands.options import existing_file
from commands.stages.configuration import StageRequest, add_stage_arguments
from commands.stages.fitting import fitted_job
from commands.stages.imported import import_pictures
from commands.stages.job import StageJob, run_stage
from commands.stages.live import add_live_argument, live_watchers
from datamodules.runs.run_folder import RunFolder

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--model.reference.method mse`; `--print_config`
prints them all with their values. A fit that was stopped resumes from its last checkpoint,
unless a setting, a view or a prior has changed since: then it starts again.
With `--images` RUN is a new folder; its pictures are cut out where they have no alpha channel. They take the place of
the input and the views, no prior takes part, and `viewdistill mesh RUN` is the next step."""


@dataclass(frozen=True, kw_only=True)
class Request(StageRequest):
    """Options of the subcommand."""

    images: Path | None = None
    """A ``transforms.json`` whose pictures are fitted in place of a run's own views."""
    live: bool = False
    """Whether to show the field in a browser while it is fitted."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    add_stage_arguments(parser, "a complete views stage", "configs/surface.yaml")
    parser.add_argument(
        "--images",
        type=existing_file,
        metavar="JSON",
        help="fit to the posed pictures of this transforms.json (of nerfstudio, instant-ngp, COLMAP's converters)",
    )
    add_live_argument(parser)


def run(request: Request) -> None:
    """Fit, resume or confirm the surface.

    Raises:
        ViewDistillError: An earlier stage is missing, a setting is wrong, a posed picture cannot be used, or ``--live``
            lacks viser.
    """
    job = prepare(request)
    if request.images is not None:
        import_pictures(RunFolder(request.run_folder), request.images)
    run_stage(job)


def prepare(request: Request) -> StageJob:
    """Resolve the settings.

    Raises:
        ViewDistillError: A setting is wrong, or ``--live`` lacks viser.
    """
    # The picture of an imported set is one of its views; no prior knows more of it, and no field.
    own = () if request.images is None else ("--model.init_args.reference.method=none",)
    job = fitted_job("surface", request, own, live_watchers(request.live))
    # Imported pictures have no field; views of our own need one, so that it is there where it is started from.
    return replace(job, required=("input", "views"))
