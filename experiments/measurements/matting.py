"""Accuracy of cut-outs without a mask: overlap of the matte with the truth, by method and kind of picture.

`python -m experiments.measurements.matting` renders held-out objects over plain, procedural and photographed
backgrounds, and uses scikit-image's photographs with outlines drawn by hand. It prints a table and writes it to
``experiments/results/matting.md``. Methods: the flood of a plain background, GrabCut, the network if rembg and its
model are installed, and a box (GrabCut's start) as a baseline.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skimage.data
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw
from skimage.transform import resize

from datamodules.runs.run_folder import atomic_path
from viewdistill.cameras import FOVY_ZERO123
from viewdistill.input.photographs import GRABCUT_SIDE, grabcut_mask, initial_labels, matte_doubts, network_mask
from viewdistill.input.plain_background import plain_background
from viewdistill.objects.backgrounds import composite, random_background
from viewdistill.objects.generator import generate
from viewdistill.objects.render import poses, render

FIRST_SEED = 10_700_000
"""First of the objects, one of the test seeds."""

SIDE = 256
"""Of the renders, pixels."""

GROUNDS = ("brick", "grass", "gravel")
"""Photographs of scikit-image that objects are put over (CC0)."""

USEFUL = 0.8
"""Overlap below which a matte counts as wrong: the object would change."""

OUTLINES: dict[str, tuple[tuple[int, int], ...]] = {
    "coffee": (  # cup, saucer and spoon
        *(
            (78, 195),
            (85, 150),
            (110, 115),
            (145, 90),
            (180, 70),
            (185, 50),
            (215, 28),
            (260, 18),
            (310, 22),
            (360, 40),
        ),
        *((395, 68), (420, 68), (424, 80), (418, 110), (445, 140), (470, 180), (479, 220), (472, 265), (445, 310)),
        *((405, 350), (350, 378), (290, 387), (230, 378), (170, 352), (125, 315), (95, 265), (80, 225)),
    ),
    "astronaut": (  # with her helmet
        *((22, 511), (25, 400), (45, 280), (115, 215), (120, 175), (160, 150), (180, 150), (170, 120), (155, 90)),
        *((160, 55), (200, 22), (240, 15), (285, 40), (300, 80), (290, 115), (265, 150), (255, 175), (290, 205)),
        *((305, 250), (345, 275), (360, 330), (365, 350), (420, 345), (470, 370), (495, 430), (511, 490), (511, 511)),
    ),
    "rocket": (  # without its tower
        *((310, 145), (316, 130), (322, 126), (328, 130), (333, 145), (334, 180), (336, 300), (333, 406), (310, 406)),
        *((308, 300), (309, 180)),
    ),
}
"""Outlines by hand, (x, y) in pixels, of the objects in photographs of scikit-image (CC0 or NASA's)."""


@dataclass(frozen=True)
class Photograph:
    """A picture and the true mask of its object."""

    kind: str
    """Kind of background."""
    rgb: UInt8[np.ndarray, "height width 3"]
    """The picture."""
    mask: Bool[np.ndarray, "height width"]
    """The object."""


@dataclass(frozen=True)
class MatteScore:
    """Score of a method on one picture."""

    kind: str
    """Of the picture."""
    method: str
    """Its name."""
    overlap: float | None
    """Intersection over union; None if the method declined."""
    doubted: bool
    """Whether the matte was flagged as likely wrong."""


def photographs(count: int) -> Iterator[Photograph]:
    """All pictures: ``count`` renders of each kind of ground, then the real ones."""
    for index in range(count):
        seed = FIRST_SEED + index
        rng = np.random.default_rng(seed)
        camera = poses([float(rng.uniform(-60, 60))], [float(rng.uniform(0, 40))])
        rgba = render(generate(seed), camera, FOVY_ZERO123, SIDE, 3).rgba[0]
        mask = rgba[..., 3] > 127
        grounds = {
            "plain": np.broadcast_to(rng.uniform(0, 1, 3) if index % 2 else np.ones(3), (SIDE, SIDE, 3)),
            "gradient": gradient(rng),
            "procedural texture": textured(rng),
            "photographed texture": photographed(GROUNDS[index % len(GROUNDS)], rng),
        }
        for kind, ground in grounds.items():
            picture = composite(rgba, ground.astype(np.float32))
            noise = rng.normal(0, 0.01, picture.shape)
            yield Photograph(kind, ((picture + noise).clip(0, 1) * 255).astype(np.uint8), mask)
    for name, outline in OUTLINES.items():
        image = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
        drawn = Image.new("1", image.size)
        ImageDraw.Draw(drawn).polygon(outline, fill=1)
        yield Photograph(f"photograph: {name}", np.asarray(image), np.asarray(drawn))


def gradient(rng: np.random.Generator) -> Float[np.ndarray, "side side 3"]:
    """A smooth gradient of brightness over one colour."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, SIDE),) * 2, indexing="ij")
    angle = rng.uniform(0, 2 * np.pi)
    bright = 1 + 0.12 * (np.cos(angle) * x + np.sin(angle) * y) - 0.06 * (x * x + y * y)
    return (rng.uniform(0.5, 0.85, 3) * bright[..., None]).clip(0, 1)


def textured(rng: np.random.Generator) -> Float[np.ndarray, "side side 3"]:
    """A procedural ground that is not plain."""
    while True:
        ground = random_background(rng, SIDE)
        if ground.std((0, 1)).max() > 0.08:
            return ground


def photographed(name: str, rng: np.random.Generator) -> Float[np.ndarray, "side side 3"]:
    """A photographed texture, tinted."""
    grey = np.asarray(resize(getattr(skimage.data, name)(), (SIDE, SIDE), anti_aliasing=True))
    return grey[..., None] * rng.uniform(0.6, 1.0, 3)


def box_mask(rgb: UInt8[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"]:
    """Return GrabCut's initial box."""
    return initial_labels(rgb.shape[:2]) == 3


def network(rgb: UInt8[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"] | None:
    """The network's mask, where it is installed."""
    coverage = network_mask(Image.fromarray(rgb), Path("picture"))
    return None if coverage is None else coverage > 127


def flood(rgb: UInt8[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"] | None:
    """Return the mask left by the flood of a plain background."""
    ground = plain_background(rgb / 255)
    return None if ground is None else ~ground


METHODS: dict[str, Callable[[UInt8[np.ndarray, "h w 3"]], Bool[np.ndarray, "h w"] | None]] = {
    "box": box_mask,
    "flood": flood,
    "GrabCut": grabcut_mask,
    "network": network,
}


def score(picture: Photograph) -> Iterator[MatteScore]:
    """All methods on one picture."""
    for name, method in METHODS.items():
        found = method(picture.rgb)
        if found is None:
            yield MatteScore(picture.kind, name, None, False)
            continue
        overlap = float((found & picture.mask).sum() / (found | picture.mask).sum())
        yield MatteScore(picture.kind, name, overlap, matte_doubts(picture.rgb, found) is not None)


def table(scores: list[MatteScore]) -> str:
    """Markdown: mean overlap, share of useful mattes, and how many of the wrong and the useful ones were doubted."""
    lines = [
        "| ground | method | pictures cut | mean IoU | IoU ≥ 0.8 | wrong, said so | useful, doubted |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in dict.fromkeys(score.kind for score in scores):
        for method in METHODS:
            own = [score for score in scores if (score.kind, score.method) == (kind, method)]
            cut = [score for score in own if score.overlap is not None]
            if not cut:
                lines.append(f"| {kind} | {method} | 0 of {len(own)} | | | | |")
                continue
            overlaps = np.array([score.overlap for score in cut], float)
            doubted, useful = np.array([score.doubted for score in cut]), overlaps >= USEFUL
            lines.append(
                f"| {kind} | {method} | {len(cut)} of {len(own)} | {overlaps.mean():.3f} | {useful.sum()} | "
                f"{(doubted & ~useful).sum()} of {(~useful).sum()} | {(doubted & useful).sum()} of {useful.sum()} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=24, help="renders of each kind of ground (default 24)")
    parser.add_argument("--out", type=Path, default=Path("experiments/results/matting.md"), metavar="MD")
    arguments = parser.parse_args()
    scores = [found for picture in photographs(arguments.count) for found in score(picture)]
    text = f"GrabCut sees {GRABCUT_SIDE} pixels. Mattes before the rim is softened.\n\n{table(scores)}"
    print(text)
    with atomic_path(arguments.out) as partial:
        partial.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
