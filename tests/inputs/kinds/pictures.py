"""Pictures: everything that Pillow opens, much that it does not, and what opens but should not be taken as it is."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tests.inputs.case import Accepted, Case, Ended, Expected, Refused
from tests.inputs.picture_files import (
    ICC_BOMB,
    LIBRARY,
    animated,
    bmp,
    cut_at_border,
    damaged,
    disc,
    dusty,
    encoded,
    frames_bomb,
    gif,
    grey_alpha,
    grey_with_transparent_colour,
    oriented,
    png,
    png_with_method,
    profile,
    rgba,
    rows_of,
    sixteen_bit,
    soft_palette,
    speck,
    srgb,
    thin,
    two_discs,
)

KIND = "pictures"

KNOWN = ("--elevation=10", "--class-word=box")
"""What needs no estimate, and so no prior."""


def written(name: str, content: bytes) -> Callable[[Path], object]:
    """What writes a file."""
    return lambda folder: (folder / name).write_bytes(content)


def case(given: str, name: str, content: Callable[[], bytes], expected: Expected, *options: str) -> Case:
    """The input stage of a picture, whose bytes are made when they are needed."""
    return Case(
        KIND,
        given,
        ("input", name, "--out=runs/toy", *KNOWN, *options),
        expected,
        lambda folder: (folder / name).write_bytes(content()),
    )


SOUND: dict[str, tuple[str, Callable[[], bytes]]] = {
    "RGBA": ("a.png", lambda: encoded(rgba(), "PNG")),
    "16 bits a channel": ("a.png", sixteen_bit),
    "a palette with a transparent entry": ("a.png", soft_palette),
    "grey with alpha": ("a.png", grey_alpha),
    "WebP": ("a.webp", lambda: encoded(rgba(), "WEBP", lossless=True)),
    "TIFF": ("a.tiff", lambda: encoded(rgba(), "TIFF")),
    "AVIF": ("a.avif", lambda: encoded(rgba(), "AVIF")),
    "JPEG 2000": ("a.jp2", lambda: encoded(rgba(), "JPEG2000")),
    "ICO": ("a.ico", lambda: encoded(rgba(), "ICO", sizes=[(64, 64)])),
    "a JPEG on white": ("a.jpg", lambda: encoded(Image.fromarray(disc(channels=3)), "JPEG", quality=95)),
    "a JPEG of four inks": ("a.jpg", lambda: encoded(Image.fromarray(disc(channels=3)).convert("CMYK"), "JPEG")),
    "a PNG named as a JPEG": ("a.jpg", lambda: encoded(rgba(), "PNG")),
    "no ending": ("a", lambda: encoded(rgba(), "PNG")),
    "a profile of nothing": ("a.png", lambda: profile(b"no profile")),
    "an sRGB profile": ("a.png", lambda: profile(srgb())),
    "a cut profile": ("a.png", lambda: profile(srgb()[:200])),
    "grey of 16 bits with a transparent colour": ("a.png", grey_with_transparent_colour),
    "a megabyte of text within": (
        "a.png",
        lambda: png(64, 64, 8, 6, rows_of(disc()), (b"tEXt", b"k\0" + b"x" * 10**6)),
    ),
    "bytes after the end": ("a.png", lambda: encoded(rgba(), "PNG") + b"MZ" * 5000),
    "a directory loop of a TIFF": ("a.tiff", frames_bomb),
    "512 x 512": ("a.png", lambda: encoded(Image.fromarray(disc(512)), "PNG")),
}
"""What is read as it is."""


WARNED: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "cut by the border": ("a.png", cut_at_border, "border"),
    "two objects": ("a.png", two_discs, "two|separate"),
    "a half-transparent body": ("a.png", lambda: encoded(Image.fromarray(disc(alpha=115)), "PNG"), "half-transparent"),
    "specks": ("a.png", dusty, "left out"),
    "an animated GIF": ("a.gif", lambda: animated("GIF"), "first|frame"),
    "an animated WebP": ("a.webp", lambda: animated("WEBP"), "first|frame"),
    "an animated PNG": ("a.png", lambda: animated("PNG"), "first|frame"),
}
"""What is read with a word about it."""

"""200 MB of zeros."""

FOREIGN: dict[str, tuple[str, bytes, str]] = {
    "text": ("a.png", b"not a picture", "not an image"),
    "a PDF": ("a.png", b"%PDF-1.7" + bytes(2000), "PDF"),
    "an SVG": ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "an SVG of entities": (
        "a.svg",
        b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "aaaaaaaa">'
        + b"".join(b'<!ENTITY %c "%s">' % (98 + k, b"&%c;" % (97 + k) * 10) for k in range(9))
        + b'] ><svg xmlns="x">&j;</svg>',
        "SVG",
    ),
    "a HEIC": ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0" + bytes(2000), "HEIC"),
    "a video": ("a.mp4", b"\0\0\0\x18ftypmp42\0\0\0\0" + bytes(2000), "video"),
    "a web page": ("a.html", b"<!DOCTYPE html><html>" + bytes(2000), "web page"),
    "a Photoshop document": ("a.psd", b"8BPS\0\1" + bytes(2000), "Photoshop"),
    "an archive": ("a.zip", b"PK\x03\x04" + bytes(2000), "ZIP"),
    "a mesh": ("a.glb", b"glTF\2\0\0\0" + bytes(2000), "glTF"),
    "PostScript": ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) show\n", "not an image"),
    "PostScript that runs a command": (
        "a.eps",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch pwned) (w) file closefile\n",
        "not an image",
    ),
    "an empty file": ("a.png", b"", "empty"),
    "a signature alone": ("a.png", b"\x89PNG\r\n\x1a\n", "damaged|not an image"),
    "zeros": ("a.png", bytes(100_000), "not an image"),
    "a script": ("a.png", b"#!/bin/sh\ntouch pwned\n", "not an image"),
    "an executable": ("a.png", b"\x7fELF" + bytes(1000), "not an image"),
    "a pickle": ("a.png", b"cos\nsystem\n(S'touch pwned'\ntR.", "not an image"),
}
"""Files that are no picture."""

IMPOSSIBLE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "a bomb of 400 million pixels": (
        "a.png",
        lambda: png(20_000, 20_000, 1, 0, bytes(2501 * 20_000)),
        "million pixels",
    ),
    "a claim of 4 billion columns": ("a.png", lambda: png(2**31 - 1, 2**31 - 1, 8, 6, b""), "million pixels|damaged"),
    "a claim of no rows": ("a.png", lambda: png(64, 0, 8, 6, b""), "a.png"),
    "a BMP of 2^31 pixels": ("a.bmp", lambda: bmp(46_341, 46_341), "million pixels|damaged"),
    "a WebP bomb": (
        "a.webp",
        lambda: encoded(Image.new("RGB", (16_000, 16_000)), "WEBP", lossless=True, method=0),
        "million",
    ),
    "a GIF of 65,535 x 65,535": ("a.gif", lambda: gif(65_535, 65_535), "million pixels|damaged"),
    "a text chunk of 200 MB": (
        "a.png",
        lambda: png(64, 64, 8, 6, rows_of(disc()), (b"zTXt", b"k\0\0" + ICC_BOMB)),
        "damaged",
    ),
    "one pixel": ("a.png", lambda: encoded(Image.new("RGBA", (1, 1), "red"), "PNG"), "1 x 1"),
    "1 x 10,000": ("a.png", lambda: encoded(Image.new("RGBA", (1, 10_000), "red"), "PNG"), "1 x 10000"),
    "fully transparent": ("a.png", lambda: encoded(Image.new("RGBA", (64, 64)), "PNG"), "no foreground"),
    "nearly transparent": ("a.png", lambda: encoded(Image.new("RGBA", (64, 64), (9, 9, 9, 9)), "PNG"), "foreground"),
    "a speck": ("a.png", lambda: speck(), "only|pixels"),
    "a line of one pixel": ("a.png", thin, "too thin"),
    "another compression": ("a.png", lambda: png_with_method(9), "damaged|not an image"),
}
"""What has nothing to show, or too much."""


def places() -> Iterator[Case]:
    """What stands where the picture should."""
    arguments = ("input", "a.png", "--out=runs/toy", *KNOWN)
    for given, prepare, names in (
        ("nothing", lambda folder: None, "no such file"),
        ("a folder", lambda folder: (folder / "a.png").mkdir(), "a directory"),
        ("a loop of links", lambda folder: (folder / "a.png").symlink_to("a.png"), "a.png"),
        ("a link to nothing", lambda folder: (folder / "a.png").symlink_to("none"), "no such file"),
        ("a pipe", lambda folder: os.mkfifo(folder / "a.png"), "not a regular file"),
        ("a device", lambda folder: (folder / "a.png").symlink_to("/dev/zero"), "not a regular file"),
        ("a terminal", lambda folder: (folder / "a.png").symlink_to("/dev/tty"), "not a regular file|cannot be read"),
    ):
        yield Case(KIND, f"{given} in a picture's place", arguments, Refused(f"a.png.*{names}|{names}"), prepare)
        mask = ("input", "toy.png", "--mask=a.png", "--out=runs/toy", *KNOWN)
        yield Case(KIND, f"{given} in a mask's place", mask, Refused("a.png"), with_toy(prepare))


def with_toy(prepare: Callable[[Path], object]) -> Callable[[Path], object]:
    """Also a sound picture."""

    def work(folder: Path) -> None:
        (folder / "toy.png").write_bytes(encoded(rgba(), "PNG"))
        prepare(folder)

    return work


MASKS: dict[str, tuple[Callable[[], Image.Image], Expected]] = {
    "another size": (lambda: Image.new("L", (32, 64), 255), Refused("mask.png|size|pixels")),
    "white": (lambda: Image.new("L", (64, 64), 255), Refused("mask.png|background|white|all")),
    "black": (lambda: Image.new("L", (64, 64), 0), Refused("foreground|mask.png")),
    "one pixel": (lambda: Image.new("L", (1, 1), 255), Refused("mask.png")),
    "16 bits": (lambda: Image.fromarray(disc()[..., 3].astype(np.uint16) * 257), Accepted()),
    "floating point": (lambda: LIBRARY.fromarray(disc()[..., 3].astype(np.float32) / 255), Ended()),
    "NaN": (lambda: LIBRARY.fromarray(np.full((64, 64), np.nan, np.float32)), Refused("mask|a.png|foreground")),
    "one bit": (lambda: Image.fromarray(disc()[..., 3]).convert("1"), Accepted()),
    "colours": (lambda: Image.fromarray(disc(channels=3)), Ended()),
}

DESCRIPTIONS: dict[str, tuple[bytes, Expected]] = {
    "a byte order mark": (b"\xef\xbb\xbf" + b'{"elevation_deg": 20}', Accepted()),
    "UTF-16": (json.dumps({"caption": "a mug"}).encode("utf-16"), Accepted()),
    "null": (b'{"caption": null, "elevation_deg": null}', Accepted()),
    "a huge integer": (b'{"elevation_deg": ' + b"9" * 400 + b"}", Refused("a.json.*elevation")),
    "an elevation of text": (b'{"elevation_deg": "up"}', Refused("a.json.*elevation")),
    "NaN": (b'{"elevation_deg": NaN}', Refused("a.json.*elevation")),
    "beyond the pole": (b'{"elevation_deg": 91}', Refused("a.json.*elevation.*90")),
    "a strange framing": (b'{"framing": "tight"}', Refused("a.json.*framing")),
    "a caption of numbers": (b'{"caption": 7}', Refused("a.json.*caption")),
    "a caption with half a character": (b'{"caption": "\\ud800 mug"}', Accepted()),
    "a caption with a command": (b'{"caption": "$(touch pwned)"}', Accepted()),
    "a seed of text": (b'{"caption": "x", "seed": "seven"}', Accepted()),
    "no JSON": (b"{", Refused("a.json.*JSON")),
    "100,000 brackets": (b"[" * 100_000, Refused("a.json.*nested")),
    "a list": (b"[1]", Accepted()),
    "another program's": (b'{"camera": "phone"}', Accepted()),
    "binary": (bytes(range(256)), Refused("a.json")),
    "20 MB": (b'{"caption": "' + b"x" * (20 << 20) + b'"}', Refused("a.json.*limit")),
    "nothing": (b"", Refused("a.json")),
}


def described(name: str, content: bytes) -> Callable[[Path], object]:
    """A sound picture with a description beside it."""

    def work(folder: Path) -> None:
        (folder / "a.png").write_bytes(encoded(rgba(), "PNG"))
        (folder / name).write_bytes(content)

    return work


def turned_photograph(folder: Path) -> None:
    """A photograph that is to be turned by 180 degrees, and a mask that fits it as it is stored."""
    image = Image.fromarray(disc(channels=3)).resize((96, 64))
    exif = Image.Exif()
    exif[0x0112] = 3
    image.save(folder / "a.jpg", exif=exif, quality=95)
    mask = np.zeros((64, 96), np.uint8)
    mask[8:40, 20:70] = 255
    pixels = np.array(image)
    pixels[8:40, 20:70] = (30, 160, 60)
    Image.fromarray(pixels).save(folder / "a.jpg", exif=exif, quality=95)
    Image.fromarray(mask).save(folder / "mask.png")


def cases() -> Iterator[Case]:
    """All pictures."""
    yield Case(
        KIND, "a mask of the stored picture, which is to be turned",
        ("input", "a.jpg", "--mask=mask.png", "--out=runs/toy", *KNOWN), Accepted("before its EXIF rotation"),
        turned_photograph,
    )  # fmt: skip
    for given, (name, content) in SOUND.items():
        yield case(given, name, content, Accepted())
    for given, (name, content, says) in WARNED.items():
        yield case(given, name, content, Accepted(says))
    for given, (name, foreign, names) in FOREIGN.items():
        yield case(given, name, lambda foreign=foreign: foreign, Refused(names))
    for given, (name, content, names) in IMPOSSIBLE.items():
        yield case(given, name, content, Refused(names))
    for kind in ("PNG", "WEBP", "TIFF", "GIF", "JPEG", "BMP", "AVIF", "JPEG2000", "ICO"):
        for how in ("cut in half", "with changed bytes"):
            yield case(f"{kind} {how}", "a", lambda kind=kind, how=how: damaged(kind, how), Ended())
    for orientation in (*range(1, 9), 0, 9, 255):
        given = f"EXIF orientation {orientation}"
        yield case(given, "a.jpg", lambda orientation=orientation: oriented(orientation), Accepted())
    yield from places()
    for given, (mask, expected) in MASKS.items():
        arguments = ("input", "toy.png", "--mask=mask.tiff", "--out=runs/toy", *KNOWN)
        prepare = with_toy(lambda folder, mask=mask: mask().save(folder / "mask.tiff"))
        names = Refused(expected.names.replace("mask.png", "mask.tiff")) if isinstance(expected, Refused) else expected
        yield Case(KIND, f"a mask of {given}", arguments, names, prepare)
    for given, (content, expected) in DESCRIPTIONS.items():
        arguments = ("input", "a.png", "--out=runs/toy", "--class-word=box", "--no-estimate-elevation")
        yield Case(KIND, f"a description of {given}", arguments, expected, described("a.json", content))
