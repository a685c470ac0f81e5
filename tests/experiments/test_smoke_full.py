"""The random priors have the sizes of the published ones, and tiny ones go through every stage of the preset."""

from pathlib import Path

import pytest
import torch

from datamodules.runs.run_folder import read_json
from datamodules.runs.stages import STAGES
from experiments.random_priors import PARTS
from experiments.smoke_full import FULL, full_presets, main, stages_of

PARAMETERS = {
    ("zero123-xl", "unet"): 859_532_484,  # Stable Diffusion 1.5's 859,520,964 and four more input channels
    ("zero123-xl", "vae"): 83_653_863,
    ("zero123-xl", "image_encoder"): 303_966_208,
    ("zero123-xl", "clip_camera_projection"): 772 * 768 + 768,
    ("stable-diffusion-2-1-base", "unet"): 865_910_724,
    ("stable-diffusion-2-1-base", "vae"): 83_653_863,
    ("stable-diffusion-2-1-base", "text_encoder"): 340_387_840,
}


@pytest.mark.parametrize(("prior", "part"), PARAMETERS)
def test_size_is_that_of_the_published_prior(prior: str, part: str) -> None:
    with torch.device("meta"):
        built = PARTS[prior][part]()
    assert sum(weight.numel() for weight in built.parameters()) == PARAMETERS[prior, part]


def test_no_part_is_left_out() -> None:
    assert {(prior, part) for prior, parts in PARTS.items() for part in parts} == set(PARAMETERS)


# Of pytorch-lightning, about its own use of jsonargparse.
@pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")
def test_two_steps_of_every_stage_with_tiny_priors(tmp_path: Path) -> None:
    assert main(["--tiny", f"--out={tmp_path}", "--presets", FULL, f"{FULL}/stable-zero123", f"{FULL}/text"]) == 0
    costs = read_json(tmp_path / "smoke.json")
    assert set(costs[FULL]) == set(STAGES) - {"report"}
    assert set(costs[f"{FULL}/stable-zero123"]) == {"input", "field", "novel_views"}
    assert set(costs[f"{FULL}/text"]) == {"field"}
    for stage in ("field", "surface", "specialize_1", "specialize_2"):
        assert costs[FULL][stage]["loss"] > 0
    assert all(figures["peak_memory_gb"] > 0 for stages in costs.values() for figures in stages.values())


def test_every_full_size_preset_has_a_say_in_some_stage() -> None:
    assert full_presets()[0] == FULL
    for preset in full_presets():
        assert stages_of(preset)
