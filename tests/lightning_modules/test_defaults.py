"""A setting has one default: what a class or a dataclass has is what the shipped YAML says, but for listed ones."""

import inspect
from collections.abc import Iterator
from dataclasses import is_dataclass
from importlib import import_module
from typing import Any, get_args, get_type_hints

import pytest
import yaml

from commands.inputs.input_settings import InputSettings
from commands.stages.mesh_settings import MeshStageSettings
from datamodules.cameras import CameraSampler
from datamodules.refined_views import RefinedViewRays, ViewWeights
from lightning_modules.checkpoints import plain_settings
from lightning_modules.radiance_field import RadianceField
from lightning_modules.surface import Surface
from viewdistill.mesh.from_field import MeshSettings
from viewdistill.resources import REPOSITORY

CONFIGS = REPOSITORY / "configs"
STAGES: dict[str, tuple[Any, Any]] = {"field": (RadianceField, CameraSampler), "surface": (Surface, RefinedViewRays)}
SHIPPED = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
OWN = ("viewdistill", "datamodules", "lightning_modules", "callbacks")
"""Packages whose defaults are compared."""

SEVERAL = "a class of several YAMLs, which differ in this; its default serves the others"
PUBLISHED = "the default is the paper's, for priors of the published size; the YAML has the embedded ones'"
DIFFERENT = {
    "autoencoder.data.batches.size": SEVERAL,
    "lifting.data.batches.size": SEVERAL,
    "lifting.data.views": SEVERAL,
    "lifting.data.with_reference": SEVERAL,
    "lifting.data.latent_views": SEVERAL,
    "lifting.data.pictures": SEVERAL,
    "text_to_image.data.batches.validation": SEVERAL,
    "view_synthesis.data.batches.size": SEVERAL,
    **{
        f"{stage}.model.sampling.{name}": PUBLISHED
        for stage in ("class_images", "novel_views", "picture")
        for name in ("scheduler", "spacing", "steps")
    },
    "specialize_1.model.rank": SEVERAL,
    "specialize_1.callbacks.FiniteGuard.advice": SEVERAL,
    "specialize_2.callbacks.FiniteGuard.advice": SEVERAL,
    "specialize_1.model.learning_rate": PUBLISHED,
    "specialize_2.model.learning_rate": PUBLISHED,
    "views.model.refinement.timestep": PUBLISHED,
    "views.model.refinement.guidance_scale": PUBLISHED,
}
"""Settings of a YAML that differ from the default of their class → why."""

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


def in_both(node: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    """Settings of the own classes that a YAML names: place, what the YAML says, the class's default."""
    if isinstance(node, list):
        for entry in node:
            yield from in_both(entry, place)
    if not isinstance(node, dict):
        return
    module, _, name = node.get("class_path", "").rpartition(".")
    if module.split(".")[0] in OWN:
        here = f"{place}.{name}" if place.endswith(".callbacks") else place
        yield from of_class(getattr(import_module(module), name), node.get("init_args") or {}, here)
    elif not module:
        for key, value in node.items():
            yield from in_both(value, place if key == "trainer" else f"{place}.{key}")


def of_class(kind: Any, settings: dict[str, Any], place: str, given: Any = None) -> Iterator[tuple[str, Any, Any]]:
    """The same of one class, and of the dataclasses among its arguments.

    Args:
        kind: The class.
        settings: What the YAML says.
        place: Of these settings.
        given: The instance that is the default, of a dataclass.
    """
    hints, parameters = get_type_hints(kind.__init__), inspect.signature(kind).parameters
    for name, value in settings.items():
        default = parameters[name].default if given is None else getattr(given, name)
        here, inner = f"{place}.{name}", dataclass_in(hints[name])
        if isinstance(value, dict) and "class_path" not in value and inner is not None:
            yield from of_class(inner, value, here, default if is_dataclass(default) else None)
        elif default is not inspect.Parameter.empty:
            plain = plain_settings(default)
            yield here, value, [*plain] if isinstance(plain, tuple) else plain


def dataclass_in(hint: Any) -> Any:
    """The dataclass of an annotation, also of one that may be absent."""
    return hint if is_dataclass(hint) else next(filter(None, map(dataclass_in, get_args(hint))), None)


@pytest.mark.parametrize("stage", SHIPPED)
def test_a_default_differs_from_the_yaml_only_where_it_is_listed(stage: str) -> None:
    config = yaml.safe_load((CONFIGS / f"{stage}.yaml").read_text(encoding="utf-8"))
    compared = list(in_both(config, stage))
    assert compared or stage in ("input", "mesh")  # whose dataclasses have no defaults
    different = {place for place, said, default in compared if said != default}
    assert different == {place for place in DIFFERENT if place.startswith(f"{stage}.")}


def test_the_plain_stages_have_their_defaults_in_the_yaml_alone() -> None:
    for settings in (InputSettings, MeshStageSettings):
        assert all(p.default is inspect.Parameter.empty for p in inspect.signature(settings).parameters.values())
    mesh = yaml.safe_load((CONFIGS / "mesh.yaml").read_text(encoding="utf-8"))
    assert MeshSettings() == MeshStageSettings(**mesh).sizes
