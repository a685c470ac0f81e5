"""`viewdistill picture`: an input image for an object that exists in words only."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from commands.options import output_folder
from commands.stages.configuration import add_configuration_arguments, overlays_of
from commands.stages.job import StageJob, run_stage
from commands.stages.sampling import resolve_sampler
from datamodules.run_folder import RunFolder, atomic_path, write_json
from lightning_modules.picture import PictureSampler
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.contact_sheet import grid

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--count 4`; `--print_config` prints them all with
their values. candidates.png shows all samples; `--index 3` takes another than the one that was chosen. The picture and
the text, beside it as JSON, are what `viewdistill input` reads next."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    text: str
    """What the object is."""
    run_folder: Path
    """The run to write to."""
    config: tuple[Path, ...] = ()
    """Overlays on the shipped YAML."""
    seed: int | None = None
    """Seed of everything random; the YAML's where none is given."""
    settings: tuple[str, ...] = ()
    """Single settings of the YAML, as options."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument("text", metavar="TEXT", help='what the object is, as "a red mug with white stripes"')
    parser.add_argument(
        "--out",
        type=output_folder,
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
    folder = RunFolder(request.run_folder)
    sampler, config = resolve_sampler(PictureSampler, request, "picture.yaml")
    return StageJob(
        "picture",
        folder,
        {**yaml.safe_load(config), "text": text},
        lambda _: partial(sample, sampler, folder, text),
        config=config,
        overlays=overlays_of(request),
    )


def sample(sampler: PictureSampler, folder: RunFolder, text: str) -> Mapping[str, Any]:
    """Sample pictures and write the best of them."""
    candidates = sampler.sample(text)
    chosen = sampler.choose(candidates, text)
    over_white = [candidate.rgba[..., :3] / 255.0 for candidate in candidates]
    with atomic_path(folder.candidates) as partial_picture:
        Image.fromarray(grid([over_white], row_labels=(text,))).save(partial_picture)
    write_json(folder.picture.with_suffix(".json"), {"caption": text})
    with atomic_path(folder.picture) as partial_picture:
        Image.fromarray(candidates[chosen].rgba).save(partial_picture)
    return {
        "text": text,
        "chosen": chosen,
        "agreement": [round(candidate.agreement, 6) for candidate in candidates],
        "whole": [candidate.whole for candidate in candidates],
    }
