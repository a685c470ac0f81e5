"""Priors bound to the input: requested predictions, in as few evaluations as possible."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.errors import ViewDistillError
from viewdistill.guidance.predictions import VIEW, VIEW_EMPTY, Branch, Predictions, Query, require_same_levels
from viewdistill.references import FurtherReference

Value = TypeVar("Value")


@runtime_checkable
class ViewPrior(Protocol):
    """Interface of a view-conditioned prior; `ViewConditionedPrior` implements it and describes all arguments.

    A batch holds the views of one step, so that a prior may also look at all of them at once.
    """

    schedule: NoiseSchedule
    """Noise levels."""

    @property
    def image_size(self) -> int:
        """Side of the images that it was trained on, pixels."""
        ...

    def encode_images(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return scaled latents of images in [0, 1], differentiable."""
        ...

    def decode_latents(self, latents: Tensor) -> Tensor:
        """Return images in [0, 1] of scaled latents."""
        ...

    def condition(
        self, images: Tensor, elevation_deg: float | None = None, further: Sequence[FurtherReference] = ()
    ) -> Any:
        """What it keeps of the input image y, and of further pictures; these are only given where there are any."""
        ...

    def predict_noise(self, noisy: Tensor, timesteps: Tensor, condition: Any, relative_pose: Tensor) -> Tensor:
        """ε_Z(z_t; y, T)."""
        ...

    def predict_noise_unconditional(self, noisy: Tensor, timesteps: Tensor) -> Tensor:
        """ε_Z(z_t; ∅)."""
        ...

    def predict_noise_pair(
        self, noisy: Tensor, timesteps: Tensor, condition: Any, relative_pose: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Predict both, in one evaluation."""
        ...


class Predictors:
    """Up to two priors, bound to the input.

    Args:
        view_prior: Predicts the branches with source ``view``.
        text_prior: Predicts those with source ``text``.
        image: The input y in [0, 1], over white, at the view prior's `image_size`; for the branch `VIEW`.
        elevation_deg: Of the input camera, degrees.
        further: Pictures of the object beside the input.
        text: c, for the branch `TEXT`.
        negative_text: c⁻, for the branch `TEXT_NEGATIVE`.
    """

    def __init__(
        self,
        view_prior: ViewPrior | None = None,
        text_prior: TextConditionedPrior | None = None,
        *,
        image: Float[Tensor, "1 3 height width"] | None = None,
        elevation_deg: float | None = None,
        further: Sequence[FurtherReference] = (),
        text: str | None = None,
        negative_text: str | None = None,
    ) -> None:
        self.view_prior, self.text_prior = view_prior, text_prior
        self.texts = {"text": text, "negative": negative_text, "empty": ""}
        self.condition = None
        if view_prior is not None and image is not None:
            others = (further,) if further else ()
            self.condition = view_prior.condition(image, elevation_deg, *others)

    @property
    def prior(self) -> ViewPrior | TextConditionedPrior:
        """Prior whose autoencoder encodes the renders: the view-conditioned one, if any."""
        return needed(self.view_prior or self.text_prior, "a prior")

    @property
    def schedule(self) -> NoiseSchedule:
        """Noise levels of renders."""
        return self.prior.schedule

    @property
    def image_size(self) -> int:
        """Side of the renders, pixels."""
        return self.prior.image_size

    def encode(
        self, images: Float[Tensor, "batch 3 height width"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch c h w"]:
        """Return scaled latents z of renders in [0, 1], differentiable; a generator draws them from the posterior."""
        return self.prior.encode_images(images, generator)

    def decode(self, latents: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch 3 height width"]:
        """Return images in [0, 1] of scaled latents."""
        return self.prior.decode_latents(latents)

    @torch.no_grad()
    def predict(self, queries: Mapping[str, Query]) -> dict[str, Predictions]:
        """Compute the requested predictions, and no others.

        ε_Z(y, T) and ε_Z(∅) of a query take one evaluation of the view-conditioned UNet. All requests to the
        text-conditioned prior at one size of latents, over all queries, take one evaluation of its UNet.

        Args:
            queries: By name; the answers have the same names.

        Raises:
            ViewDistillError: A prior or one of its conditions is missing; its noise levels are not the query's; or a
                query requests nothing.
        """
        found: dict[str, dict[Branch, Tensor]] = {name: {} for name in queries}
        for name, query in queries.items():
            prior = self._prior_for(query)
            if prior is None:
                continue
            noisy, timesteps = query.noisy, query.timesteps
            if VIEW not in query.branches:
                found[name][VIEW_EMPTY] = prior.predict_noise_unconditional(noisy, timesteps)
                continue
            condition = needed(self.condition, "the condition of an input image")
            pose = needed(query.relative_pose, "relative poses")
            if VIEW_EMPTY in query.branches:
                pair = prior.predict_noise_pair(noisy, timesteps, condition, pose)
                found[name][VIEW], found[name][VIEW_EMPTY] = pair
            else:
                found[name][VIEW] = prior.predict_noise(noisy, timesteps, condition, pose)
        for group in self._groups_of_one_size(queries):
            noisy, timesteps = torch.cat([part.noisy for part in group]), torch.cat([part.timesteps for part in group])
            embeddings = torch.cat([part.embeddings for part in group])
            text_prior = needed(self.text_prior, "a text-conditioned prior")
            epsilon = text_prior.predict_noise(noisy, timesteps, embeddings)
            for part, own in zip(group, epsilon.split([len(part.noisy) for part in group]), strict=True):
                found[part.query][part.branch] = part.in_place(own)
        return {name: Predictions(query, found[name]) for name, query in queries.items()}

    def _prior_for(self, query: Query) -> ViewPrior | None:
        """Return the view-conditioned prior, if the query has a branch of it."""
        if not query.branches:
            raise ViewDistillError("this query has no branches (are λ and s both 0?); request at least one prediction")
        if all(branch.source != "view" for branch in query.branches):
            return None
        prior = needed(self.view_prior, "a view-conditioned prior")
        require_same_levels(query.schedule, prior.schedule)
        return prior

    def _groups_of_one_size(self, queries: Mapping[str, Query]) -> Iterator[list["_Part"]]:
        """Yield the requests to the text-conditioned prior, in groups of equal latent size."""
        parts = [self._part(n, q, b) for n, q in queries.items() for b in q.branches if b.source == "text"]
        for size in dict.fromkeys(part.noisy.shape[1:] for part in parts):
            yield [part for part in parts if part.noisy.shape[1:] == size]

    def _part(self, name: str, query: Query, branch: Branch) -> "_Part":
        prior = needed(self.text_prior, "a text-conditioned prior")
        require_same_levels(query.schedule, prior.schedule)
        text = needed(self.texts[branch.condition], f"a text for its branch {branch.condition!r}")
        noisy, timesteps, rows = query.noisy, query.timesteps, None
        if branch.from_timestep > 0:
            rows = (timesteps >= branch.from_timestep).nonzero()[:, 0]
            noisy, timesteps = noisy[rows], timesteps[rows]
        embeddings = prior.encode_text([text]).expand(len(noisy), -1, -1)
        return _Part(name, branch, noisy, timesteps, embeddings, rows, len(query.noisy))


@dataclass(frozen=True)
class _Part:
    """One branch of one query, for the text-conditioned prior."""

    query: str
    branch: Branch
    noisy: Float[Tensor, "rows c h w"]
    timesteps: Int[Tensor, " rows"]
    embeddings: Float[Tensor, "rows length dim"]
    rows: Int[Tensor, " rows"] | None
    """Indices of these samples in the query; None for all."""
    batch: int
    """Number of samples in the query."""

    def in_place(self, epsilon: Float[Tensor, "rows c h w"]) -> Float[Tensor, "batch c h w"]:
        """Return the prediction for every sample, 0 where none was requested."""
        if self.rows is None:
            return epsilon
        return epsilon.new_zeros(self.batch, *epsilon.shape[1:]).index_copy(0, self.rows, epsilon)


def needed(value: Value | None, what: str) -> Value:
    """Return a value that must not be None.

    Raises:
        ViewDistillError: The value is None; the message names it.
    """
    if value is None:
        raise ViewDistillError(f"this guidance needs {what}, and none is given; give it, or choose another method")
    return value
