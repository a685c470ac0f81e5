"""Cheap random backgrounds, composited in the data loader, for the text-conditioned prior."""

import numpy as np
from jaxtyping import Float, UInt8


def random_background(rng: np.random.Generator, size: int) -> Float[np.ndarray, "size size 3"]:
    """Return a plain colour, a gradient, checks, stripes or smooth noise.

    Args:
        rng: Source of all choices.
        size: Height and width, pixels.

    Returns:
        rgb in [0, 1], float32.
    """
    first, second = rng.uniform(0, 1, (2, 3)).astype(np.float32)
    kind = rng.integers(6)
    if kind <= 1:
        return np.broadcast_to(first, (size, size, 3)).copy()
    y, x = np.meshgrid(*(np.linspace(-1, 1, size, dtype=np.float32),) * 2, indexing="ij")
    angle = rng.uniform(0, 2 * np.pi)
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    frequency = rng.uniform(1.0, 4.0)
    if kind == 2:
        amount = 0.5 + 0.35 * along
    elif kind == 3:
        amount = (np.floor(along * frequency) + np.floor(across * frequency)) % 2
    elif kind == 4:
        amount = (np.floor(2 * along * frequency)) % 2
    else:
        amount = _smooth_noise(rng, size)
    return (first + amount.astype(np.float32)[..., None] * (second - first)).astype(np.float32)


def composite(
    rgba: UInt8[np.ndarray, "size size 4"], background: Float[np.ndarray, "size size 3"]
) -> Float[np.ndarray, "size size 3"]:
    """Return an image with straight alpha over a background; rgb in [0, 1], float32."""
    image = rgba.astype(np.float32) * np.float32(1 / 255)
    return image[..., :3] * image[..., 3:] + background * (1 - image[..., 3:])


def _smooth_noise(rng: np.random.Generator, size: int) -> Float[np.ndarray, "size size"]:
    """Bilinearly enlarged random values in [0, 1]."""
    cells = int(rng.integers(3, 9))
    values = rng.uniform(0, 1, (cells + 1, cells + 1)).astype(np.float32)
    position = np.linspace(0, cells, size, endpoint=False, dtype=np.float32)
    low = position.astype(np.int64)
    weight = position - low
    rows = values[low] * (1 - weight)[:, None] + values[low + 1] * weight[:, None]
    return rows[:, low] * (1 - weight) + rows[:, low + 1] * weight
