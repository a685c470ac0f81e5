"""Every setting of the full-size preset is told of, and the page is what the script prints."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from commands.stages.cli import StageCLI, StageRun
from datamodules.runs.stages import STAGES
from experiments.pages import table_of_page
from experiments.preset_settings import Setting, settings
from experiments.presets_table import NAME, main, tables
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY

# Of pytorch-lightning, about its own use of jsonargparse.
pytestmark = pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")

CONFIGS = REPOSITORY / "configs"
FULL = CONFIGS / "presets" / "zero123-xl"
CONFIGURED = [stage.config for stage in STAGES.values() if stage.config is not None]
PLAIN = ("input.yaml", "mesh.yaml")
ARGUMENTS = {"run_folder", "text"}
"""Of data modules, given by the command line."""


def names(nested: Any, path: str = "") -> set[str]:
    """Dotted names of the settings of a configuration, as `settings` has them."""
    if not isinstance(nested, dict) or not nested:
        return {path}
    found: set[str] = set()
    for name, value in nested.items():
        if name != "class_path":
            found |= names(value, path if name == "init_args" else f"{path}.{name}".removeprefix("."))
    return found


def resolved(config: str, folder: Path) -> set[str]:
    """Names of what a stage is run with: everything, but of the trainer what the shipped YAML names."""
    shipped = yaml.safe_load((CONFIGS / config).read_text(encoding="utf-8"))
    if config in PLAIN:
        return names(shipped)
    files = [f"--config={path}" for path in (CONFIGS / config, FULL / config)]
    required = ["--data.text=a red mug"] if config == "picture.yaml" else []
    given = [f"--data.run_folder={folder}", "--trainer.logger=false", *required]
    content = yaml.safe_load(StageCLI(StageRun(folder, "disc"), [*files, *given], resolve_only=True).dump())
    parts = {part: content[part] for part in ("seed_everything", "model", "data")}
    found = names(parts | {"trainer": shipped["trainer"]})
    return found - {f"data.{name}" for name in ARGUMENTS}


@pytest.mark.parametrize("config", CONFIGURED)
def test_every_setting_of_a_stage_is_told_of(tmp_path: Path, config: str) -> None:
    told = {setting.name for setting in settings(FULL / config)}
    silent = {name for name in resolved(config, tmp_path) if not any(f"{name}.".startswith(f"{t}.") for t in told)}
    assert not silent


def test_the_page_is_what_the_script_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    page = table_of_page(REPOSITORY / "docs" / "presets.md", NAME)
    assert page == capsys.readouterr().out, "run `python -m experiments.presets_table --out docs/presets.md`"


def test_the_three_forms_of_a_comment(tmp_path: Path) -> None:
    path = tmp_path / "stage.yaml"
    path.write_text(
        "model:\n  init_args:\n    scale: 7.5  # official\n    range: [1, 2]  # official 3: too wide\n"
        "trainer:\n  callbacks:  # ours: watch\n    - class_path: callbacks.curves.Curves\n"
    )
    assert settings(path) == [
        Setting("model.scale", "7.5", "7.5", ""),
        Setting("model.range", "[1, 2]", "3", "too wide"),
        Setting("trainer.callbacks", "Curves", "–", "watch"),
    ]


@pytest.mark.parametrize("comment", ["", "  # faster", "  # official 3", "  # ours:", "  # officially"])
def test_a_setting_without_a_reason_is_refused(tmp_path: Path, comment: str) -> None:
    path = tmp_path / "stage.yaml"
    path.write_text(f"# Why.\nscale: 7.5{comment}\n")
    with pytest.raises(ViewDistillError, match=r"stage.yaml:2: scale ends in no `# official`"):
        settings(path)


def test_what_differs_from_the_paper_in_the_surface_has_a_reason() -> None:
    surface = {setting.name: setting for setting in settings(FULL / "surface.yaml")}
    differing = {name for name, setting in surface.items() if setting.official not in (setting.value, "–")}
    assert differing == {
        "seed_everything",
        "checkpoint_every",
        "trainer.val_check_interval",
        "trainer.log_every_n_steps",
        "trainer.precision",
        "model.seed",
        "model.surface.sphere_radius",
        "model.surface.precision",
        "model.surface.alpha_threshold",
        "model.surface.early_stop",
        "data.rays_per_step",
        "data.seed",
    }
    assert tables().count("| model.reference.method | `refsd` | `refsd` |  |") == 1
