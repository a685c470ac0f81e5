"""What an ablation runs: every stage of every arm once, named by all that decides its result.

A stage lies in ``stages/<stage>-<key>/``, a run folder with the stages that it reads as links beside it. The key is a
SHA-256 of its resolved settings, the priors, the seed and the keys of the stages that it reads; so two arms, two
studies or two invocations that ask for the same stage, in whatever words, meet in the same folder. The run folder of an
arm holds links.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from commands.stages.configuration import REPOSITORY
from datamodules.run_folder import RunFolder
from experiments.cases import Case
from experiments.studies import Arm, Study
from viewdistill import __version__
from viewdistill.errors import ViewDistillError

NEEDS: dict[str, tuple[str, ...]] = {
    "input": (),
    "bias": ("input",),
    "field": ("input",),
    "novel_views": ("input",),
    "class_images": ("input",),
    "specialize_1": ("input", "novel_views", "class_images"),
    "specialize_2": ("input", "novel_views", "specialize_1"),
    "views": ("input", "field", "specialize_2"),
    "surface": ("input", "views"),
}
"""Stages that a stage reads; those of ``mesh`` depend on its options."""

SUBCOMMANDS = {
    "novel_views": ["novel-views"],
    "class_images": ["class-images"],
    "specialize_1": ["specialize", "--stage=1"],
    "specialize_2": ["specialize", "--stage=2"],
}
"""Subcommands that are not called as their stage."""

PRIOR_OPTIONS = {
    "field": (
        "--model.init_args.guidance.view_prior={view_prior}",
        "--model.init_args.guidance.text_prior={text_prior}",
    ),
    "novel_views": ("--view_prior={view_prior}", "--text_prior={text_prior}"),
    "class_images": ("--prior={text_prior}",),
    "specialize_1": ("--model.init_args.prior={text_prior}",),
    "specialize_2": ("--model.init_args.prior={text_prior}",),
    "views": ("--model.init_args.prior={text_prior}",),
    "surface": ("--model.init_args.reference.text_prior={text_prior}",),
}
"""How a stage is told of the priors."""

SEEDLESS = ("input", "mesh")
"""Stages without chance and without priors."""

UNCONFIGURED = ("input", "bias", "mesh")
"""Stages without a YAML."""


@dataclass(frozen=True)
class Priors:
    """The priors of all runs of an invocation."""

    view: Path
    """The view-conditioned one: a folder, or a name on the hub."""
    text: Path
    """The text-conditioned one."""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the content of both, wherever they are.

        Raises:
            ViewDistillError: One is missing or not whole.
        """
        # Here and not above: these bring transformers, which `--help` need not wait for.
        from viewdistill.diffusion.fingerprints import fingerprint
        from viewdistill.diffusion.loading import locate
        from viewdistill.diffusion.prior_files import TEXT_COMPONENTS, VIEW_COMPONENTS

        found = [fingerprint(locate(self.view, VIEW_COMPONENTS)), fingerprint(locate(self.text, TEXT_COMPONENTS))]
        # What it is called says nothing about what it is.
        return digest([{name: value for name, value in prior.items() if name != "prior"} for prior in found])


@dataclass(frozen=True)
class Node:
    """One stage, to be computed once."""

    stage: str
    key: str
    """SHA-256 of all that decides the result."""
    folder: RunFolder
    """Where it is computed, and stays."""
    command: tuple[str, ...]
    """Arguments of `viewdistill`."""
    needs: tuple["Node", ...]
    """Stages that it reads, all of them."""
    case: Case
    """What its object is, for the stage that reads no other."""
    inputs: Path
    """Folder of the rendered input views."""

    @property
    def done(self) -> Path:
        """Written last."""
        return self.folder.root / "done.json"

    @property
    def log(self) -> Path:
        """What its command said, every time it was run."""
        return self.folder.root / "log.txt"


@dataclass(frozen=True)
class PlannedRun:
    """One arm on one object with one seed."""

    study: Study
    arm: Arm
    case: Case
    seed: int
    folder: RunFolder
    """Links to its stages, and its scores."""
    nodes: tuple[Node, ...]
    settings: str
    """Digest of the settings of its stages, the same for every object and seed."""

    @property
    def scores(self) -> Path:
        """Figures of the run, written last."""
        return self.folder.root / "scores.json"

    @property
    def failure(self) -> Path:
        """Why there are no scores, where a stage failed."""
        return self.folder.root / "failed.json"


