"""Photographs without a mask: GrabCut where no network is, and a word where the matte is likely wrong."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from viewdistill.cameras import FOVY_ZERO123
from viewdistill.input.cut_out import load_cut_out
from viewdistill.input.photographs import grabcut_mask, matte_doubts, network_mask
from viewdistill.objects.backgrounds import composite
from viewdistill.objects.generator import generate
from viewdistill.objects.render import poses, render


def photograph(seed: int = 10_000_305, size: int = 192) -> tuple[np.ndarray, np.ndarray]:
    """A generated object over stripes of grass colours, and its mask."""
    rgba = render(generate(seed), poses([30.0], [20.0]), FOVY_ZERO123, size, 2).rgba[0]
    rng = np.random.default_rng(0)
    ground = np.array([0.25, 0.45, 0.2]) * rng.uniform(0.6, 1.4, (size, size, 1))
    return (composite(rgba, ground.astype(np.float32)) * 255).clip(0, 255).astype(np.uint8), rgba[..., 3] > 127


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


def test_grabcut_finds_the_object_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    rgb, mask = photograph()
    Image.fromarray(rgb).save(tmp_path / "a.png")
    found = load_cut_out(tmp_path / "a.png")
    assert found.mask_source == "grabcut"
    assert overlap(found.rgba[..., 3] > 127, mask) > 0.85
    assert "cut out by GrabCut" in found.notes[0]
    assert "--mask" in found.notes[0]
    np.testing.assert_array_equal(grabcut_mask(rgb), grabcut_mask(rgb))


def test_a_mask_always_wins(tmp_path: Path):
    rgb, mask = photograph()
    Image.fromarray(rgb).save(tmp_path / "a.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    found = load_cut_out(tmp_path / "a.png", tmp_path / "mask.png")
    assert found.mask_source == "mask"
    assert overlap(found.rgba[..., 3] > 127, mask) > 0.97


def test_doubts_about_mattes():
    rgb, mask = photograph()
    assert matte_doubts(rgb, mask) is None
    assert "covers 100%" in str(matte_doubts(rgb, np.ones_like(mask)))
    speck = np.zeros_like(mask)
    speck[90:100, 90:100] = True
    assert "covers 0.3%" in str(matte_doubts(rgb, speck))
    flat = np.full_like(rgb, 120)
    assert "follows no edge" in str(matte_doubts(flat, mask))


def test_without_a_model_nothing_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setenv("U2NET_HOME", str(tmp_path / "models"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert network_mask(Image.new("RGB", (64, 64)), tmp_path / "a.png") is None
    assert list(tmp_path.iterdir()) == []
