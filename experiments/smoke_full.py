"""Real sizes without real weights: two steps of every stage of every full-size preset on a CPU.

Shows that the stages take priors of the size of Stable Diffusion 2.1-base, Zero123-XL and Stable-Zero123 with the
settings of the presets, how long a step then is, and that it fits into memory. Run it with `make smoke-full`; the
random priors (5 GB in half precision) are made once and kept. A preset within another runs the stages that it changes,
on a copy of the other's run. What each stage costs is written to ``smoke.json`` as it ends, beside what is there of
other stages; `experiments.reporting.smoke_table` puts it into a page. In fp32 the field needs 23 GB; --precision bf16
halves the priors' memory. --tiny takes priors and sizes of a thousandth, for tests.
"""

import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from commands import options
from commands.arguments import add_out_argument
from commands.main import main as viewdistill
from commands.parsing import OneLineParser
from commands.pipeline.recipe import Recipe
from datamodules.runs.run_folder import RunFolder, read_json, write_json
from datamodules.runs.stages import STAGES
from experiments.random_priors import PARTS, STABLE_PRIOR, TEXT_PRIOR, TINY_PARTS, VIEW_PRIOR, make_priors
from experiments.script import parse_request, run_script, script_parser
from viewdistill import resources
from viewdistill.errors import ViewDistillError
from viewdistill.precision import DTYPES, Precision
from viewdistill.resources import REPOSITORY

FULL = "zero123-xl"
"""The preset that all the others are read on top of."""

WHOLE_ROUTE = tuple(name for name in STAGES if name not in ("picture", "report"))
"""Stages of the run, in order; the picture of a text comes after them, in a run of its own."""

CALLBACKS = [{"class_path": f"callbacks.{name}"} for name in ("finite_guard.FiniteGuard", "step_cost.StepCost")]
"""Of fits, without those that draw: a sample at full size takes a CPU an hour."""

LORA_CALLBACKS = [*CALLBACKS, {"class_path": "callbacks.lora_weights.LoraWeights"}]

FIT = {"max_steps": 2, "log_every_n_steps": 1, "limit_val_batches": 0, "callbacks": CALLBACKS}
LORA_FIT = {"max_steps": 2, "log_every_n_steps": 1, "callbacks": LORA_CALLBACKS}
TWO_STEPS = {"sampling": {"steps": 2}}
ONE = {"count": 1, "images_per_batch": 1}

SHORT: Mapping[str, Mapping[str, Any]] = {
    "picture": {"model": TWO_STEPS, "data": {**ONE, "index": 0}},
    "field": {"trainer": FIT},
    "novel_views": {"model": TWO_STEPS, "data": ONE},
    "class_images": {"model": TWO_STEPS, "data": ONE},
    "specialize_1": {"trainer": LORA_FIT},
    "specialize_2": {"trainer": LORA_FIT},
    # leading timesteps of five steps: those up to 200 are two
    "views": {"model": {"refinement": {"steps": 5}}, "data": {"count": 1, "views_per_batch": 1}},
    "surface": {"trainer": FIT},
}
"""Stage → settings for two steps, by part of the YAML."""

SMALL: Mapping[str, Mapping[str, Any]] = {
    "field": {
        "model": {
            "field": {"grid": {"log2_hashmap_size": 10}, "n_samples_per_ray": 64},
            "view_size": 64,
            "patch_size": 16,
            "input_size": 16,
        }
    },
    "specialize_1": {"data": {"image_size": 64}},
    "specialize_2": {"data": {"image_size": 64}},
    "views": {"data": {"image_size": 64}},
    "surface": {
        "model": {
            "surface": {"grid": {"log2_hashmap_size": 10}, "occupancy_resolution": 16, "n_samples_per_ray": 64},
            "view_size": 16,
            "eikonal_points": 16,
        },
        "data": {"rays_per_step": 128, "input_rays": 32, "input_size": 32},
    },
}
"""Stage → sizes of --tiny."""

