"""A finished object, which tests disturb copies of."""

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.running.whole_object import WholeObject, Windows


class Finished(NamedTuple):
    """An undisturbed run."""

    object: WholeObject
    """Its files."""
    windows: Windows
    """How long its stages took."""


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_prior_folder: Path) -> Finished:
    """The whole method, undisturbed."""
    whole = WholeObject(tmp_path_factory.mktemp("undisturbed") / "runs", tiny_prior_folder, forked=True)
    return Finished(whole, whole.finish())
