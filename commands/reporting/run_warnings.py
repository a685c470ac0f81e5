"""Warnings about a run's results."""

from typing import Any

from datamodules.runs.run_folder import InputMeta
from viewdistill.input.sources import WORDS
from viewdistill.mesh.soundness import SMALLEST_INPUT_IOU

FEW_TEXELS = 0.5
"""Share of the texture covered by views below which a warning is due."""

# The choice itself needs half of this margin. Its module is not imported because it brings the prior.
NARROW_CLASS_WORD = 10.0
"""Margin below which a choice of the class word is called narrow (`viewdistill.diffusion.classifier.CLEAR_MARGIN`)."""


def run_warnings(meta: InputMeta, records: dict[str, dict[str, Any]]) -> list[str]:
    """Warnings in plain words, the input's first.

    Args:
        meta: Description of the input.
        records: Of the complete stages, by name.
    """
    return [*elevation_warnings(meta), *class_word_warnings(meta), *mask_warnings(meta), *mesh_warnings(records)]


def elevation_warnings(meta: InputMeta) -> list[str]:
    """Return warnings about an elevation that was not given."""
    degrees, confidence = f"{meta.elevation_deg:g}°", meta.elevation_confidence
    if confidence is None:
        if meta.elevation_source != "default":
            return []
        return [f"The elevation of the input camera was not given: {degrees} is assumed."]
    others = " or ".join(f"{alternative:g}°" for alternative in meta.elevation_alternatives)
    remedy = f"where the mesh leans, try {others}" if others else "give it where the mesh leans"
    if meta.elevation_source == "default":
        return [f"The elevation of the input camera could not be told from the image: {degrees} is assumed; {remedy}."]
    likely = f"within 10° with a probability of {confidence:.0%}"
    return [f"The elevation of the input camera, {degrees}, is an estimate, {likely}; {remedy}."]


def class_word_warnings(meta: InputMeta) -> list[str]:
    """Return warnings about a guessed class word."""
    if meta.class_word_source == "default":
        return [f'The kind of object was not given and is not clear: the prompts call it "{meta.class_word}".']
    if meta.class_word_source == "prior":
        clarity = clarity_text(meta.class_word_margin, NARROW_CLASS_WORD)
        return [f'The class word, "{meta.class_word}", was chosen by the prior{clarity}.']
    return []


def clarity_text(margin: float | None, narrow: float) -> str:
    """Return a choice's clarity as the end of a sentence; empty if it was not measured."""
    if margin is None:
        return ""
    return f", {'narrowly' if margin < narrow else 'well'} ahead of the others (margin {margin:g})"


def mask_warnings(meta: InputMeta) -> list[str]:
    """Return warnings about an automatic silhouette, and the notes on the image."""
    noticed = [f"Of the image: {note}." for note in meta.notes]
    if meta.mask_source in ("matting", "grabcut"):
        method = WORDS[meta.mask_source]
        return [f"The object was cut out by {method}: check the input's silhouette.", *noticed]
    return noticed


def mesh_warnings(records: dict[str, dict[str, Any]]) -> list[str]:
    """Return warnings about the mesh."""
    figures = records.get("mesh", {}).get("figures", {})
    found: list[str] = []
    if problems := figures.get("problems"):
        found.append(f"The mesh is not sound: {', '.join(problems)}. Repair it before printing.")
    elif figures.get("watertight") is False:
        found.append("The mesh is not watertight: repair it before printing.")
    if figures.get("input_iou", 1.0) < SMALLEST_INPUT_IOU:
        found.append(
            f"From the input's camera the mesh's silhouette differs from the input's (IoU {figures['input_iou']:.2f}): "
            "thin parts may be lost, or the elevation may be wrong."
        )
    if figures.get("source") == "field":
        found.append("The mesh comes from the radiance field alone, without refined views and surface.")
    elif figures.get("texels_from_views", 1.0) < FEW_TEXELS:
        share = f"{figures['texels_from_views']:.0%}"
        found.append(f"Views cover {share} of the texture; the rest has the colours of the surface.")
    return found
