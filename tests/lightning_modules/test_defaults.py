"""A setting of the fitted stages has one default: that of the dataclass is that of the shipped YAML."""

import inspect
from typing import Any

import pytest
import yaml

from datamodules.cameras import CameraSampler
from datamodules.refined_views import RefinedViewRays, ViewWeights
from lightning_modules.checkpoints import plain_settings
from lightning_modules.radiance_field import RadianceField
from lightning_modules.surface import Surface
from viewdistill.resources import REPOSITORY

CONFIGS = REPOSITORY / "configs"
STAGES: dict[str, tuple[Any, Any]] = {"field": (RadianceField, CameraSampler), "surface": (Surface, RefinedViewRays)}
OVERLAYS = sorted(path for name in STAGES for path in (CONFIGS / "presets").rglob(f"{name}.yaml"))


def leaves(nested: Any, path: str) -> dict[str, Any]:
    """The values in nested dictionaries, by dotted path."""
    if not isinstance(nested, dict):
        return {path: [*nested] if isinstance(nested, tuple) else nested}
    return {k: v for name, value in nested.items() for k, v in leaves(value, f"{path}.{name}").items()}


def in_code(stage: str) -> dict[str, Any]:
    """Defaults of the classes that a stage's YAML names."""
    model, data = STAGES[stage]
    given = {name: p.default for name, p in inspect.signature(data).parameters.items() if name != "run_folder"}
    if "weights" in given:
        given["weights"] = plain_settings(ViewWeights())
    return leaves(dict(model().hparams), f"{stage}.model") | leaves(given, f"{stage}.data")


def in_yaml(stage: str) -> dict[str, Any]:
    """What the stage's YAML says about those classes."""
    config = yaml.safe_load((CONFIGS / f"{stage}.yaml").read_text(encoding="utf-8"))
    return {k: v for part in ("model", "data") for k, v in leaves(config[part]["init_args"], f"{stage}.{part}").items()}


@pytest.mark.parametrize("stage", STAGES)
def test_the_yaml_repeats_every_default(stage: str) -> None:
    assert in_yaml(stage) == in_code(stage)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: "/".join(path.parts[-3:]))
def test_a_preset_changes_what_the_yaml_has_and_says_why_it_is_there(overlay: Any) -> None:
    stage, text = overlay.stem, overlay.read_text(encoding="utf-8")
    assert text.startswith("# ")
    config = yaml.safe_load(text)
    known = {".".join(name.split(".")[:n]) for name in in_yaml(stage) for n in range(1, 9)}
    for part in ("model", "data"):
        changed = leaves(config.get(part, {}).get("init_args", {}), f"{stage}.{part}")
        for name in changed:  # a constant may become annealed, and a rule of the method's own be given here
            parents = {".".join(name.split(".")[:n]) for n in range(4, 9)}
            assert parents & known, name
