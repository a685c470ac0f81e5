"""The gain from a second picture, on one object."""

from pathlib import Path

from experiments.measurements.second_picture import main
from viewdistill.resources import REPOSITORY


def test_a_second_picture_helps_on_its_own_side(tmp_path: Path) -> None:
    out = tmp_path / "second_picture.md"
    assert main(["--count=1", f"--prior={REPOSITORY / 'priors/nano/zero123'}", f"--out={out}"]) == 0
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in out.read_text(encoding="utf-8").splitlines()[2:]]
    assert [row[:2] for row in rows] == [["90°", "1"], ["180°", "1"]]
    behind = rows[1]
    assert float(behind[3]) > max(0.5, float(behind[2]) / 2)
