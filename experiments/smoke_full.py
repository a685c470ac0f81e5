"""Real sizes without real weights: two steps of the field and of the specialisation on a CPU, in fp32.

Shows that the stages take priors of the size of Stable Diffusion 2.1-base and Zero123-XL with the settings of the
zero123-xl preset, how long a step then is, and that it fits into memory. Run it with `make smoke-full`; the random
priors (5 GB in half precision) are made once and kept.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
import yaml
from PIL import Image

from commands.stages.configuration import REPOSITORY
from datamodules.captions import build_tokenizer
from datamodules.class_images import ClassImages
from datamodules.posed_views import ViewCamera, save_cameras, save_view
from datamodules.prompts import Prompts
from datamodules.run_folder import RunFolder, read_json, write_json
from viewdistill.diffusion.conditioning import CameraProjection

STEPS = 2

# diffusers' and transformers' own annotations are narrower than what they take
models: Any = diffusers
towers: Any = transformers

UNET: dict[str, Any] = {
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
    "layers_per_block": 2,
}
ZERO123_UNET = UNET | {"in_channels": 8, "sample_size": 32, "cross_attention_dim": 768, "attention_head_dim": 8}
STABLE_DIFFUSION_UNET = UNET | {
    "in_channels": 4,
    "sample_size": 64,
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
AUTOENCODER: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "scaling_factor": 0.18215,
}
TEXT_TOWER = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 23,
    "num_attention_heads": 16,
    "hidden_act": "gelu",
    "projection_dim": 512,
}
IMAGE_TOWER = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "patch_size": 14,
    "projection_dim": 768,
}
NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}

PARTS: dict[str, dict[str, Callable[[], Any]]] = {
    "zero123-xl": {
        "unet": lambda: models.UNet2DConditionModel(**ZERO123_UNET),
        "vae": lambda: models.AutoencoderKL(**AUTOENCODER),
        "image_encoder": lambda: towers.CLIPVisionModelWithProjection(towers.CLIPVisionConfig(**IMAGE_TOWER)),
        "clip_camera_projection": lambda: CameraProjection(768, 768),
    },
    "stable-diffusion-2-1-base": {
        "unet": lambda: models.UNet2DConditionModel(**STABLE_DIFFUSION_UNET),
        "vae": lambda: models.AutoencoderKL(**AUTOENCODER),
        "text_encoder": lambda: towers.CLIPTextModel(towers.CLIPTextConfig(**TEXT_TOWER)),
    },
}
"""What is made at random of each prior, by component."""

CALLBACKS = [{"class_path": f"callbacks.{name}"} for name in ("finite_guard.FiniteGuard", "step_cost.StepCost")]
"""Without those that draw: a sample at full size takes a CPU an hour."""


def main() -> None:
    """Make the priors, run both stages, print what they cost."""
    parser = argparse.ArgumentParser(prog="python -m experiments.smoke_full", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/smoke-full"), metavar="FOLDER", help="for all files")
    parser.add_argument("--image", type=Path, default=REPOSITORY / "examples" / "robot.png", metavar="IMG")
    out: Path = parser.parse_args().out
    priors = out / "priors"
    make_priors(priors)
    folder = RunFolder(out / "run")
    viewdistill("input", parser.parse_args().image, "--out", folder.root)
    views, text = (priors / name for name in PARTS)
    field = {"guidance": {"view_prior": str(views), "text_prior": str(text), "precision": "fp32"}}
    run_stage(folder, "field", ["field"], field)
    make_training_images(folder, out / "cache")
    run_stage(folder, "specialize_1", ["specialize", "--stage=1"], {"prior": str(text), "precision": "fp32"})
    costs = {stage: cost(folder, stage) for stage in ("field", "specialize_1")}
    write_json(out / "smoke.json", costs)
    for stage, figures in costs.items():
        print(f"{stage}: " + ", ".join(f"{name} {value:,.1f}" for name, value in figures.items()))


def make_priors(folder: Path) -> None:
    """Write both priors with random weights in half precision, component by component; what is there is kept."""
    torch.manual_seed(0)
    for prior, parts in PARTS.items():
        for name, build in parts.items():
            if not (folder / prior / name / "config.json").is_file():
                print(f"making {prior}/{name}", flush=True)
                build().half().save_pretrained(folder / prior / name)
        models.DDIMScheduler(**NOISE).save_pretrained(folder / prior / "scheduler")
    tokenizer = build_tokenizer(["a photo of a toy robot"])
    tokenizer.model_max_length = 77
    tokenizer.save_pretrained(folder / "stable-diffusion-2-1-base" / "tokenizer")


def make_training_images(folder: RunFolder, cache: Path) -> None:
    """Finish the stages before the specialisation with a few plain pictures: their content costs nothing."""
    grey = np.full((256, 256, 4), (120, 120, 120, 255), np.uint8)
    save_view(folder.novel_views, 0, grey)
    save_cameras(folder.novel_views, [ViewCamera(120.0, 20.0)])
    images = ClassImages(Prompts("a photo of a {}", "robot"), cache, 1)
    cache.mkdir(exist_ok=True)
    for path in images.paths:
        Image.fromarray(grey[..., :3]).save(path)
    for stage, figures in (("novel_views", {}), ("class_images", images.figures)):
        record = {"stage": stage, "seconds": 0.0, "peak_memory_mb": 0.0, "files": {}, "figures": figures}
        write_json(folder.record(stage), record)


def run_stage(folder: RunFolder, stage: str, command: list[str], model: dict[str, Any]) -> None:
    """Two steps of a stage with the preset, the random priors and no pictures."""
    trainer = {"accelerator": "cpu", "logger": False, "limit_val_batches": 0, "callbacks": CALLBACKS}
    overlay = folder.root / f"smoke_{stage}.yaml"
    settings = {"trainer": trainer | {"max_steps": STEPS, "log_every_n_steps": 1}, "model": {"init_args": model}}
    overlay.write_text(yaml.safe_dump(settings), encoding="utf-8")
    preset = REPOSITORY / "configs" / "presets" / "zero123-xl" / f"{stage}.yaml"
    viewdistill(command[0], folder.root, *command[1:], f"--config={preset}", f"--config={overlay}")


def viewdistill(*arguments: object) -> None:
    """Run a subcommand as its own process, whose peak of memory is then its own."""
    command = Path(sys.executable).with_name("viewdistill")
    subprocess.run([str(command), *map(str, arguments)], check=True)


def cost(folder: RunFolder, stage: str) -> dict[str, float]:
    """Seconds of the stage and of its last step, and its peak of memory, GB."""
    record = read_json(folder.record(stage))
    metrics = record["figures"]["metrics"]
    return {
        "seconds": record["seconds"],
        "step_seconds": metrics["cost/step_seconds"],
        "peak_memory_gb": record["peak_memory_mb"] / 1000,
        "loss": metrics["loss"],
    }


if __name__ == "__main__":
    main()
