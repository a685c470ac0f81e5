"""A study: the arms of one ablation, as YAML in ``experiments/ablations/``.

    id: A2                          # name of the file, too
    question: Which guidance?       # heads its table
    reference: usd                  # the arm that the others are compared with: the paper's setting
    stages: [input, field, mesh]    # in an order in which they can run
    options:                        # of every arm, a list a stage
      mesh: [--source=field, --no-projection]
    columns:                        # what is judged; figures are named as in a run's scores.json
      - {name: PSNR, figure: views/field/psnr, better: higher}
    arms:
      usd: {options: {field: [--model.guidance.method=usd]}}
      sds: {options: {field: [--model.guidance.method=sds]}}

An arm may also have ``stages`` of its own and an ``elevation`` of its input camera, degrees. Where all arms have a
place ``at`` on the ``axis`` of the study, they are drawn as curves, one for each ``line`` that they belong to. With
``objects: examples`` a study is about the inputs in ``examples/`` in place of objects of the test seeds. In options,
``{view_prior}`` and ``{text_prior}`` are the priors, and ``{own_unconditional}`` is the view-conditioned prior's
unconditional branch in the form of a text-conditioned prior (see `experiments.own_unconditional`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from commands.evaluation.evaluate import PROTOCOL_NAMES
from commands.generation.examples import EXAMPLES
from datamodules.runs.stages import STAGES
from experiments.running.cases import Case
from viewdistill.documents import read_yaml
from viewdistill.errors import ViewDistillError
from viewdistill.objects.generator import TEST_SEEDS
from viewdistill.resources import REPOSITORY

ABLATIONS = REPOSITORY / "experiments" / "ablations"
"""The shipped studies."""

BIAS = "bias"
"""Stage of studies only: the bias of the priors' unconditional branches (`viewdistill bias`)."""

KNOWN_STAGES = (*(name for name in STAGES if name not in ("picture", "report")), BIAS)
"""Stages that a study can have."""


@dataclass(frozen=True)
class Arm:
    """One setting."""

    name: str
    stages: tuple[str, ...]
    """In the order in which they run."""
    options: dict[str, list[str]] = field(default_factory=dict)
    """Of each stage, those of the whole study first."""
    elevation: float | None = None
    """Of the input camera, degrees; drawn for every object where not given."""
    at: float | None = None
    """Its place on the study's axis, where its arms are drawn as curves."""
    line: str = ""
    """Its curve."""


@dataclass(frozen=True)
class Column:
    """One judged figure."""

    name: str
    """Heading."""
    figure: str
    """Name in a run's scores."""
    better: Literal["higher", "lower"]
    """Direction of better values."""
    at: float | None = None
    """Place on an axis for a figure with several; columns of one name are drawn as a line."""


@dataclass(frozen=True)
class Study:
    """One ablation."""

    id: str
    question: str
    reference: str
    """Name of the arm with the paper's setting."""
    arms: tuple[Arm, ...]
    columns: tuple[Column, ...]
    axis: str = ""
    """Meaning of ``at`` of the columns or of the arms."""
    input_view: bool = False
    """Whether to score renders from the input camera as well: figures ``input/…``."""
    field_views: bool = False
    """Whether to score renders of the radiance field: figures ``views/field/…``."""
    protocols: tuple[str, ...] = ("surface",)
    """Protocols of the geometry's figures."""
    objects: Literal["test seeds", "examples"] = "test seeds"
    """Its objects: those of the test seeds, each from a camera drawn from its seed, or the example inputs."""

    @property
    def population(self) -> Sequence[int]:
        """Seeds of all possible objects."""
        return [example.seed for example in EXAMPLES] if self.objects == "examples" else TEST_SEEDS

    def case(self, number: int, arm: Arm) -> Case:
        """Return an object of `population` with an arm's camera."""
        return Case.of_example(number) if self.objects == "examples" else Case.of(number, arm.elevation)

    @classmethod
    def load(cls, path: Path) -> "Study":
        """Read a study.

        Raises:
            ViewDistillError: The file is missing or invalid.
        """
        if not path.exists():
            raise ViewDistillError(f"{path}: no such study; the shipped ones are in {ABLATIONS}")
        content = read_yaml(path)
        try:
            return cls._parse(content, path)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ViewDistillError(f"{path}: not a study ({type(error).__name__}: {error})") from error

    @classmethod
    def _parse(cls, content: dict[str, Any], path: Path) -> "Study":
        known = {"stages", "options", *(f.name for f in fields(cls))}
        if unknown := sorted(set(content) - known):
            raise ValueError(f"unknown keys {', '.join(unknown)}")
        if content["id"] != path.stem:
            raise ValueError(f"its id is {content['id']}, its file's name {path.stem}")
        arms = tuple(_arm(name, arm or {}, content) for name, arm in content["arms"].items())
        if content["reference"] not in {arm.name for arm in arms}:
            raise ValueError(f"the reference {content['reference']} is not one of its arms")
        if len({arm.at is None for arm in arms}) > 1:
            raise ValueError("some arms have a place on the axis (at) and some have none")
        columns = tuple(Column(**column) for column in content["columns"])
        if wrong := [column.better for column in columns if column.better not in ("higher", "lower")]:
            raise ValueError(f"better is {wrong[0]}, not higher or lower")
        objects = content.get("objects", "test seeds")
        if objects not in ("test seeds", "examples"):
            raise ValueError(f"objects is {objects}, not test seeds or examples")
        if objects == "examples" and any(arm.elevation is not None for arm in arms):
            raise ValueError("the examples have elevations of their own; leave out those of the arms")
        protocols = tuple(map(str, content.get("protocols", ["surface"])))
        if wrong := [name for name in protocols if name not in PROTOCOL_NAMES]:
            raise ValueError(f"unknown protocol {wrong[0]}, not one of {', '.join(PROTOCOL_NAMES)}")
        return cls(
            id=str(content["id"]),
            question=str(content["question"]),
            reference=str(content["reference"]),
            arms=arms,
            columns=columns,
            axis=str(content.get("axis", "")),
            input_view=bool(content.get("input_view", False)),
            field_views=bool(content.get("field_views", False)),
            protocols=protocols,
            objects=objects,
        )


def _arm(name: str, arm: dict[str, Any], study: dict[str, Any]) -> Arm:
    if unknown := sorted(set(arm) - {"stages", "options", "elevation", "at", "line"}):
        raise ValueError(f"arm {name}: unknown keys {', '.join(unknown)}")
    stages = tuple(arm.get("stages", study["stages"]))
    given = [study.get("options", {}), arm.get("options", {})]
    for stage in (*stages, *given[0], *given[1]):
        if stage not in KNOWN_STAGES:
            raise ValueError(f"arm {name}: unknown stage {stage}")
    if idle := sorted(set(given[1]) - set(stages)):
        raise ValueError(f"arm {name}: options of {', '.join(idle)}, which it does not run")
    options = {stage: [str(option) for part in given for option in part.get(stage, [])] for stage in stages}
    if "/" in name or name.startswith("."):
        raise ValueError(f"arm {name}: the name becomes a folder's; no slash, no dot in front")
    elevation, at = (None if arm.get(key) is None else float(arm[key]) for key in ("elevation", "at"))
    return Arm(name, stages, options, elevation, at, str(arm.get("line", "")))