@dataclass(frozen=True)
class Planner:
    """Names the stages of runs."""

    root: Path
    """Folder of all runs, as ``runs/ablations``."""
    priors: Priors
    preset: str = "ablation"
    """Overlays on the shipped YAML, ``configs/presets/<preset>/``; none where it is empty."""

    def plan(self, study: Study, objects: Iterable[int], seeds: Sequence[int]) -> list[PlannedRun]:
        """The runs of a study, object by object, so that complete comparisons come early.

        Raises:
            ViewDistillError: A stage of an arm comes before one that it reads.
        """
        settings = {arm.name: self.settings(arm) for arm in study.arms}
        return [
            self.planned(study, arm, settings[arm.name], study.case(number, arm), seed)
            for number in objects
            for seed in seeds
            for arm in study.arms
        ]

    def settings(self, arm: Arm) -> dict[str, dict[str, Any]]:
        """Resolved settings of each stage of an arm."""
        return {stage: resolved(self.configs(stage), arm.options.get(stage, [])) for stage in arm.stages}

    def planned(
        self, study: Study, arm: Arm, settings: Mapping[str, dict[str, Any]], case: Case, seed: int
    ) -> PlannedRun:
        """One run.

        Args:
            study: Its study.
            arm: Its arm.
            settings: Of each stage, from `settings`.
            case: Object and input camera.
            seed: Of all stages.

        Raises:
            ViewDistillError: A stage comes before one that it reads.
        """
        nodes: dict[str, Node] = {}
        for stage in arm.stages:
            options = arm.options.get(stage, [])
            needed = needs(stage, options)
            if missing := [name for name in needed if name not in nodes]:
                raise ViewDistillError(f"{study.id}, {arm.name}: {stage} reads {missing[0]}, which must come before it")
            before = tuple(nodes[name] for name in needed)
            nodes[stage] = self.node(stage, options, settings[stage], case, seed, before)
        folder = RunFolder(self.root / study.id / arm.name / f"{case.label}-seed{seed}")
        return PlannedRun(study, arm, case, seed, folder, tuple(nodes.values()), digest(settings))

    def node(
        self,
        stage: str,
        options: list[str],
        settings: dict[str, Any],
        case: Case,
        seed: int,
        needed: tuple[Node, ...],
    ) -> Node:
        """One stage; the key is made before any path is known, so that it holds wherever the folder is."""
        decides = {
            "stage": stage,
            "version": __version__,
            "settings": settings,
            "priors": None if stage in SEEDLESS else self.priors.fingerprint,
            "seed": None if stage in SEEDLESS else seed,
            "case": [case.object, case.azimuth, case.elevation] if stage == "input" else None,
            "needs": [node.key for node in needed],
        }
        key = digest(decides)
        folder = RunFolder(self.root / "stages" / f"{stage}-{key[:16]}")
        command = [*SUBCOMMANDS.get(stage, [stage]), *self.place(stage, folder, case)]
        command += [f"--config={path}" for path in self.configs(stage)[1:]]
        command += [] if stage in SEEDLESS else [f"--seed={seed}"]
        command += [self.filled(option) for option in (*PRIOR_OPTIONS.get(stage, ()), *options)]
        return Node(stage, key, folder, tuple(command), needed, case, self.root / "inputs")

    def configs(self, stage: str) -> list[Path]:
        """The shipped YAML of a stage and the preset's overlay on it, if there are any."""
        if stage in UNCONFIGURED:
            return []
        overlay = REPOSITORY / "configs" / "presets" / self.preset / f"{stage}.yaml"
        return [REPOSITORY / "configs" / f"{stage}.yaml", *([overlay] if self.preset and overlay.is_file() else [])]

    def place(self, stage: str, folder: RunFolder, case: Case) -> list[str]:
        """What a stage reads from and writes to."""
        if stage == "input":
            return [str(case.path(self.root / "inputs")), "--out", str(folder.root)]
        if stage == "bias":
            return ["--image", str(folder.rgba), "--out", str(folder.stage("bias"))]
        if stage == "class_images":
            return [str(folder.root), f"--cache={self.root / 'class_images'}"]
        return [str(folder.root)]

    def filled(self, option: str) -> str:
        """An option with the priors in it."""
        if "{own_unconditional}" in option:
            # Only where it is asked for: it loads the prior.
            from experiments.own_unconditional import export_own_unconditional

            folder = self.root / "own_unconditional" / self.priors.fingerprint[:16]
            export_own_unconditional(self.priors.view, self.priors.text, folder)
            option = option.replace("{own_unconditional}", str(folder))
        return option.replace("{view_prior}", str(self.priors.view)).replace("{text_prior}", str(self.priors.text))


def needs(stage: str, options: Sequence[str]) -> tuple[str, ...]:
    """Stages that a stage reads.

    Raises:
        ViewDistillError: The options of the mesh do not say what it is made from.
    """
    if stage != "mesh":
        return NEEDS[stage]
    sources = [option.removeprefix("--source=") for option in options if option.startswith("--source=")]
    if sources not in (["field"], ["surface"]):
        raise ViewDistillError("options of mesh: say --source=field or --source=surface, once")
    projected = () if "--no-projection" in options else ("views",)
    return ("input", sources[0], *projected)


def resolved(configs: Sequence[Path], options: Sequence[str]) -> dict[str, Any]:
    """Settings of a stage after its YAML, the overlays and the options, in a form in which equal ones are equal.

    Options that are not of the form ``--a.b=value`` are kept as they are, under the name of an empty string.
    """
    settings: dict[str, Any] = {}
    for path in configs:
        merge(settings, yaml.safe_load(path.read_text(encoding="utf-8")))
    others: list[str] = []
    for option in options:
        name, equals, text = option.removeprefix("--").partition("=")
        if not (option.startswith("--") and equals):
            others.append(option)
            continue
        *parents, last = name.split(".")
        nested: dict[str, Any] = {last: text if text.startswith("{") else yaml.safe_load(text)}
        for parent in reversed(parents):
            nested = {parent: nested}
        merge(settings, nested)
    return plain({**settings, "": others})


def digest(content: Any) -> str:
    """SHA-256 of nested plain values."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def merge(settings: dict[str, Any], overlay: dict[str, Any]) -> None:
    """Lay settings over others; mappings are merged, all else is replaced."""
    for name, value in overlay.items():
        if isinstance(value, dict) and isinstance(settings.get(name), dict):
            merge(settings[name], value)
        else:
            settings[name] = value


def plain(value: Any) -> Any:
    """Nested settings with 3 as 3.0, which a number's reader does not tell apart either."""
    if isinstance(value, dict):
        return {name: plain(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
