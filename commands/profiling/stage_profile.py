"""One stage under the profiler: its settings, its steps, what it computes in."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import ModelCheckpoint

from callbacks.gradient_probe import GradientProbe
from callbacks.phase_profile import PhaseProfile
from callbacks.prompt_grid import PromptGrid
from commands.profiling.ceilings import Ceilings, measure
from commands.profiling.request import Request
from commands.profiling.trace import PhaseTable, phase_table
from commands.requirements import require
from commands.stages.configuration import configuration, own_settings
from commands.stages.fitting import StageCLI, StageRun, build, train
from datamodules.runs.memory import peak_memory_mb
from datamodules.runs.run_folder import RunFolder
from datamodules.runs.stages import STAGES
from lightning_modules.checkpoints import load_weights, read_checkpoint
from viewdistill.errors import ViewDistillError
from viewdistill.precision import DTYPES, Precision, dtype_of, fast_bfloat16

PROBED_STEPS = 3
"""Steps whose losses and gradients are compared between precisions."""

SPARE_STEPS = PROBED_STEPS + 3
"""Steps besides the timed and the profiled ones: counted ones, and those compared between precisions."""


@dataclass(frozen=True)
class ProfiledStage:
    """Properties of a stage for the profiler."""

    needs: tuple[str, ...]
    """Stages that have to be complete, besides ``input``."""
    config: str
    """The shipped YAML."""
    precisions: tuple[str, ...]
    """Settings of precision."""
    rates: tuple[str, ...]
    """Learning rates."""


FIELD_RATES = ("model.optimizer.encoding_lr", "model.optimizer.network_lr")

PROFILED = {
    "field": ProfiledStage(
        (), "configs/field.yaml", ("model.field.precision", "model.guidance.precision"), FIELD_RATES
    ),
    "specialize_1": ProfiledStage(
        ("novel_views", "class_images"), "configs/specialize_1.yaml", ("model.precision",), ("model.learning_rate",)
    ),
    "specialize_2": ProfiledStage(
        ("novel_views", "specialize_1"), "configs/specialize_2.yaml", ("model.precision",), ("model.learning_rate",)
    ),
    "surface": ProfiledStage(
        ("views",),
        "configs/surface.yaml",
        ("model.surface.precision", "model.reference.precision"),
        (*FIELD_RATES, "model.optimizer.inverse_std_lr"),
    ),
}
"""The fitted stages."""


@dataclass(frozen=True)
class Deviation:
    """A precision beside fp32, from the same weights and the same randomness."""

    precision: str
    """By name."""
    step_ms: float
    """Median of the steps after the first."""
    speed: float
    """Steps in the time of one of fp32's."""
    loss: float
    """Largest |L - L₃₂| / |L₃₂|."""
    gradient: float
    """Largest ‖g - g₃₂‖ / ‖g₃₂‖ over all parameters."""
    cosine: float
    """Smallest cosine between g and g₃₂."""


@dataclass(frozen=True)
class StageProfile:
    """Profile of a stage."""

    stage: str
    """By name."""
    device: str
    """Device of the run."""
    threads: int
    """Of torch on the CPU."""
    precision: str
    """Precision of the networks."""
    step_ms: float
    """Median wall-clock time, without the profiler."""
    table: PhaseTable
    """Costs by phase."""
    peak_memory_mb: float
    """Peak memory of the process, or of the GPU's tensors, MB (10^6 bytes)."""
    ceilings: Ceilings
    """Of the machine."""
    deviations: tuple[Deviation, ...]
    """Precisions side by side."""


def profile_stage(request: Request, folder: RunFolder, output: Path) -> StageProfile:
    """Profile a stage.

    Args:
        request: Options of `viewdistill profile`.
        folder: The run.
        output: The profile's folder.

    Raises:
        ViewDistillError: An earlier stage is missing, or a setting is wrong.
    """
    profiled = PROFILED[request.stage]
    require(folder, *profiled.needs)
    if request.fitted and request.stage.startswith("specialize"):
        raise ViewDistillError("--fitted is for field and surface: what a LoRA has learnt does not change its steps")
    runner = StageRunner(request, folder, output)
    deviations = compare(runner, profiled, request.precisions)
    times, counts = output / "trace.json.gz", output / ".counts.json.gz"
    callback = PhaseProfile(times, counts, warmup=request.warmup, steps=request.steps)
    cli = runner.run([], callback)
    device = cli.trainer.strategy.root_device  # the model is back on the CPU by now
    precision = used_precision(cli, profiled, device)
    measured = {precision, "fp32", *(deviation.precision for deviation in deviations)}
    table = phase_table(times, counts)
    counts.unlink()
    return StageProfile(
        stage=request.stage,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
        threads=torch.get_num_threads(),
        precision=precision,
        step_ms=1000 * statistics.median(callback.step_seconds),
        table=table,
        peak_memory_mb=peak_memory(device),
        ceilings=measure(device, tuple(name for name in DTYPES if name in measured)),
        deviations=deviations,
    )


