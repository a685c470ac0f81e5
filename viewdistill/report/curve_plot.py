"""Curves as inline SVG, in the colours of the page around them."""

import html
import math
from collections.abc import Sequence

WIDTH, HEIGHT = 300, 130
"""Width and height of a plot, in its own units."""

LEFT, RIGHT, TOP, BOTTOM = 48, 8, 8, 18
"""Margins for the labels."""

SMOOTHING = 0.9
"""Weight of the past in the running mean drawn over the values."""

LARGEST_LINEAR_RATIO = 50.0
"""Ratio of positive values above which the axis is logarithmic."""


def curve_svg(name: str, steps: Sequence[int], values: Sequence[float]) -> str:
    """Draw one metric: its values pale, their running mean strong; labelled with extremes, first and last step.

    Args:
        name: Name of the metric, used as the picture's accessible label.
        steps: Steps of the values, in order.
        values: One per step; non-finite ones are skipped.

    Returns:
        An ``<svg>`` element, or an empty string if no value is finite.
    """
    points = [(step, value) for step, value in zip(steps, values, strict=True) if math.isfinite(value)]
    if not points:
        return ""
    numbers = [value for _, value in points]
    low, high = min(numbers), max(numbers)
    logarithmic = low > 0 and high / low > LARGEST_LINEAR_RATIO
    first, last = points[0][0], points[-1][0]

    def line(series: Sequence[float], style: str) -> str:
        height = [fraction(value, low, high, logarithmic) for value in series]
        across = [(step - first) / max(last - first, 1) for step, _ in points]
        path = " ".join(
            f"{LEFT + x * (WIDTH - LEFT - RIGHT):.1f},{TOP + (1 - y) * (HEIGHT - TOP - BOTTOM):.1f}"
            for x, y in zip(across, height, strict=True)
        )
        return f'<polyline class="{style}" points="{path}"/>'

    def label(x: int, y: int, anchor: str, text: str) -> str:
        return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'

    bottom = HEIGHT - BOTTOM
    parts = [
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(name, quote=True)}">',
        f'<path class="axes" d="M{LEFT},{TOP}V{bottom}H{WIDTH - RIGHT}"/>',
        line(numbers, "values"),
        line(running_mean(numbers), "mean"),
        label(LEFT - 4, TOP + 8, "end", number(high)),
        label(LEFT - 4, bottom, "end", number(low)) if high > low else "",
        label(LEFT - 4, (TOP + bottom) // 2 + 4, "end", "log") if logarithmic else "",
        label(LEFT, HEIGHT - 4, "start", f"{first}"),
        label(WIDTH - RIGHT, HEIGHT - 4, "end", f"{last}") if last > first else "",
        "</svg>",
    ]
    return "".join(parts)


def number(value: float) -> str:
    """Format a value in few characters."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def fraction(value: float, low: float, high: float, logarithmic: bool) -> float:
    """Return a value's position between the lowest (0) and the highest (1); 0.5 if all are equal."""
    if low == high:
        return 0.5
    if logarithmic:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    # Halved first: the difference of two very large numbers may overflow.
    return (value / 2 - low / 2) / (high / 2 - low / 2)


def running_mean(values: Sequence[float]) -> list[float]:
    """Return the exponential running mean, corrected for the bias of its start."""
    means: list[float] = []
    total = weight = 0.0
    for value in values:
        total, weight = SMOOTHING * total + value, SMOOTHING * weight + 1
        means.append(total / weight)
    return means
