"""What the full-size presets call official is what the public code has, read from it by hand, setting by setting.

The commits are those of docs/presets.md. `experiments.preset_settings` takes the official value from a YAML, so
that a value which is changed there and still called official is found here alone.
"""

from typing import Any

import pytest
import yaml

from experiments.preset_settings import settings
from viewdistill.resources import PRESETS

ALWAYS = {"initial": 0.02, "final": 0.02, "begin": 0.0, "end": 1.0}
TO_THE_END = {"initial": 0.98, "final": 0.98, "begin": 0.0, "end": 1.0}
DEMO = {
    "model.sampling.guidance_scale": 3.0,
    "model.sampling.start": "noise",
    "model.sampling.shared_noise": 0.0,
    "model.sampling.scheduler": "DDIM with η = 1",
    "model.sampling.steps": 50,
    "model.sampling.spacing": "leading",  # range(0, 1000, 1000 // 50) + 1
    "model.precision": "fp32",
}
"""Of `run` in Zero-1-to-3's gradio_new.py."""

DREAMBOOTH = {
    "trainer.gradient_clip_val": 1.0,
    "model.precision": "fp16",
    "model.rank": 4,  # diffusers' LoRAAttnProcessor
    "model.learning_rate": 2e-4,
    "model.weight_decay": 0.01,  # torch's AdamW
    "model.negative_weight": 1.0,
    "data.instances_per_step": 1,
    "data.negatives_per_step": 1,
    "data.image_size": 512,
}
"""Of USD's dreambooth/Train.ipynb."""

GRID = {"n_levels": 16, "n_features_per_level": 2, "log2_hashmap_size": 19}

OFFICIAL: dict[str, dict[str, Any]] = {
    # configs/usd-patch.yaml with the defaults of implicit_volume.py, nerf_volume_renderer.py and usd_data.py
    "field.yaml": {
        **{f"model.field.grid.{name}": value for name, value in GRID.items()},
        "seed_everything": 0,
        "trainer.max_steps": 15_000,
        "trainer.precision": "32-true",
        "model.field.grid.base_resolution": 16,
        "model.field.grid.per_level_scale": 1.447269237440378,
        "model.field.radius": 1.0,
        "model.field.hidden_width": 64,
        "model.field.n_hidden_layers": 1,
        "model.field.blob_scale": 10.0,
        "model.field.blob_radius": 0.5,
        "model.field.occupancy_resolution": 32,
        "model.field.n_samples_per_ray": 512,
        "model.guidance.scale": 7.5,
        "model.guidance.timesteps.minimum": ALWAYS,
        "model.guidance.timesteps.maximum": {"initial": 0.98, "final": 0.5, "begin": 0.33333, "end": 0.3334},
        "model.guidance.reference_timesteps.maximum": TO_THE_END,
        "model.guidance.precision": "fp16",
        "model.weights.sparsity": 10.0,
        "model.weights.opaque": {"initial": 0.0, "final": 1000.0, "begin": 0.66666, "end": 0.66673},
        "model.weights.z_variance": 0.0,
        "model.optimizer.encoding_lr": 0.01,
        "model.optimizer.network_lr": 0.001,
        "model.optimizer.betas": [0.9, 0.99],
        "model.optimizer.eps": 1e-15,
        "model.view_size": 512,
        "model.patch_size": 128,
        "model.coarseness": 4,
        "data.views_per_step": 1,
        "data.elevation_range": [-10.0, 45.0],
        "data.azimuth_range": 360.0,
        "data.distance_range": 1.5,
        "data.fovy": 39.598,
    },
    # configs/usd-text-to-3D-patch.yaml
    "text/field.yaml": {
        "trainer.max_steps": 25_000,
        "model.guidance.scale": 7.5,
        "model.guidance.timesteps.maximum": {"initial": 0.98, "final": 0.5, "begin": 0.2, "end": 0.20004},
        "model.weights.opaque": {"initial": 0.0, "final": 1000.0, "begin": 0.4, "end": 0.40004},
        "data.distance_range": [1.0, 1.5],
    },
    "novel_views.yaml": DEMO | {"data.count": 5},
    "class_images.yaml": {"data.count": 200, "data.template": "photo of a {}"},
    "specialize_1.yaml": DREAMBOOTH | {"trainer.max_steps": 600, "data.identifier": "o$%c7"},
    "specialize_2.yaml": DREAMBOOTH | {"trainer.max_steps": 5, "data.identifier": "ItU@T"},
    # the class StableDiffusion of the same notebook, and the test views of usd_data.py
    "views.yaml": {
        "model.precision": "fp32",
        "model.refinement.steps": 50,
        "model.refinement.guidance_scale": 6.5,
        "data.count": 120,
        "data.elevation_range": [-10.0, 45.0],
        "data.image_size": 512,
    },
    # instant-nsr-pl's configs/neus-blender.yaml and models/neus.py
    "surface.yaml": {
        **{f"model.surface.grid.{name}": value for name, value in GRID.items()},
        "seed_everything": 42,
        "trainer.max_steps": 20_000,
        "trainer.precision": 16,
        "model.surface.grid.base_resolution": 32,
        "model.surface.grid.per_level_scale": 1.3195079107728942,
        "model.surface.radius": 1.5,
        "model.surface.sphere_radius": 0.5,
        "model.surface.hidden_width": 64,
        "model.surface.n_hidden_layers": 1,
        "model.surface.n_color_layers": 2,
        "model.surface.n_geometry_features": 13,
        "model.surface.initial_inverse_std": 20.0855,  # exp(10 · 0.3)
        "model.surface.occupancy_resolution": 128,
        "model.surface.n_samples_per_ray": 1024,
        "model.schedule.annealing": {"initial": 0.0, "final": 1.0, "begin": 0.0, "end": 1.0},
        "model.weights.color": 10.0,
        "model.weights.mask": 0.1,
        "model.weights.eikonal": 0.1,
        "model.optimizer.encoding_lr": 0.01,
        "model.optimizer.network_lr": 0.01,
        "model.optimizer.inverse_std_lr": 0.001,
        "model.optimizer.factor": {"initial": 1.0, "final": 0.1, "begin": 0.025, "end": 1.0},
        "model.optimizer.warm_up": 0.025,  # 500 steps
        "model.optimizer.warm_up_from": 0.01,
        "model.optimizer.betas": [0.9, 0.99],
        "model.optimizer.eps": 1e-15,
        "data.rays_per_step": "256 to 8,192",
    },
    "mesh.yaml": {"resolution": 512, "faces": "not reduced"},
}
"""YAML of the preset → setting → value of the public code."""


def numbers(value: Any) -> Any:
    """A value whose numbers in YAML's unfinished notation (1e-15) are numbers."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_values_are_those_of_the_public_code(name: str) -> None:
    told = {setting.name: setting.official for setting in settings(PRESETS / "zero123-xl" / name)}
    found = {setting: told[setting] for setting in OFFICIAL[name]}
    assert {setting: numbers(yaml.safe_load(value)) for setting, value in found.items()} == {
        setting: numbers(value) for setting, value in OFFICIAL[name].items()
    }
