"""Fixtures for everything that needs a diffusion prior."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior


# The imports stand inside, because diffusers takes seconds to import and most tests do without.
@pytest.fixture
def text_prior() -> "Callable[..., TextConditionedPrior]":
    """Builder of a tiny text-conditioned prior with random weights, of the real classes."""
    from tests.viewdistill import tiny_priors

    return tiny_priors.text_prior


@pytest.fixture
def view_prior() -> "Callable[..., ViewConditionedPrior]":
    """Builder of a tiny view-conditioned prior with random weights, of the real classes."""
    from tests.viewdistill import tiny_priors

    return tiny_priors.view_prior
