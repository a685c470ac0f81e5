"""A comparison as a picture: one panel per figure, with 95 % intervals."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.running.comparison import Comparison
from viewdistill.metrics.intervals import Interval


def plot(comparison: Comparison) -> Figure:
    """Draw one panel per name of figures and, beneath, the paired differences to the reference.

    Figures along an axis become one curve per arm, without differences; arms along an axis become one curve per line.
    """
    study = comparison.study
    names = list(dict.fromkeys(column.name for column in study.columns))
    along = study.columns[0].at is not None
    height = 1.2 + 0.34 * max(len(comparison.rows), 5)
    figure = Figure(figsize=(3.6 * len(names), height if along else 2 * height), layout="constrained")
    grid = figure.subplots(1 if along else 2, len(names), squeeze=False)
    for index, name in enumerate(names):
        chosen = [index for index, column in enumerate(study.columns) if column.name == name]
        axes = grid[0, index]
        axes.set_title(plain(f"{name} ({study.columns[chosen[0]].better} is better)"), fontsize=9)
        if along:
            draw_columns(axes, comparison, chosen)
            continue
        if study.arms[0].at is None:
            draw_marks(axes, [(row.arm, row.cells[chosen[0]].mean) for row in comparison.rows])
            axes.tick_params(labelleft=index == 0)
        else:
            draw_lines(axes, comparison, chosen[0])
        draw_differences(grid[1, index], comparison, chosen[0])
        grid[1, index].tick_params(labelleft=index == 0)
    for axes in grid.flat:
        axes.tick_params(labelsize=8)
        axes.locator_params(axis="x", nbins=5)
    return figure


def draw_columns(axes: Axes, comparison: Comparison, columns: Sequence[int]) -> None:
    """Draw one curve per arm over figures along the axis."""
    for row in comparison.rows:
        places = [comparison.study.columns[index].at for index in columns]
        draw_curve(axes, row.arm, places, [row.cells[index].mean for index in columns])
    label_axis(axes, comparison.study.axis)


def draw_lines(axes: Axes, comparison: Comparison, column: int) -> None:
    """Draw one curve per line over its arms."""
    arms = {arm.name: arm for arm in comparison.study.arms}
    for line in dict.fromkeys(arm.line for arm in comparison.study.arms):
        rows = [row for row in comparison.rows if arms[row.arm].line == line]
        draw_curve(axes, line, [arms[row.arm].at for row in rows], [row.cells[column].mean for row in rows])
    label_axis(axes, comparison.study.axis)


def draw_marks(axes: Axes, means: Sequence[tuple[str, Interval | None]]) -> None:
    """Draw one mark per arm with a value, the first on top."""
    for index, (_, mean) in enumerate(means):
        if mean is not None and mean.count:
            axes.errorbar([mean.mean], [index], xerr=bars([mean]), marker="o", color=f"C{index % 10}")
    axes.set_yticks(range(len(means)), [plain(arm) for arm, _ in means])
    axes.set_ylim(len(means) - 0.5, -0.5)


def draw_differences(axes: Axes, comparison: Comparison, column: int) -> None:
    """Draw the other arms' paired differences, with a line at zero."""
    draw_marks(axes, [(row.arm, row.cells[column].difference) for row in comparison.rows])
    axes.axvline(0, color="grey", linewidth=0.8)
    axes.set_title(plain(f"difference to {comparison.study.reference}, paired"), fontsize=9)


def draw_curve(axes: Axes, label: str, places: Sequence[float | None], means: Sequence[Interval]) -> None:
    """Draw means with error bars; missing ones are skipped."""
    known = [(place, mean) for place, mean in zip(places, means, strict=True) if place is not None and mean.count]
    if known:
        where, found = zip(*known, strict=True)
        values = [mean.mean for mean in found]
        axes.errorbar(where, values, yerr=bars(found), marker=".", linewidth=1, capsize=2, label=plain(label))


def bars(means: Sequence[Interval]) -> list[list[float]]:
    """Return the intervals' extents below and above, not negative: rounding can swap the ends of equal values."""
    return [[max(m.mean - m.low, 0.0) for m in means], [max(m.high - m.mean, 0.0) for m in means]]


def label_axis(axes: Axes, axis: str) -> None:
    """Name the axis and the curves, if they have names."""
    axes.set_xlabel(plain(axis), fontsize=8)
    if any(axes.get_legend_handles_labels()[1]):
        axes.legend(fontsize=7)


def plain(text: str) -> str:
    """Escape dollar signs, which would begin a formula."""
    return text.replace("$", r"\$")
