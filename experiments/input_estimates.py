"""How good the input stage's estimates are: elevation and class word of the examples, against what is known of them.

`python -m experiments.input_estimates` prints a line an example and the sums. The thresholds ``CLEAR_MARGIN`` of
`viewdistill.guidance.elevation` and `viewdistill.diffusion.classifier` belong to the priors that they were set with,
earlier ones than the shipped: set them anew from its figures. With the shipped priors neither margin
tells right from wrong.
"""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from commands.stages.input_choices import picture_and_mask
from datamodules.run_folder import read_json, write_json
from viewdistill.diffusion.classifier import classify
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.guidance.elevation import estimate_elevation
from viewdistill.objects.nouns import NOUNS, noun_of_caption


@dataclass(frozen=True)
class Estimates:
    """Truth and estimates of one example."""

    name: str
    elevation_deg: float
    """True elevation."""
    estimated_deg: float
    elevation_margin: float
    noun: str
    """True noun."""
    chosen: str
    """Noun that the prior chose."""
    rank: int
    """Place of the true noun in the prior's order, from 1."""
    class_word_margin: float


def estimate(image: Path, view_prior: ViewConditionedPrior, text_prior: TextConditionedPrior) -> Estimates:
    """Both estimates of one example."""
    known = read_json(image.with_suffix(".json"))
    framed = np.asarray(Image.open(image).convert("RGBA"))
    elevation = estimate_elevation(view_prior, *picture_and_mask(framed, view_prior.image_size))
    picture, _ = picture_and_mask(framed, text_prior.image_size)
    words = classify(text_prior, picture, [f"a {noun}" for noun in NOUNS])
    noun = noun_of_caption(known["caption"]) or ""
    return Estimates(
        name=image.stem,
        elevation_deg=known["elevation_deg"],
        estimated_deg=round(elevation.elevation_deg, 1),
        elevation_margin=round(elevation.margin, 4),
        noun=noun,
        chosen=NOUNS[words.best],
        rank=1 + words.errors.argsort().tolist().index(NOUNS.index(noun)),
        class_word_margin=round(words.margin, 2),
    )


def main() -> None:
    """Estimate, print, and write ``input_estimates.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--priors", type=Path, default=Path("priors/nano"), metavar="DIR")
    parser.add_argument("--examples", type=Path, default=Path("examples"), metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("runs/input_estimates.json"), metavar="JSON")
    arguments = parser.parse_args()

    view_prior = ViewConditionedPrior.from_folder(arguments.priors / "zero123")
    text_prior = TextConditionedPrior.from_folder(arguments.priors / "stable-diffusion")
    found: list[Estimates] = []
    for image in sorted(arguments.examples.glob("*.png")):
        found.append(estimate(image, view_prior, text_prior))
        print(found[-1], flush=True)
    truth, estimated = (np.array([getattr(e, name) for e in found]) for name in ("elevation_deg", "estimated_deg"))
    summary = {
        "elevation_mean_error": float(np.abs(estimated - truth).mean()),
        "elevation_mean_error_of_zero": float(np.abs(truth).mean()),
        "elevation_mean_error_of_the_median": float(np.abs(truth - np.median(truth)).mean()),
        "class_word_right": sum(e.rank == 1 for e in found),
        "class_word_in_first_five": sum(e.rank <= 5 for e in found),
        "objects": len(found),
    }
    print(summary)
    write_json(arguments.out, {"summary": summary, "examples": [asdict(e) for e in found]})


if __name__ == "__main__":
    main()
