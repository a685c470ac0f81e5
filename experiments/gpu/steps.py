"""Steps of the field on a GPU: time by phase, peak memory, and what each setting changes."""

from __future__ import annotations

import gc
import statistics
from pathlib import Path
from typing import Any

import jsonargparse
import pytorch_lightning as pl
import torch

from callbacks.phase_profile import PhaseProfile
from commands.profiling.trace import phase_table
from datamodules.cameras import CameraSampler
from datamodules.runs.run_folder import RunFolder
from experiments.gpu.commands import viewdistill
from experiments.gpu.part_figures import PartFigures
from experiments.random_priors import make_priors
from lightning_modules.radiance_field import RadianceField
from viewdistill.documents import read_yaml
from viewdistill.resources import REPOSITORY

CONFIGS = REPOSITORY / "configs"
FULL = CONFIGS / "presets" / "zero123-xl"
MEMORY = (8, 12, 16, 24, 40)
"""GPUs for which there are presets, GB."""

FULL_STEPS = 15_000
"""Of the paper's fit."""

Variant = tuple[str, list[Path], dict[str, Any]]
"""A name, overlays on configs/field.yaml, and changes of the guidance's settings."""


def steps(figures: PartFigures, out: Path, dry_run: bool) -> None:
    """The field's step of the embedded priors and at full size, in each precision, compiled, offloaded, by memory."""
    run = RunFolder(out / "steps")
    viewdistill("input", REPOSITORY / "examples" / "robot.png", "--out", run.root)
    for variant in tiny_variants() if dry_run else embedded_variants():
        figures.add(**{variant[0]: measure(run, variant, dry_run)})
    priors = full_size_priors(out, dry_run)
    for name, files, changes in tiny_variants("full fp16") if dry_run else full_size_variants():
        limit = int(name.split()[0]) if name.endswith("GB") else None
        measured = measure(run, (name, files, priors | changes), dry_run, limit)
        if name == "full fp16":
            measured["hours of 15,000 steps"] = measured.get("step_ms", 0.0) * FULL_STEPS / 3.6e6
        figures.add(**{name: measured})


def tiny_variants(name: str = "nano fp32") -> list[Variant]:
    """For a dry run: single precision, since half takes a CPU seconds."""
    return [(name, [CONFIGS / "presets" / "debug" / "field.yaml"], {"precision": "fp32"})]


def embedded_variants() -> list[Variant]:
    """The embedded priors in each precision."""
    return [(f"nano {precision}", [], {"precision": precision}) for precision in ("fp32", "bf16", "fp16")]


def full_size_variants() -> list[Variant]:
    """Full size in each precision, offloaded, by the presets of memory, and compiled."""
    full = FULL / "field.yaml"
    variants: list[Variant] = [
        (f"full {precision}", [full], {"precision": precision}) for precision in ("fp16", "bf16", "fp32")
    ]
    variants += [("full fp16, offloaded", [full], {"offload": True})]
    for size in MEMORY:
        overlay = FULL / f"{size}gb" / "field.yaml"
        variants += [(f"{size} GB", [full, *([overlay] if overlay.is_file() else [])], {})]
    return [*variants, ("full fp16, compiled", [full], {"compile": "inductor"})]


def full_size_priors(out: Path, dry_run: bool) -> dict[str, str]:
    """Priors of the published sizes with random weights, made on the device; the embedded ones for a dry run."""
    if dry_run:
        nano = REPOSITORY / "priors" / "nano"
        return {"view_prior": str(nano / "zero123"), "text_prior": str(nano / "stable-diffusion"), "method": "usd"}
    folder = out / "priors"
    with torch.device("cuda"):
        make_priors(folder)
    return {"view_prior": str(folder / "zero123-xl"), "text_prior": str(folder / "stable-diffusion-2-1-base")}


def measure(run: RunFolder, variant: Variant, dry_run: bool, limit_gb: int | None = None) -> dict[str, Any]:
    """Milliseconds and peak memory of a variant's step, and its phases; a variant that does not fit says so."""
    on_gpu = torch.cuda.is_available()
    gc.collect()
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, (limit_gb or 1e6) * 1e9 / total))
    times, counts = run.root / "times.json.gz", run.root / "counts.json.gz"
    profile = PhaseProfile(times, counts, warmup=1 if dry_run else 4, steps=1 if dry_run else 8)
    try:
        fit(run, variant, profile)
    except torch.OutOfMemoryError as error:
        return {"out of memory": str(error).splitlines()[0]}
    table = phase_table(times, counts)
    column = "device_milliseconds" if on_gpu else "milliseconds"
    peak = torch.cuda.max_memory_reserved() / 1e9 if on_gpu else 0.0
    phases = {name: round(getattr(cost, column), 2) for name, cost in table.phases.items()}
    return {"step_ms": 1e3 * statistics.median(profile.step_seconds), "peak_gb": peak} | phases


def fit(run: RunFolder, variant: Variant, profile: Any) -> None:
    """The profiled steps of a field with a variant's settings."""
    settings = settings_of(variant)
    parser = field_parser()
    built = parser.instantiate_classes(parser.parse_object(settings["model"]["init_args"]))
    data = settings["data"].get("init_args", {}) | {"run_folder": str(run.root)}
    trainer = pl.Trainer(
        accelerator="gpu" if torch.cuda.is_available() else "cpu",
        devices=1,
        max_steps=settings["trainer"]["max_steps"],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        default_root_dir=run.root,
        callbacks=[profile],
    )
    sampler = data_parser().instantiate_classes(data_parser().parse_object(data))
    trainer.fit(RadianceField(**built), datamodule=CameraSampler(**sampler))


def settings_of(variant: Variant) -> dict[str, Any]:
    """The shipped settings with a variant's overlays and changes."""
    _, files, changes = variant
    settings: dict[str, Any] = {}
    for path in [CONFIGS / "field.yaml", *files]:
        merge(settings, read_yaml(path))
    settings["model"]["init_args"]["guidance"] |= changes
    return settings


def field_parser() -> Any:
    """Checks settings of the field's module, and builds what they name."""
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(RadianceField, None)
    return parser


def data_parser() -> Any:
    """Checks settings of the field's cameras, and builds what they name."""
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(CameraSampler, None)
    return parser


def merge(settings: dict[str, Any], overlay_settings: dict[str, Any]) -> None:
    """Put an overlay on settings, key by key."""
    for key, value in overlay_settings.items():
        if isinstance(value, dict) and isinstance(settings.get(key), dict):
            merge(settings[key], value)
        else:
            settings[key] = value


def official_ratio(figures: PartFigures, out: Path, dry_run: bool) -> None:
    """Measure the speed-up of a `usd` step's UNets over the official code's eight evaluations."""
    # Here and not above: a repository's tests are no part of an installation.
    from tests.benchmarks import pairs, test_guidance_benchmark

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    priors = full_size_priors(out, dry_run)
    dtype = torch.float32 if dry_run else torch.float16
    problem = test_guidance_benchmark.Problem(
        Path(priors["view_prior"]), Path(priors["text_prior"]), device=device, dtype=dtype
    )
    rounds = 1 if dry_run else 7
    measured = pairs.ratio(problem.usd_evaluations, problem.official_evaluations, rounds)
    figures.add(usd_against_official=measured)
