"""``model_index.json``: what tools like diffusers' `DiffusionPipeline` read to find the components of a prior."""

from pathlib import Path

import diffusers

from viewdistill.diffusion.prior_files import TEXT_COMPONENTS, VIEW_COMPONENTS
from viewdistill.files import write_json

MODEL_INDEX = "model_index.json"
"""Name of the file, in a prior's folder."""

CLASSES = {
    "vae": ("diffusers", "AutoencoderKL"),
    "unet": ("diffusers", "UNet2DConditionModel"),
    "scheduler": ("diffusers", "DDIMScheduler"),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "tokenizer": ("transformers", "CLIPTokenizer"),
    "image_encoder": ("transformers", "CLIPVisionModelWithProjection"),
    "clip_camera_projection": ("viewdistill.diffusion.conditioning", "CameraProjection"),
    "lifting": ("viewdistill.lifting.reference_lifting", "ReferenceLifting"),
}
"""Component → module and class."""


def write_text_index(folder: Path) -> None:
    """Describe a text-conditioned prior as what it is: components of a `StableDiffusionPipeline`."""
    absent = dict.fromkeys(("feature_extractor", "image_encoder", "safety_checker"), (None, None))
    components = {name: CLASSES[name] for name in TEXT_COMPONENTS}
    _write(folder, "StableDiffusionPipeline", {**components, **absent, "requires_safety_checker": False})


def write_view_index(folder: Path) -> None:
    """Describe a view-conditioned prior: components of Zero-1-to-3's pipeline, which diffusers does not ship."""
    names = [*VIEW_COMPONENTS, *(("lifting",) if (folder / "lifting").is_dir() else ())]
    _write(folder, "Zero1to3StableDiffusionPipeline", {name: CLASSES[name] for name in names})


def _write(folder: Path, pipeline: str, entries: dict[str, object]) -> None:
    head = {"_class_name": pipeline, "_diffusers_version": diffusers.__version__}
    write_json(folder / MODEL_INDEX, head | dict(sorted(entries.items())))
