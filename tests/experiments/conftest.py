"""What the tests of the experiments share: settings that planners have resolved."""

import pytest

from experiments.running.plan import Resolved


@pytest.fixture(scope="session")
def resolved() -> Resolved:
    """For `Planner.resolved` of planners with its default preset: parsers are slow, and studies share most stages."""
    return {}
