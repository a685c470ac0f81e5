"""The `viewdistill` command: one subcommand a stage, each of which imports what it needs only when it runs."""

import argparse
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from viewdistill import __version__
from viewdistill.cli import (
    bias,
    class_images,
    compare,
    convert,
    doctor,
    evaluate,
    evaluate_prior,
    examples,
    export_prior,
    field,
    mesh,
    novel_views,
    objects,
    objects_preview,
    picture,
    profile,
    report,
    specialize,
    summary,
    surface,
    train,
    view,
    views,
)
from viewdistill.cli import input as input_stage
from viewdistill.errors import ViewDistillError

SPINS = "10000"
"""Rounds that a waiting thread stays awake: a quarter off a field's step on two idle cores (docs/performance.md)."""

SUBCOMMANDS: tuple[tuple[str, ModuleType, str], ...] = (
    ("picture", picture, "sample an input image for a text from the text-conditioned prior"),
    ("input", input_stage, "cut out and frame the object of an image, and write it with its camera and class word"),
    ("field", field, "fit a radiance field to the input view under the guidance of the priors"),
    ("novel-views", novel_views, "sample views around the object from the view-conditioned prior"),
    ("class-images", class_images, "sample images of the object's class from the text-conditioned prior"),
    ("specialize", specialize, "teach the text-conditioned prior the object, in two stages of DreamBooth with LoRA"),
    ("views", views, "render the field and refine the renders with the specialised prior"),
    ("surface", surface, "fit a signed distance field to the refined views and the input view"),
    ("mesh", mesh, "turn the fitted surface or field into a textured mesh, with a turntable and a contact sheet"),
    ("report", report, "put all results of a run on one page that works offline"),
    ("objects", objects, "make every image of a folder, on this machine or on a Ray cluster"),
    ("view", view, "look at mesh, cameras and images of a run in a live viewer"),
    ("compare", compare, "show two or more runs side by side, as a table and as curves"),
    ("evaluate", evaluate, "score a run, or any mesh or views, against the truth, as tables and as evaluation.json"),
    ("summary", summary, "show what the stages of a run cost and wrote, as a table and as summary.json"),
    ("doctor", doctor, "show what this machine has, which back ends are in use, and how to get what is missing"),
    ("profile", profile, "measure where the time and memory of a stage's step go, against what the machine can do"),
    ("train", train, "train one of the embedded priors"),
    ("export-prior", export_prior, "write trained priors as folders that diffusers and transformers load"),
    ("convert", convert, "turn an original Zero-1-to-3 checkpoint into a prior folder"),
    ("evaluate-prior", evaluate_prior, "novel-view PSNR of a view-conditioned prior on objects it never saw"),
    ("bias", bias, "measure and show the bias of priors' unconditional branches"),
    ("objects-preview", objects_preview, "draw a contact sheet of procedural objects"),
    ("examples", examples, "render the example inputs from test seeds"),
)
"""Name, module with ``add_arguments`` and ``run``, and one line of help."""

OPEN_ENDED = ("picture", "field", "novel-views", "class-images", "specialize", "views", "surface", "profile", "train")
"""Subcommands that pass options they do not know on to the configuration of their stage."""


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """End with status 2 and one line that says what was wrong and where help is."""
        self.exit(2, f"{self.prog}: {message} (see `{self.prog} --help`)\n")


def build_parser() -> OneLineParser:
    """The parser of the whole command line."""
    parser = OneLineParser(
        prog="viewdistill",
        description="One image of an object to consistent views and a textured mesh, by Unbiased Score Distillation.",
        epilog="`make object IMG=examples/robot.png` runs all stages of the method in order, and resumes.",
    )
    parser.add_argument("--version", action="version", version=f"viewdistill {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=OneLineParser)
    for name, module, description in SUBCOMMANDS:
        sub = subparsers.add_parser(
            name,
            help=description,
            description=f"{description[0].upper()}{description[1:]}.",
            epilog=getattr(module, "EPILOG", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return parser


def set_waiting() -> None:
    """How torch's threads wait for each other between parallel loops; read when torch is first imported.

    Asleep where stages run side by side (`make -j`): waiting awake, they would keep each other from the cores. A lone
    stage has some thousand short loops a step, and its threads wait awake for a moment (`SPINS`) before they sleep.
    What the user has set is left alone.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    side_by_side = any(flag.startswith(("-j", "--jobserver")) for flag in os.environ.get("MAKEFLAGS", "").split())
    if not side_by_side:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    Args:
        argv: Arguments after the program's name; those of the process when not given.

    Returns:
        Exit status: 0, 2 for a problem the user can mend, 130 when interrupted.
    """
    parser = build_parser()
    arguments, settings = parser.parse_known_args(argv)
    if settings and arguments.command not in OPEN_ENDED:
        parser.error(f"unrecognised arguments: {' '.join(settings)}")
    arguments.settings = settings
    # Of transformers, at every start: a bar for the milliseconds in which the weights of a prior are read.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    set_waiting()
    try:
        arguments.run(arguments)
    except ViewDistillError as error:
        print(f"viewdistill {arguments.command}: {one_line(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"viewdistill {arguments.command}: interrupted; the same command resumes", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`viewdistill … | head`); keep Python from complaining about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def one_line(message: str) -> str:
    """The message without line breaks or control characters, which file names can carry."""
    return " ".join("".join(c if c.isprintable() or c.isspace() else "?" for c in message).split())
