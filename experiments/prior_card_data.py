"""Model cards of the two embedded priors, with the YAML head that the Hugging Face hub reads."""

from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from viewdistill.version import __version__

CARD = """\
---
{head}
---

# {name}

{text}

Trained by `make priors` of [ViewDistill](../../../README.md) on procedural objects; nothing else was used. Training,
figures and limits are in the [card of the pair](../README.md).

```python
{code}
```
"""

TEXT_USE = """\
import torch
from diffusers import DiffusionPipeline

pipeline = DiffusionPipeline.from_pretrained("priors/nano/stable-diffusion", dtype=torch.float32)
pipeline("a red mug", height=64, width=64).images[0].save("mug.png")"""

VIEW_USE = """\
from pathlib import Path
from viewdistill.diffusion.priors import ViewConditionedPrior

prior = ViewConditionedPrior.from_folder(Path("priors/nano/zero123"))"""

TEXT = (
    "Stable Diffusion in miniature: 64-pixel images, 16×16×4 latents, v-prediction, fp16. Its components are those of "
    "`StableDiffusionPipeline`, which `model_index.json` names. Weights are stored in half precision; on a CPU load "
    "them as float32."
)

VIEW = (
    "Zero-1-to-3 in miniature: a view of an object from another camera, of one 64-pixel picture. Autoencoder, UNet, "
    "vision tower and scheduler are classes of diffusers and transformers; `clip_camera_projection` and `lifting` are "
    "classes of this project, named in `model_index.json` with their modules. diffusers ships no pipeline for these "
    "components."
)


def head(**own: Any) -> str:
    """Return the YAML of a card."""
    shared: dict[str, Any] = {
        "language": "en",
        "license": "apache-2.0",
        "library_name": "diffusers",
        "version": __version__,
    }
    return ModelCardData(**shared, **own).to_yaml()


def pair_head() -> str:
    """Return the YAML of the card of both priors."""
    return head(pipeline_tag="image-to-3d", tags=["score-distillation", "novel-view-synthesis", "viewdistill"])


def text_card() -> str:
    """Return the card of the text-conditioned prior."""
    own = head(pipeline_tag="text-to-image", tags=["stable-diffusion", "score-distillation", "viewdistill"])
    return CARD.format(head=own, name="nano-SD", text=TEXT, code=TEXT_USE)


def view_card(figures: dict[str, Any]) -> str:
    """Return the card of the view-conditioned prior.

    Args:
        figures: What was measured, as in ``figures.json``.
    """
    best: list[EvalResult] = []
    for key, objects in (("new_objects", "held-out objects"), ("new_families", "held-out families")):
        scores = {name: value for name, value in figures[key].items() if name.startswith("guidance")}
        name = max(scores, key=lambda each: scores[each]["psnr"])
        for metric in ("psnr", "ssim"):
            best.append(
                EvalResult(
                    task_type="image-to-image",
                    task_name="novel-view synthesis",
                    dataset_type=f"procedural-{key}",
                    dataset_name=f"procedural objects, {objects}",
                    metric_type=metric,
                    metric_name=f"{metric.upper()}, DDIM-{figures['ddim_steps']}, {name}",
                    metric_value=round(scores[name][metric], 3),
                )
            )
    own = head(
        pipeline_tag="image-to-image",
        tags=["zero123", "novel-view-synthesis", "score-distillation", "viewdistill"],
        model_name="nano-Zero123",
        eval_results=best,
    )
    return CARD.format(head=own, name="nano-Zero123", text=VIEW, code=VIEW_USE)
