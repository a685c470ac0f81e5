"""A small table in all forms, word for word."""

import csv
import io
from pathlib import Path

import pytest

from experiments.reporting.costs import costs_csv
from experiments.reporting.table_formats import CSV_COLUMNS, csv_text, latex, markdown
from experiments.running.comparison import Comparison, compare, load_runs
from tests.experiments.finished_runs import PRIOR, STUDY, toy_study, write_run, write_runs

TABLE = """\
## toy: Which guidance?

| arm | objects | runs | failed | PSNR ↑ | Chamfer ↓ |
|---|---|---|---|---|---|
| usd (reference) | 2 | 2 | 0 | 15.000 [10.000, 20.000] | 1.500 [1.000, 2.000] |
| sds_1 | 2 | 2 | 1 | 15.500 [10.000, 21.000]; +0.500 [+0.000, +1.000] | 1.550 [1.000, 2.100]; +0.050 [+0.000, +0.100] |

A quick look: too few objects or seeds for a result.
"""

COSTS = """\
Seconds per run (mean) and peak memory (largest); a shared stage was computed once.

| arm | input | field |
|---|---|---|
| usd | 1.0 s, 200 MB | 60.0 s, 900 MB |
| sds_1 | 1.0 s, 200 MB | 60.0 s, 900 MB |
"""

ROWS = r"""\begin{tabular}{lrrrrr}
\toprule
arm & objects & runs & failed & PSNR $\uparrow$ & Chamfer $\downarrow$ \\
\midrule
usd (reference) & 2 & 2 & 0 & 15.000 [10.000, 20.000] & 1.500 [1.000, 2.000] \\
sds\_1 & 2 & 2 & 1 & 15.500 [10.000, 21.000]; +0.500 [+0.000, +1.000] & 1.550 [1.000, 2.100]; +0.050 [+0.000, +0.100] \\
\bottomrule
\end{tabular}
"""


def compared(folder: Path, text: str = STUDY, failed: int = 0) -> Comparison:
    found = compare(toy_study(folder, text), load_runs(folder), {"sds_1": failed})
    assert found is not None
    return found


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    write_runs(tmp_path, {"usd": {1: 10.0, 2: 20.0}, "sds_1": {1: 10.0, 2: 21.0}})
    return compared(tmp_path, failed=1)


def test_markdown(comparison: Comparison, tmp_path: Path):
    text = markdown(comparison)
    assert text.startswith(TABLE)
    assert COSTS in text
    assert PRIOR[:12] in text
    for run in ("usd/1-seed0", "usd/2-seed0", "sds_1/1-seed0", "sds_1/2-seed0"):
        assert f"\n- {tmp_path}/toy/{run}\n" in text


def test_the_notes_name_the_protocols_of_geometry(tmp_path: Path):
    write_runs(tmp_path, {"usd": {1: 10.0}, "sds_1": {1: 10.0}})
    text = markdown(compared(tmp_path, f"protocols: [syncdreamer, surface]\n{STUDY}"))
    assert "geometry: protocol `syncdreamer` and `surface`, nothing aligned." in text
    text = markdown(compared(tmp_path, f"protocols: [surface-aligned]\n{STUDY}"))
    assert "geometry: protocol `surface-aligned`." in text


def test_latex(comparison: Comparison, tmp_path: Path):
    text = latex(comparison)
    assert text.endswith(ROWS)
    comments = text.removesuffix(ROWS).splitlines()
    assert all(line.startswith("% ") for line in comments)
    assert f"% run {tmp_path}/toy/sds_1/2-seed0" in comments


def test_csv(comparison: Comparison):
    rows = list(csv.DictReader(io.StringIO(csv_text(comparison))))
    assert [(row["arm"], row["figure"]) for row in rows] == [
        ("usd", "views/field/psnr"),
        ("usd", "geometry/surface/chamfer"),
        ("sds_1", "views/field/psnr"),
        ("sds_1", "geometry/surface/chamfer"),
    ]
    assert tuple(rows[2]) == CSV_COLUMNS
    assert rows[2] == {
        "study": "toy",
        "arm": "sds_1",
        "figure": "views/field/psnr",
        "at": "",
        "better": "higher",
        "objects": "2",
        "runs": "2",
        "failed": "1",
        "mean": "15.5",
        "low": "10.0",
        "high": "21.0",
        "difference": "0.5",
        "difference_low": "0.0",
        "difference_high": "1.0",
        "reference": "usd",
        "prior": PRIOR,
    }
    assert rows[0]["difference"] == ""


def test_csv_of_costs(comparison: Comparison):
    head, first, *_ = costs_csv(comparison).splitlines()
    assert head == "study,arm,stage,runs,seconds,peak_memory_mb"
    assert first == "toy,usd,input,2,1.0,200.0"


@pytest.mark.parametrize(("step", "psnr", "chamfer"), [(1, " better", " worse"), (-1, " worse", " better")])
def test_what_is_clear_is_marked_by_which_way_is_better(tmp_path: Path, step: int, psnr: str, chamfer: str):
    usd, sds = dict.fromkeys(range(8), 10.0), dict.fromkeys(range(8), 10.0 + step)
    write_runs(tmp_path, {"usd": usd, "sds_1": sds}, seeds=2)
    text = markdown(compared(tmp_path))
    (row,) = (line for line in text.splitlines() if line.startswith("| sds_1 | 8 "))
    cells = [cell.rstrip() for cell in row.strip("| ").split(" | ")]
    assert cells[4].endswith(f"]{psnr}")
    assert cells[5].endswith(f"]{chamfer}")
    assert "A quick look" not in text


def test_what_is_missing_is_not_available_with_the_reason(tmp_path: Path):
    figures = {"views/field/psnr": None, "geometry/surface/chamfer": 1.0}
    write_run(tmp_path, "usd", 1, 0, figures, reasons={"views/field/psnr": "no views"})
    text = markdown(compared(tmp_path))
    assert "| usd (reference) | 1 | 1 | 0 | n/a | 1.000 |" in text
    assert "| sds_1 | 0 | 0 | 0 | n/a | n/a |" in text
    assert "n/a: no views" in text
