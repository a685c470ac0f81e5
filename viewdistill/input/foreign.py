"""Recognition of unsupported files by their first bytes, for helpful messages."""

from pathlib import Path

HEAD = 1024
"""Number of bytes to inspect."""

AS_PNG = "export it as a PNG of 1024 x 1024 pixels with a transparent background"

STARTS = (
    (b"%PDF", "a PDF document", "export its page as a PNG"),
    (b"%!PS", "a PostScript drawing", AS_PNG),
    (b"\xc5\xd0\xd3\xc6", "a PostScript drawing", AS_PNG),
    (b"8BPS", "a Photoshop document", AS_PNG),
    (b"gimp xcf", "a GIMP document", AS_PNG),
    (b"\x76\x2f\x31\x01", "an OpenEXR image", "save it as a PNG of 8 or 16 bits"),
    (b"#?RADIANCE", "a Radiance HDR image", "save it as a PNG of 8 or 16 bits"),
    (b"\xff\x0a", "a JPEG XL image", "save it as a PNG or JPEG"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image", "save it as a PNG or JPEG"),
    (b"\x1aE\xdf\xa3", "a video", "save one frame of it as a PNG"),
    (b"glTF", "a glTF model", "give a picture of it"),
    (b"ply\n", "a PLY model", "give a picture of it"),
    (b"PK\x03\x04", "a ZIP archive", "unpack it and give one image"),
    (b"\x1f\x8b", "a gzip archive", "unpack it and give one image"),
)
"""First bytes → kind of file and advice."""

HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""Brands of ISO media files that hold HEVC pictures."""


def describe_foreign(path: Path) -> str | None:
    """Return the kind of an unsupported file and advice; None for an unknown kind.

    Returns:
        Such as "a PDF document; export its page as a PNG".
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    for start, what, remedy in STARTS:
        if head.startswith(start):
            return f"{what}; {remedy}"
    if head[4:8] == b"ftyp":
        return describe_media(head[8:12])
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text:
        return f"an SVG drawing; {AS_PNG}"
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page; save the image itself, not its page"
    return None


def describe_media(brand: bytes) -> str:
    """Return the kind of an ISO media file of a brand, and advice."""
    if brand in HEIC_BRANDS:
        return "a HEIC photograph; save it as a JPEG or PNG (an iPhone does under Camera, Formats, Most Compatible)"
    if brand in (b"avif", b"avis"):
        return "an AVIF image, which this build of Pillow cannot decode; save it as a PNG"
    return "a video; save one frame of it as a PNG"