MESH = {"resolution": 128, "faces": 20_000, "texture_size": 512}
"""Of the mesh in both modes: marching cubes at 512 nodes asks a field on a CPU for half an hour."""


@dataclass(frozen=True)
class Request:
    """Options of this script."""

    out: Path = Path("runs/smoke-full")
    """Folder to write to."""
    image: Path = REPOSITORY / "examples" / "robot.png"
    """Input image."""
    tiny: bool = False
    """Whether priors and sizes are a thousandth."""
    presets: tuple[str, ...] = ()
    """Presets to run, in order; all that are full-size when not given."""
    stages: tuple[str, ...] = ()
    """Stages to run of each; all that it has a say in when not given."""
    precision: Precision = "fp32"
    """Number format of the priors."""


def build_parser() -> OneLineParser:
    """Build the parser of the options."""
    parser = script_parser("smoke_full", __doc__)
    add_out_argument(parser, Request.out)
    parser.add_argument("--image", type=options.existing_file, default=Request.image, metavar="IMG", help="input image")
    parser.add_argument("--tiny", action="store_true", help="priors and sizes of a thousandth, in this process")
    parser.add_argument(
        "--presets",
        nargs="+",
        default=(),
        choices=full_presets(),
        metavar="NAME",
        help=f"presets (default: {FULL} and all within)",
    )
    parser.add_argument(
        "--stages",
        nargs="+",
        default=(),
        choices=(*WHOLE_ROUTE, "picture"),
        metavar="STAGE",
        help="stages (default: all that a preset has a say in)",
    )
    parser.add_argument(
        "--precision",
        choices=tuple(DTYPES),
        default=Request.precision,
        help="number format of the priors (default %(default)s)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the experiment; returns the exit status."""
    return run_script("smoke_full", lambda: run(parse_request(build_parser(), Request, argv)))


def full_presets() -> list[str]:
    """Presets for published weights, the one that the others lie in first."""
    return [name for name in resources.presets() if name.split("/")[0] == FULL]


def run(request: Request) -> None:
    """Make the priors, run all stages of all presets, print and write what they cost.

    Raises:
        ViewDistillError: A stage failed.
    """
    smoke = Smoke(request)
    make_priors(smoke.priors, TINY_PARTS if request.tiny else PARTS)
    for preset in request.presets or full_presets():
        for stage, figures in smoke.run_preset(preset):
            listed = ", ".join(f"{name} {value}" for name, value in figures.items())
            print(f"{preset} {stage}: {listed}", flush=True)
            add_costs(request.out / "smoke.json", preset, stage, figures)


def add_costs(path: Path, preset: str, stage: str, figures: Mapping[str, Any]) -> None:
    """Write what a stage cost beside what is known of others."""
    costs = read_json(path) if path.is_file() else {}
    costs.setdefault(preset, {})[stage] = figures
    write_json(path, costs)


class Smoke:
    """Runs stages with random priors and short settings.

    Args:
        request: Options of the script.
    """

    def __init__(self, request: Request) -> None:
        self.request, self.out = request, request.out
        self.priors = request.out.resolve() / "priors"

    def run_preset(self, preset: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Run what a preset has a say in; yield what each stage cost as it ends."""
        folder = RunFolder(self.out / preset.replace("/", "-"))
        stages = [stage for stage in stages_of(preset) if not self.request.stages or stage in self.request.stages]
        if preset != FULL and stages:
            shutil.copytree(self.out / FULL, folder.root, dirs_exist_ok=True)
        for stage in stages:
            shutil.rmtree(folder.stage(stage), ignore_errors=True)
            before = cpu_seconds()
            self.run_stage(preset, stage, folder)
            spent = {"cpu_seconds": cpu_seconds() - before, "precision": self.request.precision}
            yield stage, cost(folder, stage) | spent

    def run_stage(self, preset: str, stage: str, folder: RunFolder) -> None:
        """Run one stage through its subcommand, in a process of its own, whose peak of memory is then its own.

        Raises:
            ViewDistillError: It failed.
        """
        overlay = self.out / "overlays" / preset / f"{stage}.yaml"
        overlay.parent.mkdir(parents=True, exist_ok=True)
        overlay.write_text(yaml.safe_dump(self.settings(preset, stage)), encoding="utf-8")
        recipe = Recipe(preset, class_word="robot", elevation=20.0, options=((stage, (f"--config={overlay}",)),))
        subject = "a toy robot" if stage == "picture" else self.request.image
        words = recipe.command(stage, subject, folder.root)
        status = (
            viewdistill(words) if self.request.tiny else subprocess.call([sys.executable, "-m", "commands", *words])
        )
        if status != 0:
            raise ViewDistillError(f"{preset}: {stage} ended with status {status}; its message is above")

    def settings(self, preset: str, stage: str) -> dict[str, Any]:
        """The overlay of a stage: random priors, their precision, few steps, and with --tiny small sizes."""
        if stage == "mesh":
            return MESH | ({"resolution": 32, "texture_size": 64, "faces": 500} if self.request.tiny else {})
        view = str(self.priors / (STABLE_PRIOR if preset.endswith(STABLE_PRIOR) else VIEW_PRIOR))
        text, precision = str(self.priors / TEXT_PRIOR), self.request.precision
        if stage == "input":
            return both(view, text, precision)
        content: dict[str, Any] = {"trainer": {"accelerator": "cpu", "logger": False}, "model": {}, "data": {}}
        merge(content["model"], MODEL_PRIORS[stage](view, text, precision))
        for more in (SHORT, SMALL) if self.request.tiny else (SHORT,):
            merge(content, more.get(stage, {}))
        if stage == "class_images":
            content["data"]["cache"] = str(self.out / "cache")
        return {name: part if name == "trainer" else {"init_args": part} for name, part in content.items()}


def both(view: str, text: str, precision: Precision) -> dict[str, Any]:
    """Settings of a stage that reads both priors."""
    return {"view_prior": view, "text_prior": text, "precision": precision}


def text_only(view: str, text: str, precision: Precision) -> dict[str, Any]:
    """Settings of a stage that reads the text-conditioned prior."""
    return {"prior": text, "precision": precision}


MODEL_PRIORS: Mapping[str, Callable[[str, str, Precision], dict[str, Any]]] = {
    **dict.fromkeys(("picture", "class_images", "specialize_1", "specialize_2", "views"), text_only),
    "field": lambda view, text, precision: {"guidance": both(view, text, precision)},
    "novel_views": both,
    "surface": lambda view, text, precision: {"reference": {"text_prior": text, "precision": precision}},
}
"""Stage → how its model's settings name priors."""


def merge(content: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add nested settings to others; those that are added win."""
    for name, value in more.items():
        if isinstance(value, Mapping):
            merge(content.setdefault(name, {}), value)
        else:
            content[name] = value


def stages_of(preset: str) -> tuple[str, ...]:
    """Stages that a preset has a say in: all, or of a preset within another those that it changes."""
    if preset == FULL:
        return (*WHOLE_ROUTE, "picture")
    folder = resources.PRESETS / preset
    return tuple(name for name in WHOLE_ROUTE if (config := STAGES[name].config) and (folder / config).is_file())


def cpu_seconds() -> float:
    """Seconds that this process and those that it waited for computed, on all cores: what others do leaves it alone."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def cost(folder: RunFolder, stage: str) -> dict[str, float]:
    """Seconds of the stage, its peak of memory (GB), and of a fit the seconds of its last step and its loss."""
    record = read_json(folder.record(stage))
    metrics: Mapping[str, float] = record["figures"].get("metrics", {})
    figures = {"seconds": record["seconds"], "peak_memory_gb": record["peak_memory_mb"] / 1000}
    named: Iterable[tuple[str, str]] = (("step_seconds", "cost/step_seconds"), ("loss", "loss"))
    return figures | {name: metrics[key] for name, key in named if key in metrics}


if __name__ == "__main__":
    sys.exit(main())
