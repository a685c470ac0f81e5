"""One stage of one run: its request, the validity of its result, and its execution."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands.requirements import require_stages
from commands.tracking.stage import track_stage
from datamodules.runs.locks import held
from datamodules.runs.memory_limit import bounded, require
from datamodules.runs.memory_need import needed_mb
from datamodules.runs.run_folder import RunFolder, atomic_path
from datamodules.runs.stage_record import record_stage
from datamodules.runs.stages import STAGES, Route, Stage, files_read
from datamodules.runs.staleness import file_identity, kept_key, stage_key

Report = Callable[[int, int], None]
"""Called with progress: completed units and total units."""

Work = Callable[[], Mapping[str, Any]]
"""Does the work of a stage and returns figures for its record, see `datamodules.runs.stage_record`."""


def nothing() -> None:
    """Do nothing."""


def no_files() -> tuple[Path, ...]:
    """Return no files."""
    return ()


@dataclass(frozen=True)
class StageJob:
    """A stage with resolved settings. Its construction reads settings only, and neither needs nor changes the run."""

    name: str
    """The stage."""
    folder: RunFolder
    """The run."""
    settings: Mapping[str, Any]
    """Resolved settings, nested."""
    build: Callable[[Report | None], Work]
    """Builds the objects of the settings, or rejects them; only the returned work writes files."""
    route: Route = field(default_factory=Route)
    """The route that this stage is part of."""
    required: tuple[str, ...] | None = None
    """Stages that must be complete, if fewer than those it reads."""
    files: Mapping[str, Path | None] = field(default_factory=dict[str, Path | None])
    """Name → file from outside the run that determines the result."""
    outputs: Callable[[], Iterable[Path]] = no_files
    """Files outside the run, in a cache that may be emptied, which dependent stages need."""
    discard: Callable[[], None] = nothing
    """Removes the files of an attempt with another key, from which the work would otherwise resume."""
    config: str | None = None
    """Resolved settings as YAML, for ``config.yaml``; None if the tracker gets `settings`."""
    overlays: tuple[Path, ...] = ()
    """YAMLs on top of the shipped one."""
    tags: tuple[str, ...] = ()
    """Tags for the tracker."""

    @property
    def stage(self) -> Stage:
        """Its row of the table."""
        return STAGES[self.name]

    @property
    def needs(self) -> tuple[str, ...]:
        """Stages it reads."""
        return self.route.needs(self.name)

    @property
    def key(self) -> str:
        """The key of the result, from the current files."""
        read = files_read(self.folder.root, self.name, self.needs)
        identities = {path.relative_to(self.folder.root).as_posix(): file_identity(path) for path in read}
        for name, path in self.files.items():
            if path is not None and path.is_file():
                identities[name] = file_identity(path)
        return stage_key(self.name, self.settings, self.folder.root, identities)

    @property
    def settings_key(self) -> str:
        """The key of the settings alone, the same for all runs and inputs."""
        return stage_key(self.name, self.settings, self.folder.root)

    def holds(self) -> bool:
        """Return whether the stage is complete and up to date."""
        folder = self.folder.stage(self.name)
        written = (self.folder.record(self.name), *(folder / name for name in self.stage.writes))
        return all(path.is_file() for path in written) and kept_key(folder) == self.key

    def is_whole(self) -> bool:
        """Return whether the files outside the run exist."""
        return all(path.is_file() for path in self.outputs())


def run_stage(job: StageJob, report: Report | None = None, again: bool = True) -> bool:
    """Run a stage, resume it or confirm it.

    All settings are checked before any file changes: a rejected option has no effect.

    Args:
        job: The stage.
        report: Called with progress, instead of the stage's own output.
        again: Whether to run a stage that is up to date.

    Returns:
        Whether it was run.

    Raises:
        ViewDistillError: A setting is wrong, an earlier stage is missing, the memory is too small, or the stage fails.
        OutOfMemoryError: It used up the memory.
    """
    began = time.perf_counter()
    require_stages(job.folder, job.needs if job.required is None else job.required)
    if not again and job.holds():
        return False
    require(job.name, needed_mb(job.name, job.settings, job.folder.root))
    with bounded(job.name):
        return run_within(job, report, began)


def run_within(job: StageJob, report: Report | None, began: float) -> bool:
    """Run a stage that is to be run, within the memory that it may use; see `run_stage`."""
    folder = job.folder.stage(job.name)
    work = job.build(report)
    with held(folder) as waited:
        if waited and job.holds():
            return False
        key, record = job.key, job.folder.record(job.name)
        if kept_key(folder) != key:
            record.unlink(missing_ok=True)
            job.discard()
        with record_stage(folder, job.name, key, began) as figures:
            if job.config is not None:
                with atomic_path(job.folder.config(job.name)) as partial:
                    partial.write_text(job.config, encoding="utf-8")
            figures.update(work())
    track_stage(
        job.folder,
        job.name,
        [needed for needed in used(job) if job.folder.record(needed).is_file()],
        None if job.config is not None else job.settings,
        job.overlays,
        job.tags,
    )
    return True


def used(job: StageJob) -> tuple[str, ...]:
    """Return the stages that a stage read; for the report, all complete ones."""
    return tuple(name for name in STAGES if name != "report") if job.name == "report" else job.needs
