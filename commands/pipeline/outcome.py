"""Results of a complete object: files, mesh, scores and costs."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import trimesh

from commands.pipeline.display import Display
from datamodules.posed_views import load_cameras
from datamodules.runs.run_folder import InputMeta, RunFolder, read_json


@dataclass(frozen=True)
class Outcome:
    """The results of one object."""

    folder: RunFolder
    """The run with all of its files."""
    seconds: float
    """Wall-clock time of all stages over all calls, seconds."""

    @classmethod
    def of(cls, folder: RunFolder) -> "Outcome":
        """Return the results of a complete run.

        Raises:
            ViewDistillError: Its summary is damaged.
        """
        return cls(folder, float(read_json(folder.summary)["total"]["seconds"]))

    @cached_property
    def mesh(self) -> trimesh.Trimesh:
        """The textured mesh, +Y up."""
        return trimesh.load_mesh(self.folder.glb)

    @property
    def views(self) -> list[Path]:
        """Paths of the refined views; empty for a mesh from the field."""
        complete = self.folder.record("views").is_file()
        return [path for path, _ in load_cameras(self.folder.refined_views)] if complete else []

    @property
    def scores(self) -> dict[str, Any] | None:
        """Scores against the truth, if the run was evaluated."""
        path = self.folder.evaluation
        return read_json(path) if path.is_file() else None


def tell(outcome: Outcome, display: Display) -> None:
    """Print the places and costs of the results in five lines."""
    folder = outcome.folder
    evaluated = folder.evaluation
    known = InputMeta.load(folder.input_meta).seed is not None
    truth = "" if known else " --gt MESH"
    unknown = f"none; `viewdistill evaluate {folder.root}{truth}` compares with {'the' if known else 'a'} known shape"
    display.say("mesh", str(folder.glb))
    display.say("report", str(folder.report))
    display.say("video", str(folder.turntable))
    display.say("scores", str(evaluated) if evaluated.is_file() else unknown)
    display.say("minutes", f"{outcome.seconds / 60:.1f}")
