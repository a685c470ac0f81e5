"""Interface of score distillation methods: the predictions to compare, and their combination into a gradient."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from jaxtyping import Float
from torch import Tensor

from viewdistill.guidance.predictions import Branch, Predictions
from viewdistill.guidance.predictors import Predictors
from viewdistill.guidance.timesteps import UNIFORM, Timesteps


class GuidanceMethod(ABC):
    """A method of score distillation.

    `viewdistill.guidance.family` has the named ones. A subclass of your own needs `branches` and `combine`; name it in
    the YAML by its ``class_path``, as ``docs/extending.md`` shows.
    """

    timesteps: Timesteps = UNIFORM
    """Default noise levels of the novel views."""

    @property
    @abstractmethod
    def branches(self) -> tuple[Branch, ...]:
        """Predictions to compare; only their priors are loaded."""

    @abstractmethod
    def combine(self, predictions: Predictions) -> Float[Tensor, "batch c h w"]:
        """Return g, the gradient of the loss by the latents of the renders.

        Args:
            predictions: Those of `branches`, for z_t in ``predictions.query``. None has a gradient.
        """

    def image_gradient(
        self,
        predictions: Predictions,
        images: Float[Tensor, "batch 3 height width"],
        decode: Callable[[Tensor], Tensor],
    ) -> Float[Tensor, "batch 3 height width"] | None:
        """Return an additional gradient by the renders themselves; None in most methods.

        Args:
            predictions: As for `combine`.
            images: x, the renders in [0, 1], without gradient.
            decode: From scaled latents to images in [0, 1].
        """
        return None

    def bind(self, predictors: Predictors) -> None:  # noqa: B027 - most methods need none
        """Prepare for a fit, once; for methods with networks of their own, such as VSD's.

        Args:
            predictors: The priors, bound to the input.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return the method's state for a checkpoint, besides its settings: tensors and plain containers."""
        return {}

    def load_state_dict(self, state_dict: Any) -> Any:  # noqa: B027 - the same
        """Load the state from a checkpoint, after `bind`."""
