"""Fixtures that tests of several rooms share."""

from functools import partial

import pytest

from commands.stages import mesh_making
from viewdistill.mesh.contact_sheet import contact_sheet
from viewdistill.mesh.turntable import write_turntable


@pytest.fixture
def short_films(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turntables of 4 small frames: those of 100 would take most of the time of the mesh stage."""
    monkeypatch.setattr(mesh_making, "write_turntable", partial(write_turntable, frames=4, size=64))
    monkeypatch.setattr(mesh_making, "contact_sheet", partial(contact_sheet, size=48))
