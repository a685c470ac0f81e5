"""The example of the library alone, with few steps."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "distill.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("distill_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_few_steps_give_four_views_of_a_growing_object(example: ModuleType) -> None:
    picture = EXAMPLE.parent / "mug.png"
    with torch.random.fork_rng():
        start, later = (example.distill(picture, steps) for steps in (1, 6))
    assert start.shape == later.shape == (4, 3, 64, 64)
    assert 0 <= later.min() <= later.max() <= 1
    assert (later < 0.9).any(1).float().mean() > 0.02  # something stands before the white
    assert (start - later).abs().max() > 0.01


def test_it_fits_on_a_page_and_needs_no_framework() -> None:
    source = EXAMPLE.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 80
    for package in ("pytorch_lightning", "lightning_modules", "datamodules", "callbacks", "commands", "wandb"):
        assert package not in source
