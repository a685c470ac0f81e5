"""The presets within zero123-xl, for GPUs of some memory and other priors: each changes something that is there."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands.inputs.input_settings import SHIPPED, InputSettings
from commands.pipeline.recipe import Recipe
from commands.stages.fitting import StageCLI, StageRun
from commands.stages.plain_settings import read_settings
from datamodules.runs.run_folder import RunFolder
from viewdistill import resources
from viewdistill.resources import REPOSITORY

# Of pytorch-lightning, about its own use of jsonargparse.
pytestmark = pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")

CONFIGS = REPOSITORY / "configs"
BASE = CONFIGS / "presets" / "zero123-xl"
OVERLAYS = sorted(path.relative_to(BASE) for path in BASE.glob("*/*.yaml"))
OF_INPUT = [overlay for overlay in OVERLAYS if overlay.stem == "input"]
OF_LIGHTNING = [overlay for overlay in OVERLAYS if overlay not in OF_INPUT]


def changes(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def assert_holds(settings: Any, changed: Any) -> None:
    """Every changed value is in the resolved settings."""
    if isinstance(changed, dict):
        for name, value in changed.items():
            assert_holds(settings[name], value)
    else:
        assert settings == changed


@pytest.mark.parametrize("overlay", OF_LIGHTNING, ids=str)
def test_overlay_is_read_on_top_of_its_preset(run_folder: RunFolder, overlay: Path) -> None:
    stage = overlay.stem
    shipped, base = CONFIGS / f"{stage}.yaml", BASE / overlay.name
    files = [f"--config={path}" for path in (shipped, base, BASE / overlay)]
    quiet = ["--trainer.accelerator=cpu", "--trainer.logger=false", f"--data.run_folder={run_folder.root}"]
    cli = StageCLI(StageRun(run_folder.stage(stage), "disc"), [*files, *quiet])
    settings = yaml.safe_load(cli.dump())
    assert_holds(settings, changes(BASE / overlay))


@pytest.mark.parametrize("overlay", OF_INPUT, ids=str)
def test_overlay_of_the_input_is_read_on_top_of_its_preset(overlay: Path) -> None:
    settings = read_settings(InputSettings, SHIPPED, [BASE / overlay.name, BASE / overlay])
    assert_holds(asdict(settings), changes(BASE / overlay))


def test_there_is_a_preset_for_every_common_size_and_family() -> None:
    sizes, families = {"8gb", "12gb", "16gb", "24gb", "40gb"}, {"stable-zero123", "text"}
    assert {path.parent.name for path in OVERLAYS} == sizes | families


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("zero123-xl/12gb", ["zero123-xl/field.yaml", "zero123-xl/12gb/field.yaml"]),
        ("zero123-xl/16gb", ["zero123-xl/field.yaml"]),
        ("zero123-xl", ["zero123-xl/field.yaml"]),
        ("nano", []),
        (None, []),
    ],
)
def test_the_size_is_put_on_top_of_the_preset(preset: str | None, expected: list[str]) -> None:
    assert Recipe(preset).overlays("field") == [resources.PRESETS / path for path in expected]
