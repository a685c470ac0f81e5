"""What a reader of a run's results should know before trusting them."""

from typing import Any

from datamodules.run_folder import InputMeta

FEW_TEXELS = 0.5
"""Share of the texture that views cover below which a warning is due."""

# Estimates ask for half of these margins themselves. Their modules, not imported here, bring the priors with them.
NARROW_ELEVATION = 0.04
"""Margin below which an estimate of the elevation is called narrow (`viewdistill.guidance.elevation.CLEAR_MARGIN`)."""

NARROW_CLASS_WORD = 10.0
"""Margin below which a choice of the class word is called narrow (`viewdistill.diffusion.classifier.CLEAR_MARGIN`)."""


def run_warnings(meta: InputMeta, records: dict[str, dict[str, Any]]) -> list[str]:
    """Warnings in plain words, the input's first.

    Args:
        meta: What is known about the input.
        records: Of the complete stages, by name.
    """
    return [*elevation_warnings(meta), *class_word_warnings(meta), *mask_warnings(meta), *mesh_warnings(records)]


def elevation_warnings(meta: InputMeta) -> list[str]:
    """Where the elevation is not what somebody said."""
    degrees, margin = f"{meta.elevation_deg:g}°", meta.elevation_margin
    if meta.elevation_source == "default" and margin is None:
        return [f"The elevation of the input camera was not given: {degrees} is assumed."]
    if meta.elevation_source == "default":
        told = f"could not be told from the image (margin {margin:g})"
        return [f"The elevation of the input camera {told}: {degrees} is assumed."]
    if meta.elevation_source == "estimate":
        clarity = clarity_text(margin, NARROW_ELEVATION)
        return [f"The elevation of the input camera, {degrees}, is an estimate{clarity}."]
    return []


def class_word_warnings(meta: InputMeta) -> list[str]:
    """Where the class word is a guess."""
    if meta.class_word_source == "default":
        return [f'The kind of object was not given and is not clear: the prompts call it "{meta.class_word}".']
    if meta.class_word_source == "prior":
        clarity = clarity_text(meta.class_word_margin, NARROW_CLASS_WORD)
        return [f'The class word, "{meta.class_word}", was chosen by the prior{clarity}.']
    return []


def clarity_text(margin: float | None, narrow: float) -> str:
    """How clear a choice was, as the end of a sentence; nothing where it was not measured."""
    if margin is None:
        return ""
    return f", {'narrowly' if margin < narrow else 'well'} ahead of the others (margin {margin:g})"


def mask_warnings(meta: InputMeta) -> list[str]:
    """Where the silhouette is not the user's own."""
    if meta.mask_source == "matting":
        return ["The object was cut out by matting: look whether the input's silhouette is right."]
    return []


def mesh_warnings(records: dict[str, dict[str, Any]]) -> list[str]:
    """Where the mesh is not all that it could be."""
    figures = records.get("mesh", {}).get("figures", {})
    found: list[str] = []
    if figures.get("watertight") is False:
        found.append("The mesh is not watertight: mend it before printing.")
    if figures.get("source") == "field":
        found.append("The mesh comes from the radiance field alone, without refined views and surface.")
    elif figures.get("texels_from_views", 1.0) < FEW_TEXELS:
        share = f"{figures['texels_from_views']:.0%}"
        found.append(f"Views cover {share} of the texture; the rest has the colours of the surface.")
    return found
