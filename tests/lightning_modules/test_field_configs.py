"""Every shipped configuration of the field stage parses and takes a real step with a tiny prior."""

from pathlib import Path

import pytest
import yaml

from commands.stages.fitting import StageCLI, StageRun
from datamodules.runs.run_folder import RunFolder
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY

# Of pytorch-lightning, about its own use of jsonargparse.
pytestmark = pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")

CONFIGS = REPOSITORY / "configs"
SMALL = [
    "--trainer.accelerator=cpu",
    "--trainer.fast_dev_run=true",
    "--trainer.logger=false",
    "--trainer.enable_progress_bar=false",
    "--model.init_args.view_size=16",
    "--model.init_args.coarseness=2",
    "--model.init_args.field.n_samples_per_ray=32",
    "--model.init_args.field.grid.log2_hashmap_size=10",
]


def build(folder: RunFolder, overlays: list[str], settings: list[str]) -> StageCLI:
    files = [CONFIGS / "field.yaml", *(CONFIGS / "presets" / preset / "field.yaml" for preset in overlays)]
    stage = StageRun(folder.stage("field"), "disc-field")
    return StageCLI(stage, [*(f"--config={file}" for file in files), f"--data.run_folder={folder.root}", *settings])


def priors(folder: Path, precision: str) -> list[str]:
    return [
        f"--model.init_args.guidance.view_prior={folder / 'zero123'}",
        f"--model.init_args.guidance.text_prior={folder / 'stable-diffusion'}",
        f"--model.init_args.guidance.precision={precision}",
    ]


@pytest.mark.parametrize("overlays", [[], ["ablation"], ["debug"], ["zero123-xl"], ["zero123-xl", "debug"]])
def test_shipped_configuration_takes_a_step(
    run_folder: RunFolder, tiny_prior_folder: Path, overlays: list[str]
) -> None:
    precision = "fp32" if "zero123-xl" in overlays else "auto"  # fp16 convolutions are for GPUs
    patch = ["--model.init_args.patch_size=8"] if overlays == ["zero123-xl"] else []
    cli = build(run_folder, overlays, [*priors(tiny_prior_folder, precision), *SMALL, *patch])
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    assert cli.trainer.global_step == 1
    assert cli.trainer.callback_metrics["loss/score"] > 0


def test_every_field_preset_is_tested() -> None:
    presets = {path.parent.name for path in (CONFIGS / "presets").glob("*/field.yaml")}
    assert presets == {"ablation", "debug", "zero123-xl"}


def test_the_paper_preset_has_the_papers_numbers() -> None:
    preset = yaml.safe_load((CONFIGS / "presets" / "zero123-xl" / "field.yaml").read_text(encoding="utf-8"))
    model = preset["model"]["init_args"]
    assert preset["trainer"]["max_steps"] == 15_000
    assert model["guidance"]["scale"] == 7.5
    assert model["weights"]["sparsity"] == 10
    opaque = model["weights"]["opaque"]
    assert round(opaque["begin"] * 15_000) == 10_000
    assert round(opaque["end"] * 15_000) == 10_001
    assert opaque["final"] == 1000


def test_unknown_setting_is_refused(run_folder: RunFolder) -> None:
    with pytest.raises(ViewDistillError, match="guidence"):
        build(run_folder, [], ["--model.init_args.guidence.method=usd"])


def test_unknown_method_is_refused(run_folder: RunFolder) -> None:
    with pytest.raises(ViewDistillError, match="method"):
        build(run_folder, [], ["--model.init_args.guidance.method=magic"])
