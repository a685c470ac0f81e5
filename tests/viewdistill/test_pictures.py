from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from viewdistill.errors import ViewDistillError
from viewdistill.pictures import (
    over_white,
    read_rgb,
    read_rgb_over_white,
    resize,
    resize_rgba,
    straight_color,
    to_bytes,
    to_pictures,
    to_tensor,
    write_picture,
)


@given(st.integers(0, 255))
def test_bytes_come_back(value: int):
    pixels = np.full((1, 2, 3), value, np.uint8)
    assert (to_pictures(to_tensor(pixels)[None])[0] == value).all()
    assert to_bytes(pixels) is pixels


def test_floats_are_rounded_clamped_and_finite():
    values = torch.tensor([-1.0, 0.0, 0.001, 0.5, 0.999, 1.0, 7.0, torch.nan, torch.inf])
    assert to_bytes(values).tolist() == [0, 0, 0, 128, 255, 255, 255, 0, 255]
    with pytest.raises(TypeError, match="int64"):
        to_bytes(torch.tensor([1]))


def test_a_picture_of_the_asked_for_size_stays_itself():
    picture = torch.rand(1, 3, 8, 8)
    assert resize(picture, 8) is picture
    assert resize(picture, (4, 6)).shape == (1, 3, 4, 6)


def test_resizing_keeps_the_mean_and_gradients_flow():
    picture = torch.rand(1, 3, 64, 64, requires_grad=True)
    small = resize(picture, 8)
    assert small.mean().item() == pytest.approx(picture.mean().item(), abs=0.02)
    small.sum().backward()
    assert picture.grad is not None
    assert (picture.grad > 0).all()


def test_no_background_bleeds_into_a_resized_rim():
    """A green disc whose transparent pixels are red: the rim stays between green and white."""
    y, x = torch.meshgrid(torch.arange(64) - 31.5, torch.arange(64) - 31.5, indexing="ij")
    alpha = ((x**2 + y**2) < 20**2).float()
    rgba = torch.stack([1 - alpha, alpha, torch.zeros_like(alpha), alpha])[None]
    rgb, mask = resize_rgba(rgba, 16)
    torch.testing.assert_close(rgb[:, 0], rgb[:, 2])
    torch.testing.assert_close(rgb[:, 0], 1 - mask[:, 0])


@given(st.floats(0, 1), st.floats(0.01, 1))
def test_white_is_taken_away_again(color: float, alpha: float):
    rgba = torch.tensor([color, color, color, alpha], dtype=torch.float64).reshape(1, 4, 1, 1)
    back = straight_color(over_white(rgba), rgba[:, 3:])
    torch.testing.assert_close(back, rgba[:, :3], atol=1e-9, rtol=0)
    np.testing.assert_allclose(straight_color(over_white(rgba).numpy(), rgba[:, 3:].numpy()), back.numpy())


def test_files_come_back(tmp_path: Path):
    rgba = np.zeros((4, 5, 4), np.uint8)
    rgba[..., 0], rgba[0, :, 3] = 200, 255
    write_picture(tmp_path / "a.png", rgba)
    assert read_rgb(tmp_path / "a.png").shape == (3, 4, 5)
    shown = read_rgb_over_white(tmp_path / "a.png", "run it")
    assert shown[0, 0].tolist() == [200, 0, 0]
    assert shown[1, 0].tolist() == [255, 255, 255]


def test_damaged_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    Image.new("1", (64, 64)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for name, words in (("a.png", "not readable"), ("none.png", "no such file"), ("large.png", "not readable")):
        with pytest.raises(ViewDistillError, match=rf"{name}: {words}.*; run it"):
            read_rgb(tmp_path / name, "run it")
