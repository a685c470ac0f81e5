"""Files of pictures, as cameras, programs and mischief write them."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageCms

LIBRARY: Any = Image


def disc(side: int = 64, alpha: int = 255, channels: int = 4) -> np.ndarray:
    """A red and blue disc, in the middle of a transparent (of three channels: a white) square."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    inside = x**2 + y**2 < 0.4
    rgba = np.zeros((side, side, 4), np.uint8)
    rgba[..., 0], rgba[..., 2], rgba[..., 3] = 220 * (y < 0), 200 * (y >= 0), alpha * inside
    if channels == 4:
        return rgba
    return np.where(inside[..., None], rgba[..., :3], 255).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """A picture in a format."""
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int, color: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG of any claims."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    more = b"".join(png_chunk(*each) for each in extra)
    body = png_chunk(b"IDAT", zlib.compress(rows, 9)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + more + body


def rgba() -> Image.Image:
    """The disc."""
    return Image.fromarray(disc())


def sixteen_bit() -> bytes:
    """RGBA of 16 bits a channel."""
    wide = disc().astype(">u2") * 257
    return png(64, 64, 16, 6, b"".join(b"\0" + row.tobytes() for row in wide))


def animated(kind: str) -> bytes:
    """Two frames."""
    return encoded(rgba(), kind, save_all=True, append_images=[Image.new("RGBA", (64, 64), "blue")], duration=100)


def oriented(orientation: int) -> bytes:
    """A JPEG that is to be turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(Image.fromarray(disc(channels=3)), "JPEG", exif=exif, quality=95)


def frames_bomb() -> bytes:
    """A TIFF whose directories form a loop."""
    content = bytearray(encoded(rgba(), "TIFF"))
    (start,) = struct.unpack("<I", content[4:8])
    (entries,) = struct.unpack("<H", content[start : start + 2])
    end = start + 2 + 12 * entries
    content[end : end + 4] = struct.pack("<I", start)
    return bytes(content)


def soft_palette() -> bytes:
    """A palette with a transparent entry."""
    image = Image.fromarray(disc(channels=3)).convert("P")
    return encoded(image, "PNG", transparency=image.getpixel((0, 0)))


def grey_alpha() -> bytes:
    """Grey with alpha."""
    return encoded(rgba().convert("LA"), "PNG")


def profile(content: bytes) -> bytes:
    """A picture with a colour profile."""
    return encoded(rgba(), "PNG", icc_profile=content)


def srgb() -> bytes:
    """A profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def grey_with_transparent_colour() -> bytes:
    """Grey of 16 bits, of which one shade is transparent."""
    shades = np.where(disc()[..., 3] > 0, 20_000, 65_535).astype(">u2")
    return png(64, 64, 16, 0, rows_of(shades), (b"tRNS", struct.pack(">H", 65_535)))


def rows_of(image: np.ndarray) -> bytes:
    """The rows of a PNG without filters."""
    return b"".join(b"\0" + row.tobytes() for row in image)


def cut_at_border() -> bytes:
    """A bar through the whole picture."""
    image = np.zeros((64, 64, 4), np.uint8)
    image[20:40] = (200, 30, 30, 255)
    return encoded(Image.fromarray(image), "PNG")


def two_discs() -> bytes:
    """Two objects."""
    image = np.zeros((64, 128, 4), np.uint8)
    image[:, :64], image[:, 64:] = disc(), disc()
    return encoded(Image.fromarray(image), "PNG")


def thin() -> bytes:
    """A line."""
    image = np.zeros((256, 256, 4), np.uint8)
    image[8:248, 128] = (200, 30, 30, 255)
    return encoded(Image.fromarray(image), "PNG")


def dusty() -> bytes:
    """A disc with specks in the corners."""
    image = np.zeros((128, 128, 4), np.uint8)
    image[32:96, 32:96] = disc()
    for row, column in ((2, 2), (120, 3), (5, 122)):
        image[row : row + 2, column : column + 2] = (90, 90, 90, 120)
    return encoded(Image.fromarray(image), "PNG")


ICC_BOMB = zlib.compress(bytes(200 << 20), 9)


def bmp(width: int, height: int) -> bytes:
    """A BMP of any claims."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 54, 0, 0, 54) + info


def gif(width: int, height: int) -> bytes:
    """A GIF of any claims."""
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return b"GIF89a" + screen + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\2\2\x4c\1\0;"


def speck() -> bytes:
    """An object of four pixels."""
    image = np.zeros((64, 64, 4), np.uint8)
    image[30:32, 30:32] = 255
    return encoded(Image.fromarray(image), "PNG")


def png_with_method(method: int) -> bytes:
    """A PNG of a compression that there is none of."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 6, method, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", b"x") + png_chunk(b"IEND", b"")


def damaged(kind: str, how: str) -> bytes:
    """A sound picture that was cut off or in which bytes were changed."""
    noise = np.random.default_rng(0).integers(0, 255, (60, 60, 4), np.uint8)
    noise[..., 3] = disc(60)[..., 3]
    image = Image.fromarray(noise)
    content = bytearray(encoded(image.convert("RGB") if kind == "JPEG" else image, kind))
    if how == "cut in half":
        return bytes(content[: len(content) // 2])
    for place in np.random.default_rng(1).integers(20, len(content), 8):
        content[place] ^= 0xFF
    return bytes(content)
