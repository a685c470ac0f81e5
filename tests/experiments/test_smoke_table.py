"""The table of what full size costs, and its place in a page."""

from pathlib import Path

import pytest

from datamodules.runs.run_folder import read_json, write_json
from datamodules.runs.stages import STAGES
from experiments.pages import put_into_page, table_of_page
from experiments.reporting.smoke_table import NAME, main, table
from experiments.smoke_full import FULL, add_costs
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY

MEASURED = REPOSITORY / "experiments" / "results" / "smoke_full.json"
FIGURES = {"seconds": 99.0, "cpu_seconds": 45.2, "peak_memory_gb": 16.96, "precision": "fp32"}


def test_a_stage_takes_its_row_beside_those_of_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "smoke.json"
    add_costs(path, FULL, "novel_views", FIGURES | {"cpu_seconds": 1.0})
    add_costs(path, FULL, "surface", FIGURES | {"loss": 1234.56})
    add_costs(path, FULL, "novel_views", FIGURES)
    assert main([str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| `zero123-xl` | novel_views | fp32 | 45 | 17.0 |  |",
        "| `zero123-xl` | surface | fp32 | 45 | 17.0 | 1,235 |",
    ]


def test_only_the_place_of_the_table_changes(tmp_path: Path) -> None:
    page, costs = tmp_path / "page.md", tmp_path / "smoke.json"
    page.write_text("# Costs\n<!-- smoke -->\nold\n<!-- /smoke -->\nThe end.\n")
    write_json(costs, {FULL: {"surface": FIGURES}})
    for _ in range(2):
        assert main([str(costs), f"--out={page}"]) == 0
        text = page.read_text()
        assert text.startswith("# Costs\n<!-- smoke -->\n\n| preset")
        assert text.endswith("|\n\n<!-- /smoke -->\nThe end.\n")
    assert table_of_page(page, NAME) == table(read_json(costs))


@pytest.mark.parametrize("text", ["none", "<!-- smoke -->\n", "<!-- /smoke -->\n<!-- smoke -->\n"])
def test_a_page_without_the_place_is_named(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ViewDistillError, match=r"page.md: has no lines <!-- smoke --> and <!-- /smoke -->"):
        put_into_page(page, "smoke", "| table |\n")
    assert page.read_text() == text


def test_the_page_is_what_the_script_prints() -> None:
    assert table_of_page(REPOSITORY / "docs" / "performance.md", NAME) == table(read_json(MEASURED)), (
        "run `python -m experiments.reporting.smoke_table experiments/results/smoke_full.json "
        "--out docs/performance.md`"
    )


def test_measured_figures_are_of_stages_that_exist() -> None:
    assert {stage for stages in read_json(MEASURED).values() for stage in stages} <= set(STAGES)
