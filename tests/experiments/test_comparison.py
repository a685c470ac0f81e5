"""Paired differences with hand-computed intervals; runs that cannot be compared are refused."""

import math
from pathlib import Path

import pytest

from datamodules.runs.run_folder import read_json, write_json
from experiments.running.comparison import Comparison, compare, count_failures, load_runs, object_means, one_prior
from tests.experiments.finished_runs import toy_study, write_run, write_runs
from viewdistill.errors import ViewDistillError


def compared(root: Path) -> Comparison:
    found = compare(toy_study(root), load_runs(root), {})
    assert found is not None
    return found


def test_differences_are_paired_by_object_and_seed(tmp_path: Path):
    # Objects differ by 10, arms by exactly 2: paired, there is no doubt; apart, there would be nothing but doubt.
    write_runs(tmp_path, {"usd": {1: 10.0, 2: 20.0, 3: 30.0}, "sds_1": {1: 12.0, 2: 22.0, 3: 32.0}})
    usd, sds = compared(tmp_path).rows
    assert usd.cells[0].mean.mean == 20
    assert usd.cells[0].mean.high - usd.cells[0].mean.low > 10
    assert usd.cells[0].difference is None
    difference = sds.cells[0].difference
    assert difference is not None
    assert (difference.mean, difference.low, difference.high, difference.count) == (2, 2, 2, 3)


def test_the_interval_of_two_objects_is_known(tmp_path: Path):
    # Resampled pairs have means 0, 1/2 and 1 in one, two and one cases of four: both tails reach the ends.
    write_runs(tmp_path, {"usd": {1: 10.0, 2: 20.0}, "sds_1": {1: 10.0, 2: 21.0}})
    difference = compared(tmp_path).rows[1].cells[0].difference
    assert difference is not None
    assert (difference.mean, difference.low, difference.high) == (0.5, 0.0, 1.0)


def test_the_interval_of_many_objects_is_that_of_the_normal_distribution(tmp_path: Path):
    # Differences -1 and +3 in turn: mean 1, deviation 2, hence 1 ± 1.96 · 2 / √40.
    numbers = range(40)
    write_runs(
        tmp_path,
        {"usd": dict.fromkeys(numbers, 10.0), "sds_1": {n: 10.0 + (3.0 if n % 2 else -1.0) for n in numbers}},
    )
    difference = compared(tmp_path).rows[1].cells[0].difference
    assert difference is not None
    half = 1.96 * 2 / math.sqrt(40)
    assert difference.mean == pytest.approx(1)
    assert (difference.low, difference.high) == (pytest.approx(1 - half, abs=0.12), pytest.approx(1 + half, abs=0.12))


def test_only_what_both_have_is_paired(tmp_path: Path):
    write_runs(tmp_path, {"usd": {1: 10.0, 2: 20.0}, "sds_1": {2: 21.0, 3: 99.0}})
    cell = compared(tmp_path).rows[1].cells[0]
    assert cell.mean.mean == 60
    assert cell.difference is not None
    assert (cell.difference.mean, cell.difference.count) == (1, 1)


def test_seeds_of_an_object_count_as_one_object():
    assert object_means({(1, 0): 1.0, (1, 1): 3.0, (2, 0): 10.0}) == [2.0, 10.0]


def test_a_difference_is_clear_only_with_enough_objects(tmp_path: Path):
    for count, clear in ((7, 0), (8, 1)):
        root = tmp_path / str(count)
        usd, sds = dict.fromkeys(range(count), 1.0), {number: 2.0 + number for number in range(count)}
        write_runs(root, {"usd": usd, "sds_1": sds}, seeds=2)
        found = compare(toy_study(tmp_path), load_runs(root), {})
        assert found is not None
        assert found.rows[1].cells[0].clear == clear
        assert found.few == (count == 7)


def test_one_seed_or_an_arm_with_few_objects_is_a_look(tmp_path: Path):
    write_runs(tmp_path, {"usd": dict.fromkeys(range(8), 1.0), "sds_1": dict.fromkeys(range(8), 1.0)})
    assert compared(tmp_path).few


def test_a_figure_that_no_run_has_keeps_its_reason(tmp_path: Path):
    figures = {"views/field/psnr": None, "geometry/surface/chamfer": 1.0}
    write_run(tmp_path, "usd", 1, 0, figures, reasons={"views/field/psnr": "no views"})
    psnr, chamfer = compared(tmp_path).rows[0].cells
    assert (psnr.mean.count, psnr.reason) == (0, "no views")
    assert (chamfer.mean.mean, chamfer.reason) == (1.0, "")


def test_runs_of_several_priors_are_refused_by_name(tmp_path: Path):
    write_runs(tmp_path, {"usd": {1: 1.0}})
    write_runs(tmp_path, {"sds_1": {1: 1.0}}, prior="cd" * 32)
    runs = load_runs(tmp_path)
    with pytest.raises(ViewDistillError, match=r"runs of 2 priors, which cannot be compared: abab.*cdcd"):
        one_prior(runs)
    with pytest.raises(ViewDistillError, match="runs of 2 priors"):
        compare(toy_study(tmp_path), runs, {})


def test_runs_of_several_settings_are_refused_by_name(tmp_path: Path):
    write_runs(tmp_path, {"usd": {1: 1.0}})
    write_runs(tmp_path, {"usd": {2: 1.0}}, settings="of another preset")
    with pytest.raises(ViewDistillError, match=r"1-seed0 and .*2-seed0 were made with different settings"):
        compare(toy_study(tmp_path), load_runs(tmp_path), {})


def test_runs_of_other_studies_and_former_arms_are_left_out(tmp_path: Path):
    write_runs(tmp_path, {"former": {1: 1.0}})
    assert compare(toy_study(tmp_path), load_runs(tmp_path), {}) is None


@pytest.mark.parametrize("change", [{"format": 1}, {"figures": None}])
def test_damaged_scores_are_named(tmp_path: Path, change: dict[str, object]):
    path = write_run(tmp_path, "usd", 1, 0, {})
    content = {**read_json(path), **change}
    write_json(path, {name: value for name, value in content.items() if value is not None})
    with pytest.raises(ViewDistillError, match=r"scores.json: not the scores of a run"):
        load_runs(tmp_path)


def test_failed_runs_are_counted_by_arm(tmp_path: Path):
    for place in ("toy/usd/1-seed0", "toy/usd/2-seed0", "toy/sds_1/1-seed0", "other/usd/1-seed0"):
        write_json(tmp_path / place / "failed.json", {})
    assert count_failures(tmp_path, "toy") == {"usd": 2, "sds_1": 1}
