"""Arms of a study compared with its reference, with paired intervals, from the scores of finished runs alone."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.run_folder import read_json
from experiments.studies import Column, Study
from viewdistill.errors import ViewDistillError
from viewdistill.metrics.intervals import Interval, interval

FORMAT = 2
"""Of ``scores.json``; raised when its meaning changes."""

FEWEST_OBJECTS, FEWEST_SEEDS = 8, 2
"""Below these a comparison is a look and no result."""

Repetition = tuple[int, int]
"""Object and seed."""


@dataclass(frozen=True)
class Run:
    """What is known of one finished run."""

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
    """Digest of the settings of its stages."""
    costs: Mapping[str, Mapping[str, float | None]]
    """Stage → ``seconds`` and ``peak_memory_mb``."""


@dataclass(frozen=True)
class Cell:
    """One figure of one arm."""

    mean: Interval
    """Over objects, of means over seeds."""
    difference: Interval | None
    """To the reference, over objects that both have; none for the reference itself, or without a pair."""
    reason: str = ""
    """Why there is no mean."""

    @property
    def clear(self) -> int:
        """1 or -1 where the interval of the difference is above or below 0, else 0; of too few objects, too."""
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
    """One a column of the study."""


@dataclass(frozen=True)
class Comparison:
    """A study's results."""

    study: Study
    rows: tuple[Row, ...]
    runs: tuple[Run, ...]
    """All that were used."""
    seeds: int

    @property
    def prior(self) -> str:
        """Fingerprint of the priors of all runs."""
        return self.runs[0].prior

    @property
    def few(self) -> bool:
        """Whether it is a look and no result."""
        return self.seeds < FEWEST_SEEDS or min(row.objects for row in self.rows) < FEWEST_OBJECTS


def load_runs(root: Path) -> list[Run]:
    """All finished runs below a folder of ablations.

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
    """Refuse runs of several priors.

    Raises:
        ViewDistillError: There are several; the message names a run of each.
    """
    examples = {run.prior: run.path.parent for run in runs}
    if len(examples) > 1:
        named = ", ".join(f"{prior[:12]} ({path})" for prior, path in sorted(examples.items()))
        raise ViewDistillError(
            f"runs of {len(examples)} priors, which cannot be compared: {named}; choose one with --prior FINGERPRINT"
        )


def one_setting(runs: Iterable[Run]) -> None:
    """Refuse runs of one arm that were made with different settings, as another preset.

    Raises:
        ViewDistillError: There are some; the message names two.
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
        runs: Finished runs, of one prior; those of other studies and of arms that it no longer has are left out.
        failed: Arm → runs without scores.

    Returns:
        The comparison, or none where no run of the study is finished.

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
    """One row."""
    own = [run for run in runs if run.arm == arm]
    cells = tuple(
        cell(column, own, runs, study.reference if arm != study.reference else None) for column in study.columns
    )
    return Row(arm, len({run.object for run in own}), len(own), failed, cells)


def cell(column: Column, own: list[Run], runs: list[Run], reference: str | None) -> Cell:
    """One figure of an arm, and its difference to the reference, if that is another arm."""
    values = by_repetition(own, column.figure)
    reasons = [run.reasons[column.figure] for run in own if column.figure in run.reasons]
    difference = None
    if reference is not None:
        others = by_repetition([run for run in runs if run.arm == reference], column.figure)
        pairs = {key: value - others[key] for key, value in values.items() if key in others}
        difference = interval(object_means(pairs)) if pairs else None
    return Cell(interval(object_means(values)), difference, reasons[0] if reasons and not values else "")


def by_repetition(runs: list[Run], figure: str) -> dict[Repetition, float]:
    """A figure of runs of one arm, where they have it."""
    found = {(run.object, run.seed): run.figures.get(figure) for run in runs}
    return {key: value for key, value in found.items() if value is not None}


def object_means(values: Mapping[Repetition, float]) -> list[float]:
    """Means over the seeds of each object: objects are what is drawn anew, seeds of one are alike."""
    objects = sorted({number for number, _ in values})
    return [float(np.mean([value for (own, _), value in values.items() if own == number])) for number in objects]


def count_failures(root: Path, study: str) -> dict[str, int]:
    """Arm → runs of a study that have no scores because a stage failed."""
    found: dict[str, int] = {}
    for path in root.glob("*/*/*/failed.json"):
        arm = path.parent.parent
        if arm.parent.name == study and re.fullmatch(r"\d+-seed\d+", path.parent.name):
            found[arm.name] = found.get(arm.name, 0) + 1
    return found
