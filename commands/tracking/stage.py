"""A complete stage in Weights & Biases."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from commands.tracking.run import RunDescription, first_line, open_run, run_mode, start_run
from commands.tracking.tags import run_tags
from datamodules.runs.run_folder import RunFolder, read_json
from viewdistill.documents import read_yaml


def track_stage(
    folder: RunFolder,
    stage: str,
    uses: Iterable[str] = (),
    settings: Mapping[str, Any] | None = None,
    overlays: Iterable[Path] = (),
    tags: Iterable[str] = (),
) -> None:
    """Log a stage to W&B: settings, costs, pictures, files and inputs.

    This happens after the stage's record is written, from its files: W&B cannot affect a stage, and its time does not
    count. A fitted stage's run is open by then, started by Lightning's logger; without one, nothing is tracked. The run
    is finished here.

    Args:
        folder: The object's run folder.
        stage: The stage; complete.
        uses: Complete stages whose files it read.
        settings: Settings of a stage without ``config.yaml``.
        overlays: Configurations that were read besides the shipped one, of a stage that is not fitted.
        tags: Besides those that follow from a ``config.yaml``, of a stage that is not fitted.
    """
    if run_mode() == "disabled" and open_run() is None:
        return
    try:
        config = stage_config(folder, stage, settings or {})
        run = open_run()
        if run is None:
            if "trainer" in config:
                return
            found = run_tags(config, overlays, folder.root) if folder.config(stage).is_file() else ()
            name = folder.root.absolute().name
            described = RunDescription(
                f"{name}-{stage}", folder.stage(stage), name, stage, tags=(*found, *tags), config=config
            )
            run = start_run(described, live=False)
        try:
            if not run.disabled:
                complete_run(run, folder, stage, uses)
        finally:
            run.finish()
    except Exception as error:  # an error of W&B, or of a file damaged since: the stage is complete in any case
        print(f"{stage}: W&B has only a part of it ({first_line(error)})", file=sys.stderr)


def stage_config(folder: RunFolder, stage: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a stage."""
    path = folder.config(stage)
    content = read_yaml(path) if path.is_file() else {}
    return {**content, **settings}


def option_settings(arguments: object) -> dict[str, Any]:
    """Return the options of a subcommand that has no ``config.yaml``, by name.

    Args:
        arguments: Its request.
    """
    own = {
        name: value for name, value in vars(arguments).items() if name not in ("command", "config", "run", "settings")
    }
    return {name: str(value) if isinstance(value, Path) else value for name, value in own.items()}


def complete_run(run: Any, folder: RunFolder, stage: str, uses: Iterable[str]) -> None:
    """Add a stage's results to a run, and the object's description under ``input`` of the config."""
    # Imported here because they bring W&B, which is not needed if disabled.
    from commands.tracking.artifacts import log_artifacts
    from commands.tracking.media import stage_media

    record = read_json(folder.record(stage))
    if folder.input_meta.is_file():
        run.config.update({"input": read_json(folder.input_meta)}, allow_val_change=True)
    log_artifacts(run, folder, stage, uses)
    if media := stage_media(folder, stage):
        run.log(media)
    run.summary.update({name: record[name] for name in ("seconds", "peak_memory_mb")} | record.get("figures", {}))
