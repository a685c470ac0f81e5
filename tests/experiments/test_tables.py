"""`python -m experiments.reporting.tables`: which files it writes, from which runs, and what it refuses."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from experiments.reporting.tables import main, tables
from tests.experiments.finished_runs import STUDY, write_run, write_runs
from viewdistill.errors import ViewDistillError


@pytest.fixture
def study(tmp_path: Path) -> str:
    (tmp_path / "toy.yaml").write_text(STUDY)
    return str(tmp_path / "toy.yaml")


def test_all_forms_are_written_and_nothing_is_quoted(tmp_path: Path, study: str, capsys: pytest.CaptureFixture[str]):
    write_runs(tmp_path / "runs", {"usd": {1: 10.0, 2: 20.0}, "sds_1": {1: 11.0}})
    tables([study, f"--runs={tmp_path / 'runs'}"])
    out = tmp_path / "runs" / "tables"
    assert {path.name for path in out.iterdir()} == {
        *("toy.md", "toy.tex", "toy.csv", "toy.costs.csv", "toy.png"),
        "tables.md",
    }
    assert (out / "tables.md").read_text() == (out / "toy.md").read_text()
    assert "quoted" not in (out / "tables.md").read_text()
    with Image.open(out / "toy.png") as picture:
        assert picture.width > 300
    assert capsys.readouterr().out == f"toy: 3 runs, priors abababababab; wrote {out}/tables.md\n"


def test_figures_of_others_stand_apart_and_are_marked_each(tmp_path: Path, study: str):
    write_runs(tmp_path / "runs", {"usd": {1: 10.0}})
    tables([study, f"--runs={tmp_path / 'runs'}", "--quoted", f"--out={tmp_path / 'out'}"])
    measured, quoted = (tmp_path / "out" / "tables.md").read_text().split("## Quoted, not measured here")
    assert "quoted" not in measured
    assert measured.rstrip() == (tmp_path / "out" / "toy.md").read_text().rstrip()
    rows = [line for line in quoted.splitlines() if line.startswith("| ") and not line.startswith("| method")]
    assert len(rows) == 9
    assert all(row.endswith(("| *quoted* |", "| *quoted*, aligned first |")) for row in rows)
    (sync,) = (row for row in rows if row.startswith("| SyncDreamer "))
    assert sync == "| SyncDreamer | 0.0261 | 0.5421 | 20.05 | 0.798 | 0.146 | *quoted* |"


def test_runs_of_two_priors_are_never_in_one_table(tmp_path: Path, study: str):
    runs = tmp_path / "runs"
    write_runs(runs, {"usd": {1: 10.0}})
    write_runs(runs, {"sds_1": {1: 10.0}}, prior="cd" * 32)
    with pytest.raises(ViewDistillError, match="runs of 2 priors, which cannot be compared"):
        tables([study, f"--runs={runs}"])
    assert not (runs / "tables").exists()
    tables([study, f"--runs={runs}", "--prior=cdcd"])
    text = (runs / "tables" / "toy.md").read_text()
    assert "| usd (reference) | 0 | 0 |" in text
    assert "| sds_1 | 1 | 1 |" in text


def test_failed_runs_are_counted(tmp_path: Path, study: str):
    path = write_run(tmp_path / "runs", "usd", 1, 0, {"views/field/psnr": 1.0})
    failed = path.parent.parent / "2-seed0" / "failed.json"
    failed.parent.mkdir()
    failed.write_text("{}")
    tables([study, f"--runs={tmp_path / 'runs'}"])
    assert "| usd (reference) | 1 | 1 | 1 |" in (tmp_path / "runs" / "tables" / "toy.md").read_text()


def test_without_runs_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["tables", "A2", f"--runs={tmp_path}"])
    assert main() == 2
    assert capsys.readouterr().err == f"tables: {tmp_path}: no scores of A2; run `make ablations` first\n"


def test_scores_of_arms_that_a_study_no_longer_has_are_none(tmp_path: Path, study: str):
    write_run(tmp_path / "runs", "former", 1, 0, {})
    with pytest.raises(ViewDistillError, match="no scores of toy"):
        tables([study, f"--runs={tmp_path / 'runs'}"])
