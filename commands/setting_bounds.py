"""Bounds of the numbers in a stage's settings, in one table by name: refused before anything is built or written.

The types of the settings say what is a number; classes check what depends on several of them. What no number of a
setting can be (NaN, infinite, beyond `LARGEST`) is refused for all, those of a user's own classes included.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from viewdistill.errors import ViewDistillError
from viewdistill.schema import Range

LARGEST = 1e9
"""Magnitude of a number at most: far above use, far below overflow."""

ANYTHING = Range(-LARGEST, LARGEST)
"""Of names that are not listed: settings of Lightning, and of a user's own classes."""

AMOUNT = Range(0.0, LARGEST)
SHARE = Range(0.0, 1.0)
ANGLE = Range(-360.0, 360.0)
SIDE = Range(0.0, 16_384.0)

BOUNDS: dict[str, Range] = {
    **dict.fromkeys(("seed", "seed_everything"), Range(0.0, 2.0**32 - 1)),
    # Angles, degrees.
    **dict.fromkeys(("elevation", "elevation_range", "ring_elevation", "azimuth_range", "fovy"), ANGLE),
    # Fractions of a fit, of a step's length, of an image's brightness; decays.
    **dict.fromkeys(("begin", "end", "warm_up", "warm_up_from", "betas", "decay", "ema_decay"), SHARE),
    **dict.fromkeys(("shared_noise", "white_distance", "empty_caption", "emphasis", "alpha_threshold"), SHARE),
    "early_stop": SHARE,
    # Noise levels of 1,000.
    **dict.fromkeys(("timestep", "start_timestep", "emphasis_from"), Range(0.0, 1000.0)),
    # Sides and widths: memory grows with their square or cube.
    **dict.fromkeys(("image_size", "input_size", "latent_size", "patch_size", "picture_size", "view_size"), SIDE),
    **dict.fromkeys(("hidden_width", "text_width", "vision_width", "volume_widths", "block_out_channels"), SIDE),
    **dict.fromkeys(("channels", "latent_channels", "bottleneck", "groups", "rank"), SIDE),
    **dict.fromkeys(("occupancy_resolution", "base_resolution"), Range(1.0, 2048.0)),
    "n_samples_per_ray": Range(1.0, 65_536.0),
    "n_levels": Range(1.0, 64.0),
    "log2_hashmap_size": Range(1.0, 30.0),
    "n_features_per_level": Range(1.0, 16.0),
    "per_level_scale": Range(1.0, 16.0),
    **dict.fromkeys(("n_hidden_layers", "n_color_layers", "text_layers", "vision_layers"), Range(0.0, 64.0)),
    "n_geometry_features": Range(0.0, 1024.0),
    # Counts.
    **dict.fromkeys(("checkpoint_every", "views_per_step", "ring_views", "count", "images_per_batch"), AMOUNT),
    **dict.fromkeys(("input_rays", "rays_per_step", "eikonal_points", "steps", "samples", "interval"), AMOUNT),
    **dict.fromkeys(("instances_per_step", "negatives_per_step", "latent_views", "views", "views_per_batch"), AMOUNT),
    **dict.fromkeys(("size", "validation", "broad", "held_out", "patterned", "plain", "objects_per_shard"), AMOUNT),
    **dict.fromkeys(("views_per_object", "render_workers", "total_steps", "warmup_steps", "coarseness"), AMOUNT),
    **dict.fromkeys(("stage", "index", "minutes", "update_starting_at_step", "active_levels"), AMOUNT),
    # Lengths, world units; the density's bias.
    **dict.fromkeys(("radius", "sphere_radius", "blob_radius", "distance_range", "smoothness_distance"), AMOUNT),
    **dict.fromkeys(("blob_scale", "initial_inverse_std"), AMOUNT),
    # Weights of losses and of guidance, rates of optimisers.
    **dict.fromkeys(("score", "reference_score", "color", "mask", "sparsity", "opaque", "z_variance"), AMOUNT),
    **dict.fromkeys(("eikonal", "normal_smoothness", "opposite", "opacity_power", "input_color", "input_mask"), AMOUNT),
    **dict.fromkeys(("pixel_weight", "kl_weight", "negative_weight", "image_weight"), AMOUNT),
    **dict.fromkeys(("scale", "guidance_scale"), AMOUNT),
    **dict.fromkeys(("learning_rate", "encoding_lr", "network_lr", "inverse_std_lr", "projection_rate"), AMOUNT),
    **dict.fromkeys(("factor", "initial", "final", "eps", "weight_decay"), AMOUNT),
}
"""Last part of a setting's name → its bounds."""


def check_numbers(settings: Any) -> None:
    """Compare all numbers of resolved settings with their bounds.

    Args:
        settings: Nested mappings and lists.

    Raises:
        ViewDistillError: A number is out of its bounds.
    """
    for key, value in numbers(settings, ()):
        bounds = BOUNDS.get(key[-1], ANYTHING)
        if value not in bounds:  # NaN is in none
            name = ".".join(part for part in key if part != "init_args")
            raise ViewDistillError(f"configuration: {name} is {shortened(value)}: must be a number {bounds}")


def numbers(settings: Any, key: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int | float]]:
    """Numbers in nested settings with the names that lead to them; entries of a list have the list's name."""
    if isinstance(settings, Mapping):
        for name, value in settings.items():
            yield from numbers(value, (*key, str(name)))
    elif isinstance(settings, Sequence) and not isinstance(settings, str):
        for value in settings:
            yield from numbers(value, key)
    elif isinstance(settings, int | float) and not isinstance(settings, bool) and key:
        yield key, settings


def shortened(value: int | float) -> str:
    """A number for a message."""
    return "a number of more than 63 bits" if isinstance(value, int) and abs(value) >= 1 << 63 else str(value)
