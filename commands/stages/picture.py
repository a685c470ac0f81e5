"""`viewdistill picture`: an input image for an object that exists in words only."""

import argparse
from pathlib import Path

SHIPPED = "configs/picture.yaml"
"""The settings."""

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--data.count 4`; `--print_config` prints them all with
their values. candidates.png shows all samples; `--data.index 3` takes another than the one that was chosen. The picture
and the text, beside it as JSON, are what `viewdistill input` reads next."""


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
    from commands.stages.configuration import configuration, print_configuration
    from commands.tracking.stage import track_stage
    from datamodules.run_folder import RunFolder
    from datamodules.stage_record import record_stage
    from viewdistill.errors import ViewDistillError

    text = " ".join(arguments.text.split())
    if not text:
        raise ViewDistillError('the text is empty; say what the object is, as "a red mug with white stripes"')
    folder = RunFolder(arguments.run_folder)
    seed = [] if arguments.seed is None else [f"--model.seed={arguments.seed}"]
    own = [f"--data.run_folder={folder.root}", f"--data.text={text}", *seed, *arguments.settings]
    settings = configuration(arguments, SHIPPED, own)
    if any(setting.startswith("--print_config") for setting in settings):
        print_configuration(settings)
        return
    with record_stage(folder.stage("picture"), "picture") as figures:
        # Imported here, so that the seconds it takes are counted.
        from callbacks.picture import PictureWriter
        from commands.stages.fitting import StageRun
        from commands.stages.sampling import predict

        cli = predict(StageRun(folder.stage("picture"), f"{folder.name}-picture"), settings)
        for callback in cli.trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, PictureWriter):
                figures.update(callback.figures)
    track_stage(folder, "picture")