class StageRunner:
    """Builds a stage with other settings each time, and trains it until a callback says stop."""

    def __init__(self, request: Request, folder: RunFolder, output: Path) -> None:
        """Keep what all runs have in common.

        Args:
            request: Options of `viewdistill profile`.
            folder: The run.
            output: The profile's folder.
        """
        self.request, self.folder, self.output = request, folder, output

    def run(self, settings: Sequence[str], callback: Callback) -> StageCLI:
        """Train with a callback that ends it."""
        request, stage = self.request, self.request.stage
        seeds = [] if request.seed is None else [f"--model.seed={request.seed}", f"--data.seed={request.seed}"]
        lora = own_settings("model", initial_lora=str(self.folder.lora("specialize_1")))
        quiet = ["--trainer.limit_val_batches=0", "--trainer.enable_progress_bar=false"]
        own = [own_settings("data", run_folder=str(self.folder.root)), *([lora] if stage == "specialize_2" else [])]
        own += [*seeds, *quiet, *settings, *request.settings]
        cli = build(
            StageRun(self.output, f"{self.folder.root.absolute().name}-profile-{stage}"),
            configuration(request, PROFILED[stage].config, own),
            [callback],
        )
        # what is written and drawn at the end of a fit belongs to no step
        kept = [c for c in cli.trainer.callbacks if not isinstance(c, ModelCheckpoint | PromptGrid)]  # type: ignore[attr-defined]
        cli.trainer.callbacks = kept  # type: ignore[attr-defined]
        if request.fitted:
            path, remedy = self.folder.stage(stage) / "last.ckpt", command_of(stage, self.folder.root)
            load_weights(cli.model, read_checkpoint(path, remedy, "cpu")["state_dict"], path, remedy)
        # A preset may fit for fewer steps than are measured; its schedules go by its own.
        loop = cli.trainer.fit_loop.epoch_loop
        if loop.max_steps != -1:
            loop.max_steps = max(loop.max_steps, request.warmup + 2 * request.steps + SPARE_STEPS)
        train(cli.trainer, cli.model, cli.datamodule, None)
        return cli


def command_of(stage: str, root: Path) -> str:
    """Return the command that completes a stage, for messages."""
    return f"`{STAGES[stage].command(root)}`"


def compare(
    runner: StageRunner, profiled: ProfiledStage, precisions: Sequence[Precision] | None
) -> tuple[Deviation, ...]:
    """Run the same steps in several precisions, from the same weights.

    Args:
        runner: Of the stage.
        profiled: Its settings.
        precisions: Beside fp32; by default those that the processor computes fast.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if precisions is None:
        precisions = ("bf16",) if fast_bfloat16(device) else ()
    probes: dict[str, GradientProbe] = {}
    for precision in dict.fromkeys(("fp32", *precisions)):
        settings = [f"--{name}={precision}" for name in profiled.precisions]
        settings += [f"--{name}=0" for name in profiled.rates]
        probes[precision] = GradientProbe(PROBED_STEPS)
        runner.run([*settings, "--trainer.logger=false"], probes[precision])
    return tuple(deviation(name, probe, probes["fp32"]) for name, probe in probes.items())


def deviation(precision: str, probe: GradientProbe, exact: GradientProbe) -> Deviation:
    """Return the deviation of a precision from fp32."""
    milliseconds, exact_milliseconds = (1000 * statistics.median(each.seconds[1:]) for each in (probe, exact))
    losses = [abs(a - b) / max(abs(b), 1e-30) for a, b in zip(probe.losses, exact.losses, strict=True)]
    pairs = list(zip(probe.gradients, exact.gradients, strict=True))
    return Deviation(
        precision,
        milliseconds,
        exact_milliseconds / milliseconds,
        max(losses),
        max(float((a - b).norm() / b.norm()) for a, b in pairs),
        min(float(torch.nn.functional.cosine_similarity(a.double(), b.double(), dim=0)) for a, b in pairs),
    )


def used_precision(cli: StageCLI, profiled: ProfiledStage, device: torch.device) -> Precision:
    """Return the resolved precision of a stage's priors on a device."""
    settings: Any = cli.model.hparams
    for key in profiled.precisions[-1].removeprefix("model.").split("."):
        settings = settings[key]
    dtype = dtype_of(settings, device)
    return next(name for name, candidate in DTYPES.items() if candidate == dtype)


def peak_memory(device: torch.device) -> float:
    """Of the process, or of a GPU's tensors."""
    return torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else peak_memory_mb()
