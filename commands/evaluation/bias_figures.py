"""Figures of `viewdistill bias` for one prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from viewdistill.diffusion.latents import LatentDiffusionPrior
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.diffusion.samplers import NoisePredictor
from viewdistill.errors import ViewDistillError
from viewdistill.guidance.bias import NoiseBias, empty_text_predictor, noise_bias, recover_ddim, recover_one_step
from viewdistill.metrics.images import psnr

Kind = Literal["view", "text"]
"""Condition of a prior."""

RECOVERED_SEED = 1
"""Offset of the seed for the recovered images' noise, which differs from all draws."""


@dataclass(frozen=True)
class UnconditionalBranch:
    """The unconditional branch of a prior."""

    name: str
    kind: Kind
    prior: LatentDiffusionPrior
    predict_noise: NoisePredictor

    @property
    def image_size(self) -> int:
        """Side of the prior's images, pixels."""
        return self.prior.image_size


@dataclass(frozen=True)
class Measured:
    """Bias of one branch."""

    content: dict[str, Any]
    """Figures in the form of ``bias.json``."""
    biases: list[NoiseBias]
    """One per timestep."""
    one_step: list[Float[Tensor, "images 3 size size"]]
    """Images recovered in one step, one batch per timestep."""
    ddim: list[Float[Tensor, "images 3 size size"]]
    """The same by DDIM."""


def load_branch(name: str, prior: Path, device: torch.device, kind: Kind | None = None) -> UnconditionalBranch:
    """Load a prior for its unconditional branch.

    Args:
        name: Its name in tables.
        prior: Folder, or a name on the hub.
        device: Device to compute on.
        kind: Its condition; detected from the contents of the folder when not given.

    Raises:
        ViewDistillError: The prior cannot be read, or its condition is unknown.
    """
    if (kind or kind_of(prior)) == "text":
        text = TextConditionedPrior.from_folder(prior, device=device)
        return UnconditionalBranch(name, "text", text, empty_text_predictor(text))
    view = ViewConditionedPrior.from_folder(prior, device=device)
    return UnconditionalBranch(name, "view", view, view.predict_noise_unconditional)


def kind_of(prior: Path) -> Kind:
    """Return the condition of a prior in a folder.

    Raises:
        ViewDistillError: The prior is not in a folder, so its condition cannot be detected.
    """
    if (prior / "text_encoder").is_dir():
        return "text"
    if prior.is_dir():
        return "view"
    raise ViewDistillError(f"{prior}: no such folder; for a prior of the hub, say --kind view or --kind text")


@torch.no_grad()
def measure(
    branch: UnconditionalBranch,
    images: Float[Tensor, "images 3 size size"],
    timesteps: Sequence[int],
    draws: int,
    steps: int,
    seed: int,
) -> Measured:
    """Measure bias norms and recover images at each timestep.

    Args:
        branch: The branch.
        images: Clean images over white, in [0, 1], of the prior's size.
        timesteps: Noise levels to evaluate.
        draws: Noise draws per image, at least 2.
        steps: DDIM steps of a run from pure noise.
        seed: Of the noise.
    """
    prior, schedule = branch.prior, branch.prior.schedule
    latents = prior.encode_images(images.to(prior.device))
    generator = torch.Generator().manual_seed(seed)
    biases = noise_bias(branch.predict_noise, schedule, latents, timesteps, draws, generator)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed + RECOVERED_SEED)).to(latents)
    one_step: list[Tensor] = []
    ddim: list[Tensor] = []
    rows: list[dict[str, Any]] = []
    for bias in biases:
        first = recover_one_step(branch.predict_noise, schedule, latents, bias.timestep, noise)
        last = recover_ddim(branch.predict_noise, schedule, latents, bias.timestep, noise, steps)
        one_step.append(prior.decode_latents(first).clamp(0, 1).cpu())
        ddim.append(prior.decode_latents(last).clamp(0, 1).cpu())
        rows.append(figures(bias, images, one_step[-1], ddim[-1]))
    content = {"prior": branch.name, "kind": branch.kind, "images": len(images), "timesteps": rows}
    return Measured(content, biases, one_step, ddim)


def figures(bias: NoiseBias, images: Tensor, one_step: Tensor, ddim: Tensor) -> dict[str, Any]:
    """Return one row of ``bias.json``."""
    return {
        "timestep": bias.timestep,
        "norm": bias.norm,
        "noise_floor": bias.noise_floor,
        "mean_norm": bias.mean_norm,
        "norms": bias.map.square().mean((1, 2, 3)).sqrt().tolist(),
        "one_step_psnr": float(psnr(one_step, images).mean()),
        "ddim_psnr": float(psnr(ddim, images).mean()),
    }
