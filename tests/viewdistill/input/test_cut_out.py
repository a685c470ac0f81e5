"""Reading and framing of input images: what is accepted, what it becomes, and one clear line for everything else."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from viewdistill.errors import ViewDistillError
from viewdistill.input.cut_out import load_cut_out
from viewdistill.input.framing import fit_framing, keep_framing, native_side
from viewdistill.input.regions import bounding_box


def cut_out(height: int = 60, width: int = 80, box: tuple[int, int, int, int] = (10, 50, 20, 40)) -> np.ndarray:
    """A red rectangle (top, bottom, left, right) on transparent green."""
    rgba = np.zeros((height, width, 4), np.uint8)
    rgba[..., 1] = 255
    top, bottom, left, right = box
    rgba[top:bottom, left:right] = (255, 0, 0, 255)
    return rgba


def saved(path: Path, rgba: np.ndarray, exif: Image.Exif | None = None) -> Path:
    Image.fromarray(rgba).save(path, exif=exif or b"")
    return path


def load_rgba(path: Path, mask: Path | None = None) -> np.ndarray:
    return load_cut_out(path, mask).rgba


def test_rgba_png_is_read_as_it_is(tmp_path: Path):
    rgba = cut_out()
    np.testing.assert_array_equal(load_rgba(saved(tmp_path / "a.png", rgba)), rgba)


def test_exif_rotation_is_applied(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the picture must be turned clockwise by 90 degrees
    rgba = load_rgba(saved(tmp_path / "a.png", cut_out(), exif=exif))
    assert rgba.shape == (80, 60, 4)
    assert bounding_box(rgba) == (20, 40, 10, 50)


def test_palette_and_grey_images_with_transparency(tmp_path: Path):
    rgba = cut_out()
    palette = Image.fromarray(np.where(rgba[..., 3] > 0, 1, 0).astype(np.uint8), mode="P")
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.save(tmp_path / "p.png", transparency=0)
    assert bounding_box(load_rgba(tmp_path / "p.png")) == (10, 50, 20, 40)
    Image.fromarray(rgba).convert("LA").save(tmp_path / "la.png")
    grey = load_rgba(tmp_path / "la.png")
    assert grey.shape == (60, 80, 4)
    assert (grey[20, 30, :3] == grey[20, 30, 0]).all()


@pytest.mark.parametrize(("suffix", "options"), [("webp", {"lossless": True}), ("gif", {}), ("png", {})])
def test_the_first_frame_of_an_animation(suffix: str, options: dict[str, Any], tmp_path: Path):
    first, second = (Image.fromarray(cut_out(box=box)) for box in ((10, 50, 20, 40), (0, 60, 0, 79)))
    path = tmp_path / f"a.{suffix}"
    first.save(path, save_all=True, append_images=[second], **options)
    rgba = load_rgba(path)
    assert bounding_box(rgba) == (10, 50, 20, 40)
    assert rgba[30, 30].tolist() == [255, 0, 0, 255]


def test_sixteen_bit_rgba(tmp_path: Path):
    rgba = cut_out()
    rows = b"".join(b"\0" + (row.astype(">u2") * 257).tobytes() for row in rgba)
    (tmp_path / "a.png").write_bytes(png(80, 60, 16, 6, rows))
    np.testing.assert_array_equal(load_rgba(tmp_path / "a.png"), rgba)


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """White where `cut_out` is opaque."""
    return saved(tmp_path / "mask.png", cut_out()[..., 3])


def test_a_mask_cuts_out_what_has_no_alpha_channel(mask: Path, tmp_path: Path):
    photograph = saved(tmp_path / "a.png", cut_out()[..., :3])
    found = load_cut_out(photograph, mask)
    assert found.mask_source == "mask"
    np.testing.assert_array_equal(found.rgba, cut_out())
    # One with an alpha channel counts by that, and comes before the image's own.
    other = saved(tmp_path / "other.png", cut_out(box=(0, 20, 0, 20)))
    image = saved(tmp_path / "b.png", cut_out())
    assert load_cut_out(image, other).rgba[0, 0, 3] == 255
    assert load_cut_out(image).mask_source == "alpha"


def test_a_mask_must_have_the_images_size_and_leave_something_on_either_side(mask: Path, tmp_path: Path):
    photograph = saved(tmp_path / "a.png", np.zeros((80, 60, 3), np.uint8))
    with pytest.raises(ViewDistillError, match=r"mask\.png: the mask has 80 x 60 pixels and the image 60 x 80"):
        load_cut_out(photograph, mask)
    with pytest.raises(ViewDistillError, match=r"none\.png: no such file"):
        load_cut_out(photograph, tmp_path / "none.png")
    for value, problem in ((0, "no foreground, the mask leaves nothing"), (255, "no background, the mask keeps all")):
        saved(mask, np.full((80, 60), value, np.uint8))
        with pytest.raises(ViewDistillError, match=rf"a\.png: {problem}"):
            load_cut_out(photograph, mask)


def test_grey_of_sixteen_bits_or_floating_point_is_scaled_and_not_clipped(mask: Path, tmp_path: Path):
    grey = np.linspace(0, 65_535, 60 * 80).reshape(60, 80)
    saved(tmp_path / "a.png", grey.astype(np.uint16))
    saved(tmp_path / "a.tiff", (grey / 65_535).astype(np.float32))
    for name in ("a.png", "a.tiff"):
        rgba = load_rgba(tmp_path / name, mask)
        np.testing.assert_allclose(rgba[..., :3], (grey / 257)[..., None].repeat(3, -1), atol=1)


def test_rgb_of_sixteen_bits(mask: Path, tmp_path: Path):
    rows = b"".join(b"\0" + (row.astype(">u2") * 257).tobytes() for row in cut_out()[..., :3])
    (tmp_path / "a.png").write_bytes(png(80, 60, 16, 2, rows))
    np.testing.assert_array_equal(load_rgba(tmp_path / "a.png", mask), cut_out())


@pytest.mark.parametrize(
    ("mode", "suffix"), [("L", "png"), ("1", "png"), ("P", "gif"), ("CMYK", "tiff"), ("YCbCr", "jpg")]
)
def test_other_kinds_of_pixels(mode: str, suffix: str, mask: Path, tmp_path: Path):
    picture = Image.fromarray(np.full((60, 80, 3), 255, np.uint8))
    picture.paste((0, 0, 0), (20, 10, 40, 50))
    path = tmp_path / f"a.{suffix}"
    picture.convert(mode).save(path)
    rgba = load_rgba(path, mask)
    np.testing.assert_allclose(rgba[15:45, 25:35, :3], 0, atol=4)
    np.testing.assert_allclose(rgba[:5, :5, :3], 255, atol=4)


def test_cmyk_jpeg_keeps_its_colours(mask: Path, tmp_path: Path):
    Image.new("CMYK", (80, 60), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    np.testing.assert_allclose(load_rgba(tmp_path / "a.jpg", mask)[30, 30, :3], (255, 0, 0), atol=6)


def png(width: int, height: int, depth: int, color: int, rows: bytes) -> bytes:
    """A PNG by hand, for what Pillow does not write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_fitting_crops_scales_centres_and_keeps_the_proportions():
    framed = fit_framing(cut_out(), size=256)
    assert framed.shape == (256, 256, 4)
    # 40 x 20 pixels become 200 x 100, centred; Lanczos may add a faint rim of a pixel.
    assert bounding_box(framed) == pytest.approx((28, 228, 78, 178), abs=1)
    inside = framed[40:216, 90:166]
    assert (inside == (255, 0, 0, 255)).all()


