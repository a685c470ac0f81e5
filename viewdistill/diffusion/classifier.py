"""A text-conditioned prior as a zero-shot classifier: the text that helps most to denoise an image describes it best.

After Li et al. 2023, "Your Diffusion Model is Secretly a Zero-Shot Classifier". All texts are compared on the same
draws of timestep and noise, so that what the draws have in common cancels.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.errors import ViewDistillError

TIMESTEPS = (600, 750, 900)
"""Noise levels of the comparison. At lower ones the noisy image itself tells more than any text."""

CLEAR_MARGIN = 5.0
"""Smallest margin of an accepted choice; at 3.9 the nano prior has mistaken a duck for a doll."""


@dataclass(frozen=True)
class Classification:
    """The text that describes an image best, and the margin over the others."""

    texts: tuple[str, ...]
    """The texts."""
    errors: Float[Tensor, " texts"]
    """Mean squared error of the noise prediction under each text."""
    best: int
    """Index of the text with the smallest error."""
    margin: float
    """Mean advantage of the best text over the second best on the same draw, in units of its standard error."""


@torch.no_grad()
def classify(
    prior: TextConditionedPrior,
    image: Float[Tensor, "1 3 height width"],
    texts: Sequence[str],
    draws: int = 4,
    timesteps: Sequence[int] = TIMESTEPS,
    seed: int = 0,
) -> Classification:
    """Rank texts by how well the prior denoises an image under them.

    Args:
        prior: The prior.
        image: In [0, 1], at the prior's `image_size`, over white.
        texts: At least two.
        draws: Noise draws per timestep.
        timesteps: Noise levels; the mean over them decides.
        seed: Of the draws.

    Raises:
        ValueError: Fewer than two texts or draws in all.
        ViewDistillError: The prior predicts what is not finite.
    """
    if len(texts) < 2 or draws * len(timesteps) < 2:
        raise ValueError("classify: give at least two texts and two draws; the margin is estimated from the draws")
    latents, embeddings = prior.encode_images(image), prior.encode_text(texts)
    generator = torch.Generator().manual_seed(seed)
    errors: list[Tensor] = []
    for t, _ in itertools.product(timesteps, range(draws)):
        noise = torch.randn(latents.shape, generator=generator).to(latents.device)
        batch_t = torch.full((len(texts),), t, device=latents.device)
        noisy = prior.schedule.add_noise(latents, noise, batch_t[:1]).expand(len(texts), -1, -1, -1)
        errors.append((prior.predict_noise(noisy, batch_t, embeddings) - noise).square().mean((1, 2, 3)).cpu())
    table = torch.stack(errors)
    if not bool(table.isfinite().all()):
        raise ViewDistillError("classify: the prior's prediction is not finite; try precision fp32")
    first, second = table.mean(0).argsort()[:2].tolist()
    advantage = table[:, second] - table[:, first]
    standard_error = float(advantage.std()) / len(table) ** 0.5
    margin = float(advantage.mean()) / max(standard_error, 1e-12)
    return Classification(tuple(texts), table.mean(0), first, margin)
