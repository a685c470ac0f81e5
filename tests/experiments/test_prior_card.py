"""The learning curve of the model card, over several trainings."""

import csv
from pathlib import Path

from experiments.prior_card import learning_curve


def test_the_curve_goes_on_from_the_shipped_one(tmp_path: Path) -> None:
    shipped, log = tmp_path / "curve.csv", tmp_path / "view_synthesis" / "version_0" / "metrics.csv"
    log.parent.mkdir(parents=True)
    log.write_text("train/loss,val/loss,val/psnr,val/psnr_copy_input,val/samples\n,0.3,13,12,64000.0\n0.2,,,,\n")
    rows = [{"samples": 32000.0, "psnr": 12.5, "psnr_copy_input": 12.0, "loss": 0.4}]
    for _ in range(2):  # what was written is read back, and nothing comes twice
        with shipped.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        rows = learning_curve(shipped, tmp_path)
        assert [(row["samples"], row["psnr"]) for row in rows] == [(32000, 12.5), (64000, 13.0)]
