"""Arms of a study compared with its reference, with paired intervals, from the scores of finished runs alone."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.runs.run_folder import read_json
from experiments.running.studies import Column, Study
from viewdistill.errors import ViewDistillError
from viewdistill.metrics.intervals import Interval, interval

FORMAT = 2
"""Version of ``scores.json``; incremented when its meaning changes."""

FEWEST_OBJECTS, FEWEST_SEEDS = 8, 2
"""Smallest numbers of objects and seeds for a result; below, a comparison is a quick look."""

Repetition = tuple[int, int]
"""Object and seed."""


@dataclass(frozen=True)
class Run:
    """A finished run."""

    path: Path
    """Its ``scores.json``."""
    study: str
    arm: str
    object: int
    seed: int
    prior: str
    """Fingerprint."""
    figures: Mapping[str, float | None]
    reasons: Mapping[str, str]
    settings: str
    """Digest of its stages' settings."""
    costs: Mapping[str, Mapping[str, float | None]]
    """Stage → ``seconds`` and ``peak_memory_mb``."""


@dataclass(frozen=True)
class Cell:
    """One figure of one arm."""

    mean: Interval
    """Mean over objects of means over seeds."""
    difference: Interval | None
    """Difference to the reference, over common objects; None for the reference itself, or without a pair."""
    reason: str = ""
    """Reason for a missing mean."""

    @property
    def clear(self) -> int:
        """1 or -1 if the interval of the difference is above or below 0; else, and with too few objects, 0."""
        if self.difference is None or self.difference.count < FEWEST_OBJECTS:
            return 0
        return int(self.difference.low > 0) - int(self.difference.high < 0)


@dataclass(frozen=True)
class Row:
    """One arm."""

    arm: str
    objects: int
    runs: int
    failed: int
    cells: tuple[Cell, ...]
    """One per column of the study."""


@dataclass(frozen=True)
class Comparison:
    """A study's results."""

    study: Study
    rows: tuple[Row, ...]
    runs: tuple[Run, ...]
    """All runs used."""
    seeds: int

    @property
    def prior(self) -> str:
        """Fingerprint of the priors of all runs."""
        return self.runs[0].prior

    @property
    def few(self) -> bool:
        """Whether it is a quick look and no result."""
        return self.seeds < FEWEST_SEEDS or min(row.objects for row in self.rows) < FEWEST_OBJECTS


def load_runs(root: Path) -> list[Run]:
    """Read all finished runs below a folder of ablations.

    Raises:
        ViewDistillError: A file is damaged or of another version.
    """
    found: list[Run] = []
    for path in sorted(root.glob("*/*/*/scores.json")):
        content = read_json(path)
        try:
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']}, expected {FORMAT}")
            names = ("study", "arm", "object", "seed", "prior", "figures", "reasons", "settings", "costs")
            found.append(Run(path, **{name: content[name] for name in names}))
        except (KeyError, TypeError, ValueError) as error:
            raise ViewDistillError(f"{path}: not the scores of a run ({error}); delete it and run it again") from None
    return found


def one_prior(runs: Iterable[Run]) -> None:
    """Reject runs of several priors.

    Raises:
        ViewDistillError: There are several priors; the message names a run of each.
    """
    examples = {run.prior: run.path.parent for run in runs}
    if len(examples) > 1:
        named = ", ".join(f"{prior[:12]} ({path})" for prior, path in sorted(examples.items()))
        raise ViewDistillError(
            f"runs of {len(examples)} priors, which cannot be compared: {named}; choose one with --prior FINGERPRINT"
        )


def one_setting(runs: Iterable[Run]) -> None:
    """Reject runs of one arm with different settings, such as another preset.

    Raises:
        ViewDistillError: Settings differ; the message names two runs.
    """
    first: dict[str, Run] = {}
    for run in runs:
        other = first.setdefault(run.arm, run)
        if other.settings != run.settings:
            raise ViewDistillError(
                f"{other.path.parent} and {run.path.parent} were made with different settings; run the ablation "
                "again, or delete the one that is out of date"
            )


def compare(study: Study, runs: Iterable[Run], failed: Mapping[str, int]) -> Comparison | None:
    """Compare the arms of a study.

    Args:
        study: The study.
        runs: Finished runs, of one prior; those of other studies and of removed arms are skipped.
        failed: Arm → runs without scores.

    Returns:
        The comparison, or None without a finished run of the study.

    Raises:
        ViewDistillError: The runs are of several priors, or an arm's of several settings.
    """
    arms = {arm.name for arm in study.arms}
    own = [run for run in runs if run.study == study.id and run.arm in arms]
    one_prior(own)
    one_setting(own)
    if not own:
        return None
    rows = tuple(compared_arm(study, arm.name, own, failed.get(arm.name, 0)) for arm in study.arms)
    return Comparison(study, rows, tuple(own), len({run.seed for run in own}))


def compared_arm(study: Study, arm: str, runs: list[Run], failed: int) -> Row:
    """Return one row."""
    own = [run for run in runs if run.arm == arm]
    cells = tuple(
        cell(column, own, runs, study.reference if arm != study.reference else None) for column in study.columns
    )
    return Row(arm, len({run.object for run in own}), len(own), failed, cells)


def cell(column: Column, own: list[Run], runs: list[Run], reference: str | None) -> Cell:
    """Return one figure of an arm, and its difference to the reference, if that is another arm."""
    values = by_repetition(own, column.figure)
    reasons = [run.reasons[column.figure] for run in own if column.figure in run.reasons]
    difference = None
    if reference is not None:
        others = by_repetition([run for run in runs if run.arm == reference], column.figure)
        pairs = {key: value - others[key] for key, value in values.items() if key in others}
        difference = interval(object_means(pairs)) if pairs else None
    return Cell(interval(object_means(values)), difference, reasons[0] if reasons and not values else "")


def by_repetition(runs: list[Run], figure: str) -> dict[Repetition, float]:
    """Return a figure of the runs of one arm that have it."""
    found = {(run.object, run.seed): run.figures.get(figure) for run in runs}
    return {key: value for key, value in found.items() if value is not None}


def object_means(values: Mapping[Repetition, float]) -> list[float]:
    """Return means over the seeds of each object: objects are independent samples, seeds of one object are not."""
    objects = sorted({number for number, _ in values})
    return [float(np.mean([value for (own, _), value in values.items() if own == number])) for number in objects]


def count_failures(root: Path, study: str) -> dict[str, int]:
    """Return arm → runs of a study without scores because a stage failed."""
    found: dict[str, int] = {}
    for path in root.glob("*/*/*/failed.json"):
        arm = path.parent.parent
        if arm.parent.name == study and re.fullmatch(r"\d+-seed\d+", path.parent.name):
            found[arm.name] = found.get(arm.name, 0) + 1
    return found
