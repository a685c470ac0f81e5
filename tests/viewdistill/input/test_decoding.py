"""Decoding: pixels of every kind, and files of other kinds with the way out."""

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from viewdistill.errors import ViewDistillError
from viewdistill.input.decoding import read_image, read_picture
from viewdistill.input.pixels import has_alpha, to_rgba


def grey_png(path: Path, depth: int, shades: tuple[int, int], transparent: int, color: bool = False) -> Path:
    """A PNG of 16 x 16 pixels, of one shade in the left half and another in the right, with a transparent one."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    channels = 3 if color else 1
    bits = "".join(format(shade, f"0{depth}b") * channels for shade in (*(shades[0],) * 8, *(shades[1],) * 8))
    row = b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    header = struct.pack(">IIBBBBB", 16, 16, depth, 2 if color else 0, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"tRNS", struct.pack(">H", transparent) * channels)
    content += chunk(b"IDAT", zlib.compress(row * 16)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("color", [False, True])
def test_a_transparent_colour_of_every_depth(depth: int, color: bool, tmp_path: Path):
    if color and depth < 8:
        pytest.skip("PNG has colours of 8 and 16 bits only")
    white = 2**depth - 1
    image = read_image(grey_png(tmp_path / "a.png", depth, (white // 2, white), white // 2, color))
    assert has_alpha(image)
    rgba = to_rgba(image)
    assert (rgba[:, :8, 3] == 0).all()
    assert (rgba[:, 8:] == 255).all()


def wide_profile() -> bytes:
    """An RGB profile with a gamma of 1: linear light, far from sRGB."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ"))
    assert profile.tobytes()
    # Pillow makes no RGB profile but sRGB; its tone curves, swapped for those of linear light, make another.
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", content[128:132])[0]
    for index in range(count):
        tag, offset, _ = struct.unpack(">4sII", content[132 + 12 * index : 144 + 12 * index])
        if tag in (b"rTRC", b"gTRC", b"bTRC"):
            content[offset : offset + 12] = b"curv" + bytes(4) + struct.pack(">I", 0)
        if tag == b"desc":
            at = content.index("sRGB".encode("utf-16-be"), offset)
            content[at : at + 8] = "wide".encode("utf-16-be")
    return bytes(content)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours_with_a_profile_are_converted_to_srgb(mode: str, tmp_path: Path):
    picture = Image.new("RGB", (16, 16), (55, 55, 55))  # 0.216 of linear light: 128 in sRGB
    picture = picture.quantize() if mode == "P" else picture.convert(mode)
    picture.save(tmp_path / "a.png", icc_profile=wide_profile())
    rgba = to_rgba(read_image(tmp_path / "a.png"))
    np.testing.assert_allclose(rgba[..., :3], 128, atol=2)
    assert (rgba[..., 3] == 255).all()


@pytest.mark.parametrize("profile", [b"no profile", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()])
def test_srgb_and_damaged_profiles_change_nothing(profile: bytes, tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png", icc_profile=profile)
    np.testing.assert_array_equal(to_rgba(read_image(tmp_path / "a.png"))[..., :3], noise)


def test_an_animation_is_known_as_one(tmp_path: Path):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "b.gif")
    assert read_picture(tmp_path / "a.gif").animated
    assert not read_picture(tmp_path / "b.gif").animated


FOREIGN = {
    b"%PDF-1.7": "a PDF document; export its page",
    b'<?xml version="1.0"?>\n<svg xmlns="x">': "an SVG drawing; export it as a PNG",
    b"\0\0\0\x18ftypheic\0\0\0\0": "a HEIC photograph; save it as a JPEG or PNG",
    b"\0\0\0\x18ftypmp42\0\0\0\0": "a video; save one frame",
    b"<!DOCTYPE html><html>": "a web page",
    b"8BPS\0\1": "a Photoshop document",
    b"PK\x03\x04": "a ZIP archive",
    b"glTF\2\0\0\0": "a glTF model; give a picture of it",
}


@pytest.mark.parametrize("content", FOREIGN, ids=FOREIGN.values())
def test_files_of_other_kinds_are_named_with_the_way_out(content: bytes, tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(content + bytes(2000))
    with pytest.raises(ViewDistillError, match=f"not an image that can be read, but {FOREIGN[content]}"):
        read_image(path)


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small picture in every format that is written."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8))
    contents: dict[str, bytes] = {}
    for kind in ("PNG", "WEBP", "TIFF", "GIF", "JPEG", "BMP", "AVIF", "PPM", "ICO"):
        buffer = io.BytesIO()
        noise.save(buffer, format=kind)
        contents[kind] = buffer.getvalue()
    return contents


@given(data=st.data())
def test_damaged_files_are_read_or_refused_in_one_line(
    data: st.DataObject, valid: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
):
    content = bytearray(valid[data.draw(st.sampled_from(sorted(valid)))])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    with contextlib.suppress(ViewDistillError):
        assert to_rgba(read_image(path)).shape[-1] == 4
