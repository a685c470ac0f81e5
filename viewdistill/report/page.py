"""The page: its content, as plain data, and its HTML.

The template escapes all inserted content except the project's own style, script and SVG.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

FOLDER = Path(__file__).parent
"""Folder of the template, the style and the viewer."""


@dataclass(frozen=True)
class PictureColumn:
    """Stacked pictures with one caption."""

    caption: str
    urls: tuple[str, ...]
    """Data URLs."""


@dataclass(frozen=True)
class Gallery:
    """Pictures of one kind."""

    title: str
    note: str
    """Description, or the reason why there are none."""
    columns: tuple[PictureColumn, ...] = ()
    wide: bool = False
    """Whether each picture is a sheet of many and takes the whole width."""
    scrolls: bool = False
    """Whether its sheets are too wide for a telephone, where they are scrolled then."""
    turn: bool = False
    """Whether its pictures circle the object and a slider shows one of them."""


@dataclass(frozen=True)
class Plot:
    """One metric of a fit."""

    name: str
    last: float
    svg: str
    """From `viewdistill.report.curve_plot.curve_svg`; not escaped again."""


@dataclass(frozen=True)
class ReportedStage:
    """A complete stage."""

    name: str
    seconds: float
    peak_memory_mb: float
    """Megabytes (10^6 bytes)."""
    finished_at: str
    settings: str
    """Its resolved YAML; empty without one."""
    figures: str
    """Other entries of its record, as text."""
    plots: tuple[Plot, ...] = ()


@dataclass(frozen=True)
class Score:
    """One figure of an evaluation."""

    name: str
    of: str
    """Scored prediction, or protocol."""
    value: str
    meaning: str
    """Meaning, and direction of good values."""


@dataclass(frozen=True)
class Page:
    """Content of a run's report."""

    name: str
    """Name of the object."""
    caption: str
    version: str
    """Version of ViewDistill."""
    input_facts: dict[str, str]
    """Description of the input."""
    warnings: tuple[str, ...]
    missing: tuple[str, ...]
    """Stages not run."""
    galleries: tuple[Gallery, ...]
    stages: tuple[ReportedStage, ...]
    mesh: dict[str, Any] | None
    """From `viewdistill.report.mesh_data.viewer_mesh`; none before the mesh stage."""
    mesh_facts: dict[str, str]
    video: str = ""
    """Data URL of the mesh's turntable; empty where there is none."""
    poster: str = ""
    """Data URL of its first frame, which is shown until it plays."""
    scores: tuple[Score, ...] = ()
    """Against the truth, where the run was evaluated."""
    command: str = ""
    """Command line that makes the whole object again; empty where it is not known."""
    commands: tuple[str, ...] = ()
    """Command lines of its stages, in order."""

    @property
    def turns(self) -> bool:
        """Whether any gallery has a slider."""
        return any(gallery.turn and len(gallery.columns) > 1 for gallery in self.galleries)

    @property
    def seconds(self) -> float:
        """Total over all stages."""
        return sum((stage.seconds for stage in self.stages), 0.0)

    @property
    def peak_memory_mb(self) -> float:
        """Maximum over all stages."""
        return max((stage.peak_memory_mb for stage in self.stages), default=0.0)


def render_page(page: Page) -> str:
    """Render the page as one self-contained HTML document."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = {"style": "page.css", "script": "viewer.js", "turn": "turn.js"}
    own = {part: Markup((FOLDER / name).read_text(encoding="utf-8")) for part, name in names.items()}
    return environment.get_template("page.html").render(page=page, **own)
