"""Fixtures of the evaluation's tests: a run, and the truth of its object."""

from pathlib import Path

import pytest
import trimesh

from datamodules.runs.run_folder import RunFolder
from tests.reported_run import box_mesh, complete_run


@pytest.fixture
def complete(run_folder: RunFolder) -> RunFolder:
    """A run whose mesh is a box, 0.6 x 0.4 x 0.8."""
    complete_run(run_folder, box_mesh())
    return run_folder


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """The same box, twice as large and elsewhere, z up."""
    box = trimesh.creation.box(extents=(0.6, 0.4, 0.8))
    trimesh.Trimesh(2 * box.vertices + [3.0, 0, 1], box.faces, process=False).export(tmp_path / "box.ply")
    return tmp_path / "box.ply"