def test_hidden_colours_do_not_bleed_into_the_rim():
    rgba = cut_out()
    rgba[30:32, 20:40, 3] = 0  # a transparent slit, green underneath, inside the box
    framed = fit_framing(rgba, size=256)
    visible = framed[framed[..., 3] > 40]
    assert visible[:, 1].max() <= 8


def test_a_native_frame_keeps_the_objects_pixels():
    rgba = cut_out(900, 700, (100, 700, 50, 350))  # 600 x 300 pixels
    rgba[100:700, 50:350, :3] = np.random.default_rng(0).integers(0, 255, (600, 300, 3))
    assert native_side(rgba) == 768
    framed = fit_framing(rgba, native_side(rgba))
    assert bounding_box(framed) == (84, 684, 234, 534)
    np.testing.assert_array_equal(framed[84:684, 234:534], rgba[100:700, 50:350])
    assert native_side(cut_out()) == 256  # 40 pixels are enlarged
    assert native_side(cut_out(3000, 3000, (0, 2900, 0, 2900))) == 1024
    assert (native_side(cut_out(500, 500), kept=True), native_side(cut_out(64, 64), kept=True)) == (500, 256)


def test_faint_specks_do_not_move_the_frame():
    rgba = cut_out()
    rgba[0, 0, 3] = 5
    assert bounding_box(rgba) == (10, 50, 20, 40)


def test_kept_framing_only_scales():
    rgba = cut_out(64, 64, (0, 32, 16, 48))
    assert keep_framing(rgba, 64) is rgba
    assert bounding_box(keep_framing(rgba, 128)) == pytest.approx((0, 64, 32, 96), abs=1)
    with pytest.raises(ViewDistillError, match="square"):
        keep_framing(cut_out(), 64)


def no_file(path: Path) -> None:
    assert not path.exists()


def text(path: Path) -> None:
    path.write_text("not a picture")


def truncated(path: Path) -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (60, 60, 4), np.uint8)
    Image.fromarray(noise).save(buffer, format="PNG")
    path.write_bytes(buffer.getvalue()[:2000])


def loop(path: Path) -> None:
    path.symlink_to(path)


def transparent(path: Path) -> None:
    saved(path, np.zeros((40, 40, 4), np.uint8))


def pixel(path: Path) -> None:
    saved(path, np.full((1, 1, 4), 255, np.uint8))


def speck(path: Path) -> None:
    saved(path, cut_out(box=(10, 13, 20, 22)))


def huge(path: Path) -> None:
    # 20,000 x 20,000 transparent black pixels in 400 kB.
    path.write_bytes(png(20_000, 20_000, 1, 0, b"\0" * (2501 * 20_000)))


def line(path: Path) -> None:
    saved(path, np.full((10_000, 1, 4), 255, np.uint8))


def faint(path: Path) -> None:
    saved(path, np.full((40, 40, 4), 9, np.uint8))


def postscript(path: Path) -> None:
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) show\n")


BAD: list[tuple[Callable[[Path], object], str]] = [
    (no_file, "no such file"),
    (Path.mkdir, "directory"),
    (Path.touch, "empty file"),
    (loop, "cannot be read"),
    (text, "not an image"),
    (postscript, "not an image"),
    (truncated, "damaged"),
    (transparent, "no foreground"),
    (pixel, "1 x 1 pixels"),
    (speck, "covers only 2 x 3 pixels"),
    (huge, "million pixels"),
    (line, "only 1 x 10000 pixels"),
    (faint, r"no foreground.*largest alpha 9 of 255"),
]


@pytest.mark.parametrize(("make", "problem"), BAD, ids=[make.__name__ for make, _ in BAD])
def test_bad_files_are_named_with_the_problem_in_one_line(make: Callable[[Path], object], problem: str, tmp_path: Path):
    path = tmp_path / "bad.png"
    make(path)
    with pytest.raises(ViewDistillError, match=problem) as caught:
        load_rgba(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
