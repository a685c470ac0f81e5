"""Plan of an ablation: every stage of every arm once, named by everything that determines its result.

A stage lies in ``stages/<stage>-<key>/``, a run folder with the stages that it reads as links beside it. The key is
that of `datamodules.runs.staleness`, from the settings resolved by the stage's own parser, the seed and the keys of the
stages it reads. Arms, studies and invocations with the same stage, in any wording, thus share its folder. The run
folder of an arm holds links.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from commands.pipeline.recipe import Recipe
from datamodules.runs.run_folder import RunFolder
from datamodules.runs.stages import Route
from datamodules.runs.staleness import chained_key, digest, stage_key
from experiments.own_unconditional import export_own_unconditional
from experiments.running.cases import Case
from experiments.running.studies import BIAS, Arm, Study
from viewdistill.diffusion.fingerprints import fingerprint
from viewdistill.diffusion.loading import locate
from viewdistill.diffusion.prior_files import TEXT_COMPONENTS, VIEW_COMPONENTS
from viewdistill.errors import ViewDistillError

PRIOR_OPTIONS = {
    "field": (
        "--model.init_args.guidance.view_prior={view_prior}",
        "--model.init_args.guidance.text_prior={text_prior}",
    ),
    "novel_views": ("--model.init_args.view_prior={view_prior}", "--model.init_args.text_prior={text_prior}"),
    "class_images": ("--model.init_args.prior={text_prior}",),
    "specialize_1": ("--model.init_args.prior={text_prior}",),
    "specialize_2": ("--model.init_args.prior={text_prior}",),
    "views": ("--model.init_args.prior={text_prior}",),
    "surface": ("--model.init_args.reference.text_prior={text_prior}",),
}
"""Stage → its options for the priors."""

SEEDLESS = ("input", "mesh")
"""Stages without randomness and without priors."""

Resolved = dict[tuple[str, tuple[str, ...]], str]
"""Stage and its options → key of its settings."""

RUN = Path("run")
"""Placeholder for a node's own folder in the settings of its key."""


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
            ViewDistillError: A prior is missing or incomplete.
        """
        found = [fingerprint(locate(self.view, VIEW_COMPONENTS)), fingerprint(locate(self.text, TEXT_COMPONENTS))]
        # The name does not determine the content.
        return digest([{name: value for name, value in prior.items() if name != "prior"} for prior in found])


@dataclass(frozen=True)
class Node:
    """One stage, to be computed once."""

    stage: str
    key: str
    """SHA-256 of everything that determines the result."""
    folder: RunFolder
    """Its folder."""
    command: tuple[str, ...]
    """Arguments of `viewdistill`."""
    needs: tuple["Node", ...]
    """All stages it reads."""
    case: Case
    """Its object, for the stage that reads no other."""
    inputs: Path
    """Folder of the rendered input views."""

    @property
    def done(self) -> Path:
        """Record, written last."""
        return self.folder.root / "done.json"

    @property
    def log(self) -> Path:
        """Log of all runs of its command."""
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
        """Reason for missing scores, if a stage failed."""
        return self.folder.root / "failed.json"


@dataclass(frozen=True)
class Planner:
    """Planner of runs and their stages."""

    root: Path
    """Folder of all runs, as ``runs/ablations``."""
    priors: Priors
    preset: str = "ablation"
    """Overlays on the shipped YAML, ``configs/presets/<preset>/``; none where it is empty."""
    resolved: Resolved = field(default_factory=Resolved)
    """Cache of resolved settings; parsers are slow, and arms share most stages."""

    def plan(self, study: Study, objects: Iterable[int], seeds: Sequence[int]) -> list[PlannedRun]:
        """The runs of a study, object by object, so that complete comparisons come early.

        Raises:
            ViewDistillError: A stage of an arm comes before one that it reads, or a setting is wrong.
        """
        settings = {arm.name: self.settings(arm) for arm in study.arms}
        return [
            self.planned(study, arm, settings[arm.name], study.case(number, arm), seed)
            for number in objects
            for seed in seeds
            for arm in study.arms
        ]

    def settings(self, arm: Arm) -> dict[str, str]:
        """Key of the settings of each stage of an arm."""
        return {stage: self.settings_key(stage, arm.options.get(stage, [])) for stage in arm.stages}

    def settings_key(self, stage: str, options: Sequence[str]) -> str:
        """Return the key of a stage's settings, independent of its place and seed.

        Raises:
            ViewDistillError: A setting is wrong.
        """
        words = tuple(self.filled(option) for option in (*PRIOR_OPTIONS.get(stage, ()), *options))
        if (stage, words) not in self.resolved:
            if stage == BIAS:
                key = stage_key(stage, {"options": [option.split("=", 1) for option in words]}, RUN)
            else:
                key = self.recipe(stage, words).job(stage, Path("image"), RUN).settings_key
            self.resolved[stage, words] = key
        return self.resolved[stage, words]

    def recipe(self, stage: str, options: tuple[str, ...], seed: int | None = None) -> Recipe:
        """The choices for one stage.

        Args:
            stage: The stage.
            options: All of its options.
            seed: Random seed; ignored by stages without randomness.
        """
        source = "field" if "--source=field" in options else "surface"
        return Recipe(self.preset or None, None if stage in SEEDLESS else seed, source, options=((stage, options),))

    def planned(self, study: Study, arm: Arm, settings: Mapping[str, str], case: Case, seed: int) -> PlannedRun:
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
            nodes[stage] = self.node(stage, options, case, seed, tuple(nodes[name] for name in needed))
        folder = RunFolder(self.root / study.id / arm.name / f"{case.label}-seed{seed}")
        return PlannedRun(study, arm, case, seed, folder, tuple(nodes.values()), digest(dict(settings)))

    def node(self, stage: str, options: Sequence[str], case: Case, seed: int, needed: tuple[Node, ...]) -> Node:
        """Return one stage; its key is computed without paths, so that it is independent of the folder."""
        chance = {} if stage in SEEDLESS else {"seed": str(seed)}
        seen = {"case": digest([case.object, case.azimuth, case.elevation])} if stage == "input" else {}
        key = chained_key(self.settings_key(stage, options), {node.stage: node.key for node in needed}, chance | seen)
        folder = RunFolder(self.root / "stages" / f"{stage}-{key[:16]}")
        words = tuple(self.filled(option) for option in (*PRIOR_OPTIONS.get(stage, ()), *options))
        if stage == BIAS:
            place = [f"--image={folder.rgba}", f"--out={folder.stage(stage)}", f"--seed={seed}"]
            command = [stage, *place, *words]
        else:
            shared = (f"--data.init_args.cache={self.root / 'class_images'}",) if stage == "class_images" else ()
            recipe = self.recipe(stage, (*shared, *words), seed)
            command = recipe.command(stage, case.path(self.root / "inputs"), folder.root)
        return Node(stage, key, folder, tuple(command), needed, case, self.root / "inputs")

    def filled(self, option: str) -> str:
        """An option with the priors in it."""
        if "{own_unconditional}" in option:
            folder = self.root / "own_unconditional" / self.priors.fingerprint[:16]
            export_own_unconditional(self.priors.view, self.priors.text, folder)
            option = option.replace("{own_unconditional}", str(folder))
        return option.replace("{view_prior}", str(self.priors.view)).replace("{text_prior}", str(self.priors.text))


def needs(stage: str, options: Sequence[str]) -> tuple[str, ...]:
    """Return the stages that a stage reads.

    Raises:
        ViewDistillError: The options of the mesh do not name its source.
    """
    if stage == BIAS:
        return ("input",)
    if stage != "mesh":
        return Route().needs(stage)
    sources = [option.removeprefix("--source=") for option in options if option.startswith("--source=")]
    if sources not in (["field"], ["surface"]):
        raise ViewDistillError("options of mesh: give --source=field or --source=surface, once")
    return Route("field" if sources == ["field"] else "surface", projected="--no-projection" not in options).needs(
        stage
    )
