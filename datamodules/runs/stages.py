"""Table of stages: name, inputs, outputs and configuration of each stage of a run.

All Python code that walks, checks or lists stages reads this table. The Makefile repeats the dependencies, for people
and for ``make -j``, and a test compares the two.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Literal

Source = Literal["surface", "field"]
"""Source stage of the mesh."""

Condition = Literal["words", "surface", "field", "projection"]
"""Property of a route: the object is given in words, the source of the mesh, a texture from views."""


@dataclass(frozen=True)
class Stage:
    """One stage of a run."""

    name: str
    """Name of the stage and of its folder in the run."""
    subcommand: tuple[str, ...]
    """Words after `viewdistill` on the command line."""
    needs: tuple[str, ...] = ()
    """Stages that it always reads."""
    needs_where: Mapping[Condition, tuple[str, ...]] = field(default_factory=dict[Condition, tuple[str, ...]])
    """Stages that it reads only under a condition."""
    config: str | None = None
    """Name of its YAML in ``configs/`` and in presets; None for a stage with options only."""
    reads: tuple[str, ...] = ()
    """Files of earlier stages that determine its result: patterns within the run folder."""
    writes: tuple[str, ...] = ()
    """Files that a complete stage must have, within its own folder."""
    uses_priors: bool = True
    """Whether it may load a prior."""

    def command(self, run: Path) -> str:
        """Return the command line that completes this stage, as text for messages."""
        subcommand, *options = self.subcommand
        place = {"input": f"IMG --out {run}", "picture": f"TEXT --out {run}"}.get(self.name, str(run))
        return " ".join(("viewdistill", subcommand, place, *options))


INPUT_VIEW = (
    "input/rgba.png",
    "input/meta.json",
    "input/references/cameras.json",
    "input/references/[0-9]*.png",
)
"""The framed input image and its camera, and the further references, where there are any."""

STAGES: Mapping[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            "picture",
            ("picture",),
            config="picture.yaml",
            writes=("picture.png", "picture.json", "candidates.png"),
        ),
        Stage(
            "input",
            ("input",),
            config="input.yaml",
            needs_where={"words": ("picture",)},
            reads=("picture/picture.png", "picture/picture.json"),
            writes=("rgba.png", "meta.json"),
        ),
        Stage(
            "field",
            ("field",),
            needs=("input",),
            config="field.yaml",
            reads=INPUT_VIEW,
            writes=("last.ckpt",),
        ),
        Stage(
            "novel_views",
            ("novel-views",),
            needs=("input",),
            config="novel_views.yaml",
            reads=INPUT_VIEW,
            writes=("cameras.json",),
        ),
        Stage(
            "class_images",
            ("class-images",),
            needs=("input",),
            config="class_images.yaml",
            reads=("input/meta.json",),
        ),
        Stage(
            "specialize_1",
            ("specialize", "--stage=1"),
            needs=("input", "novel_views", "class_images"),
            config="specialize_1.yaml",
            # The images of a class lie in a cache; their stage's key covers the sampling settings.
            reads=(*INPUT_VIEW, "novel_views/[0-9]*.png", "class_images/fingerprint"),
            writes=("pytorch_lora_weights.safetensors",),
        ),
        Stage(
            "specialize_2",
            ("specialize", "--stage=2"),
            needs=("input", "novel_views", "specialize_1"),
            config="specialize_2.yaml",
            reads=(
                *INPUT_VIEW,
                "novel_views/[0-9]*.png",
                "specialize_1/pytorch_lora_weights.safetensors",
                "specialize_1/prompts.json",
            ),
            writes=("pytorch_lora_weights.safetensors",),
        ),
        Stage(
            "views",
            ("views",),
            needs=("input", "field", "specialize_2"),
            config="views.yaml",
            reads=(
                "input/meta.json",
                "field/last.ckpt",
                "specialize_2/pytorch_lora_weights.safetensors",
                "specialize_2/prompts.json",
            ),
            writes=("cameras.json",),
        ),
        Stage(
            "surface",
            ("surface",),
            needs=("input", "field", "views"),
            config="surface.yaml",
            reads=(*INPUT_VIEW, "field/last.ckpt", "views/cameras.json", "views/[0-9]*.png"),
            writes=("last.ckpt",),
        ),
        Stage(
            "mesh",
            ("mesh",),
            config="mesh.yaml",
            needs=("input",),
            needs_where={"surface": ("surface",), "field": ("field",), "projection": ("views",)},
            reads=(*INPUT_VIEW, "field/last.ckpt", "surface/last.ckpt", "views/cameras.json", "views/[0-9]*.png"),
            writes=("object.glb", "object.obj", "object.stl", "turntable.mp4", "contact_sheet.png"),
            uses_priors=False,
        ),
        Stage(
            "report",
            ("report",),
            needs=("input", "mesh"),
            # The report shows all complete stages: any rerun stage has a new record.
            reads=("*/stage.json",),
            writes=("report.html",),
            uses_priors=False,
        ),
    )
}
"""Name → stage, in a valid order of execution."""


@dataclass(frozen=True)
class Route:
    """Route from an input to the report: the stages to run and their dependencies."""

    source: Source = "surface"
    """Source stage of the mesh."""
    words: bool = False
    """Whether the object is given in words, and its picture is sampled first."""
    projected: bool | None = None
    """Whether the mesh's texture comes from the refined views; by default for a mesh from the surface."""

    @property
    def conditions(self) -> frozenset[Condition]:
        """The properties of this route."""
        projected = self.source == "surface" if self.projected is None else self.projected
        holding: set[Condition] = {self.source}
        if self.words:
            holding.add("words")
        if projected:
            holding.add("projection")
        return frozenset(holding)

    def needs(self, name: str) -> tuple[str, ...]:
        """Return the stages that a stage reads, in the order of the table."""
        stage = STAGES[name]
        conditional = (needed for condition in self.conditions for needed in stage.needs_where.get(condition, ()))
        found = {*stage.needs, *conditional}
        return tuple(needed for needed in STAGES if needed in found)

    def before(self, *names: str) -> tuple[str, ...]:
        """Return stages with all direct and indirect dependencies, in topological order."""
        graph: dict[str, tuple[str, ...]] = {}
        wanted = list(names)
        while wanted:
            name = wanted.pop()
            if name not in graph:
                graph[name] = self.needs(name)
                wanted += graph[name]
        # Among valid orders always the table's, which `TopologicalSorter` does not guarantee.
        sorter, order = TopologicalSorter(graph), list[str]()
        sorter.prepare()
        ready: set[str] = set()
        while sorter.is_active():
            ready.update(sorter.get_ready())
            first = next(name for name in STAGES if name in ready)
            ready.remove(first)
            sorter.done(first)
            order.append(first)
        return tuple(order)

    @property
    def stages(self) -> tuple[str, ...]:
        """All stages of the route, in topological order."""
        return self.before("report")


def files_read(run: Path, name: str, needs: Iterable[str]) -> list[Path]:
    """Return existing files of earlier stages that determine a stage's result, in order.

    Args:
        run: The run folder.
        name: The stage.
        needs: Stages that it reads on its route; other stages' files do not count, even if they exist. For a stage that
            reads all records (the report), those of any stage count.
    """
    found: set[Path] = set()
    for pattern in STAGES[name].reads:
        first = pattern.split("/")[0]
        if first == "*":
            found |= {path for path in run.glob(pattern) if path.parent.name in STAGES and path.parent.name != name}
        elif first in needs:
            found |= {path for path in run.glob(pattern) if path.is_file()}
    return sorted(found)
