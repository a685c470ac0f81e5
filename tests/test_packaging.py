"""What pyproject.toml promises: versions that have what is called, and contracts that no module escapes."""

import inspect
import tomllib
from importlib.metadata import version

import pytest
import pytorch_lightning as pl
from packaging.requirements import Requirement

from viewdistill.resources import REPOSITORY
from viewdistill.version import __version__

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def test_lightning_is_new_enough_for_what_is_asked_of_it():
    """`Trainer.fit` takes ``weights_only`` from 2.6 on; 2.6.2 and 2.6.3 are compromised releases."""
    assert "weights_only" in inspect.signature(pl.Trainer.fit).parameters
    needed = {found.name: found.specifier for found in map(Requirement, PROJECT["project"]["dependencies"])}
    allowed = needed["pytorch-lightning"]
    assert not {"2.5.5", "2.6.2", "2.6.3"} & set(allowed.filter(["2.5.5", "2.6.0", "2.6.1", "2.6.2", "2.6.3"]))
    assert allowed.contains(version("pytorch-lightning"))


@pytest.mark.parametrize("number", range(2))
def test_every_module_of_the_pure_package_is_in_both_contracts(number: int):
    modules = {path.stem for path in (REPOSITORY / "viewdistill").glob("*.py")}
    modules |= {path.parent.name for path in (REPOSITORY / "viewdistill").glob("*/__init__.py")}
    contract = PROJECT["tool"]["importlinter"]["contracts"][number]
    listed = contract["layers"][-1].split(" : ") if number == 0 else contract["source_modules"]
    # The package itself names the front door, which stands above it.
    assert {name.removeprefix("viewdistill.") for name in listed} == modules - {"__init__"}


def test_the_version_is_that_of_the_citation():
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "viewdistill.version.__version__"}
    assert f"version: {__version__}\n" in (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
