"""Choices shared by all stages of an object, and the resulting command line and job of each stage."""

import io
import shlex
from collections.abc import Iterable, Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path

from commands.inputs.reference_pictures import ReferencePicture
from commands.parsing import parse
from commands.stages.job import StageJob
from commands.table import SUBCOMMANDS
from datamodules.runs.stages import STAGES, Route, Source
from viewdistill import resources
from viewdistill.errors import ViewDistillError


@dataclass(frozen=True)
class Recipe:
    """The choices for an object, or for all objects of a batch."""

    preset: str | None = None
    """Folder of ``configs/presets``; the shipped YAMLs alone when not given, or ``nano``."""
    seed: int | None = None
    """Seed of everything random; the YAMLs' own when not given."""
    source: Source = "surface"
    """Source stage of the mesh."""
    words: bool = False
    """Whether the object is given in words."""
    mask: Path | None = None
    """Mask of the image."""
    class_word: str | None = None
    """Kind of object; chosen when not given."""
    elevation: float | None = None
    """Elevation of the input camera, degrees; estimated when not given."""
    references: tuple[ReferencePicture, ...] = ()
    """Further pictures of the object."""
    live: bool = False
    """Whether to show the fields in a browser during the fits."""
    options: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Stage and more options for its subcommand."""

    @property
    def route(self) -> Route:
        """The route through the stages."""
        return Route(self.source, self.words)

    def overlays(self, stage: str) -> list[Path]:
        """Return the preset's overlays on a stage's YAML, in order.

        Raises:
            ViewDistillError: There is no such preset.
        """
        config = STAGES[stage].config
        if self.preset is None or config is None:
            return []
        return [path for folder in resources.preset_folders(self.preset) if (path := folder / config).is_file()]

    def command(self, stage: str, subject: Path | str, run: Path) -> list[str]:
        """Return the arguments of `viewdistill` that complete a stage of a run folder.

        Args:
            stage: Name.
            subject: The input image, or words.
            run: The run folder.
        """
        subcommand, *fixed = STAGES[stage].subcommand
        own = [option for name, options in self.options if name == stage for option in options]
        configured = [f"--config={path}" for path in self.overlays(stage)]
        seeded = self.seed is not None and STAGES[stage].config is not None and stage not in ("input", "mesh")
        configured += [f"--seed={self.seed}"] if seeded else []
        if stage == "picture":
            return [subcommand, f"--out={run}", *configured, *own, "--", str(subject)]
        if stage == "input":
            image = run / "picture" / "picture.png" if self.words else subject
            given = {"elevation": self.elevation, "mask": self.mask, "class-word": self.class_word}
            said = [f"--{name}={value}" for name, value in given.items() if value is not None]
            said += [f"--reference={picture}" for picture in self.references]
            return [subcommand, f"--out={run}", *configured, *said, *own, "--", str(image)]
        if stage == "mesh":
            projected = ["--projection"] if "projection" in self.route.conditions else []
            return [subcommand, str(run), f"--source={self.source}", *configured, *projected, *own]
        watched = ["--live"] if self.live and stage in ("field", "surface") else []
        return [subcommand, str(run), *fixed, *configured, *watched, *own]

    def object_command(self, subject: Path | str, runs: Path) -> list[str]:
        """Return the arguments of `viewdistill` that make the whole object.

        Args:
            subject: The input image, or words.
            runs: Folder of all runs.
        """
        given = {
            "preset": self.preset,
            "seed": self.seed,
            "mask": self.mask,
            "class-word": self.class_word,
            "elevation": self.elevation,
        }
        said = [f"--{name}={value}" for name, value in given.items() if value is not None]
        said += [f"--reference={picture}" for picture in self.references]
        said += [f"--options={stage}={shlex.join(values)}" for stage, values in self.options]
        said = [f"--runs={runs}", f"--source={self.source}", *said]
        return ["object", *said, *([f"--text={subject}"] if self.words else ["--", str(subject)])]

    def job(self, stage: str, subject: Path | str, run: Path) -> StageJob:
        """Return a stage with resolved settings, for arguments like those of `command`.

        Raises:
            ViewDistillError: An option or a setting is wrong.
        """
        words = self.command(stage, subject, run)
        module = SUBCOMMANDS[words[0]].load()
        said = io.StringIO()
        try:
            with redirect_stderr(said):
                call = parse(words)
        except SystemExit as stop:  # argparse's exit for wrong options
            raise ViewDistillError(said.getvalue().strip() or f"options of {stage} are wrong") from stop
        return module.prepare(call.request)


def read_options(texts: Iterable[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the options of ``--options STAGE=OPTIONS``, by stage.

    Raises:
        ViewDistillError: There is no such stage, the options cannot be split, or they ask for a print.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        stage, _, values = text.partition("=")
        stage = stage.lower()
        if stage not in STAGES or not values:
            raise ViewDistillError(f"--options {text}: give STAGE=OPTIONS, the stage one of {', '.join(STAGES)}")
        try:
            options = shlex.split(values)
        except ValueError as error:
            raise ViewDistillError(f"--options {text}: {error}") from error
        for option in options:
            if option in ("-h", "--help") or option.startswith("--print_config"):
                subcommand = " ".join(STAGES[stage].subcommand)
                raise ViewDistillError(f"--options {text}: {option} is for `viewdistill {subcommand}`")
        found[stage] = (*found.get(stage, ()), *options)
    return tuple(found.items())


def option_texts(options: Mapping[str, str]) -> list[str]:
    """Return options by stage in the form of ``--options``."""
    return [f"{stage}={values}" for stage, values in options.items()]
