"""`viewdistill picture`: an input image for an object that exists in words only."""

import argparse
from pathlib import Path

SHIPPED = "configs/picture.yaml"
"""The settings."""

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--count 4`; `--print_config` prints them all with
their values. candidates.png shows all samples; `--index 3` takes another than the one that was chosen. The picture and
the text, beside it as JSON, are what `viewdistill input` reads next."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    from commands.stages.configuration import add_configuration_arguments

    parser.add_argument("text", metavar="TEXT", help='what the object is, as "a red mug with white stripes"')
    parser.add_argument(
        "--out", type=Path, required=True, metavar="RUN", dest="run_folder", help="run folder to write to, as runs/mug"
    )
    add_configuration_arguments(parser, SHIPPED)


def run(arguments: argparse.Namespace) -> None:
    """Sample pictures of the text and write the best of them.

    Raises:
        ViewDistillError: The text is empty, a setting is wrong, or no sample shows a whole object; no picture is
            written then.
    """
    from PIL import Image

    from commands.stages.fitting import StageRun, prepare
    from commands.stages.sampling import build_sampler
    from commands.tracking.stage import track_stage
    from datamodules.run_folder import RunFolder, atomic_path, write_json
    from datamodules.stage_record import record_stage
    from lightning_modules.picture import PictureSampler
    from viewdistill.errors import ViewDistillError
    from viewdistill.mesh.contact_sheet import grid

    text = " ".join(arguments.text.split())
    if not text:
        raise ViewDistillError('the text is empty; say what the object is, as "a red mug with white stripes"')
    folder = RunFolder(arguments.run_folder)
    sampler, config = build_sampler(PictureSampler, arguments, SHIPPED)
    with record_stage(folder.stage("picture"), "picture") as figures:
        candidates = sampler.sample(text)
        chosen = sampler.choose(candidates, text)
        prepare(StageRun(folder.stage("picture"), f"{folder.name}-picture"), config)
        over_white = [candidate.rgba[..., :3] / 255.0 for candidate in candidates]
        with atomic_path(folder.candidates) as partial:
            Image.fromarray(grid([over_white], row_labels=(text,))).save(partial)
        write_json(folder.picture.with_suffix(".json"), {"caption": text})
        with atomic_path(folder.picture) as partial:
            Image.fromarray(candidates[chosen].rgba).save(partial)
        figures["text"], figures["chosen"] = text, chosen
        figures["agreement"] = [round(candidate.agreement, 6) for candidate in candidates]
        figures["whole"] = [candidate.whole for candidate in candidates]
    track_stage(folder, "picture", overlays=arguments.config)
