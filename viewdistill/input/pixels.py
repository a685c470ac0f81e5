"""Pixels of every kind as 8-bit RGBA in sRGB."""

import io
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms

ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
"""Pillow's modes with an alpha channel."""

SIXTEEN_BITS = 65_535


def has_alpha(image: Image.Image) -> bool:
    """Return whether the image has transparency, as a channel or as a transparent palette entry or colour."""
    if image.mode in ALPHA_MODES:
        return True
    return "transparency" in image.info and (image.mode in ("P", "RGB", "L", "1") or is_deep(image))


def is_deep(image: Image.Image) -> bool:
    """Return whether the image is grey with more than eight bits."""
    return image.mode == "F" or image.mode.startswith("I")


def to_rgba(image: Image.Image) -> UInt8[np.ndarray, "height width 4"]:
    """Convert an image of any mode to 8-bit RGBA, straight alpha; colours with an ICC profile become sRGB."""
    shallow = Image.fromarray(deep_to_la(image)) if is_deep(image) else image
    rgba = shallow.convert("RGBA")
    profile = image.info.get("icc_profile")
    if profile and (converted := to_srgb(image if image.mode == "CMYK" else rgba.convert("RGB"), profile)):
        return np.dstack([np.asarray(converted), np.asarray(rgba)[..., 3]])
    return np.array(rgba)


def deep_to_la(image: Image.Image) -> UInt8[np.ndarray, "height width 2"]:
    """Return grey and alpha of an image with more than eight bits.

    Pillow clips such values at 255 instead of scaling them, and treats the transparent colour as an 8-bit value.
    Floating-point values are taken as [0, 1] if they fit.
    """
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    white = max(SIXTEEN_BITS, values.max()) if image.mode != "F" else 1 if values.max() <= 1 else 255
    grey = ((values / white).clip(0, 1) * 255 + 0.5).astype(np.uint8)
    transparent = image.info.get("transparency")
    opaque = np.full_like(grey, 255) if transparent is None else np.where(values == transparent, 0, 255)
    return np.dstack([grey, opaque.astype(np.uint8)])


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert colours of an ICC profile to sRGB; return None if they are sRGB already or the profile is unusable.

    Args:
        image: RGB, or CMYK with a profile for CMYK. Of a grey profile, the tone curve is used.
        profile: The embedded profile.
    """
    try:
        opened = ImageCms.getOpenProfile(io.BytesIO(profile))
        if "srgb" in (ImageCms.getProfileDescription(opened) or "").lower():
            return None
        described: Any = opened.profile
        grey = described.xcolor_space.strip() == "GRAY"
        source = image.convert("L") if grey else image
        return ImageCms.profileToProfile(source, opened, ImageCms.createProfile("sRGB"), outputMode="RGB")
    # A damaged profile, or one for another colour space: the values are taken as sRGB, as without a profile.
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
