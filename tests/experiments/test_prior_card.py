"""The model card: its figures, measured whole or for the text-conditioned prior alone, and its learning curve."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from experiments import prior_card
from experiments.prior_card import Request, learning_curve, measure
from viewdistill.resources import REPOSITORY


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


def test_the_text_conditioned_prior_alone_keeps_the_figures_of_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prior_card, "SCALES", (1.0,))
    monkeypatch.setattr(prior_card, "BIAS_TIMESTEPS", (300,))
    priors = tmp_path / "priors"
    shutil.copytree(REPOSITORY / "priors" / "nano", priors)

    def figures(text_only: bool) -> dict[str, Any]:
        measure(Request(priors, tmp_path, objects=1, targets=1, steps=1, text_only=text_only))
        return json.loads((priors / "figures.json").read_text())

    whole = figures(text_only=False)
    assert len(whole["bias"]["stable-diffusion"]) == 1
    marked = whole | {"new_objects": whole["new_objects"] | {"autoencoder_psnr": 12.34}, "bias": {}}
    (priors / "figures.json").write_text(json.dumps(marked))
    again = figures(text_only=True)
    assert again["bias"] == whole["bias"]
    assert again["new_objects"]["autoencoder_psnr"] == 12.34
    assert "Autoencoder alone: 12.34 dB" in (priors / "README.md").read_text()
    for folder in (priors, priors / "stable-diffusion", priors / "zero123"):
        shipped = REPOSITORY / "priors" / "nano" / folder.relative_to(priors)
        cards: list[Any] = [ModelCard.load(place / "README.md").data for place in (folder, shipped)]
        data, expected = cards
        assert (data.license, data.library_name) == ("apache-2.0", "diffusers")
        assert (data.pipeline_tag, data.tags) == (expected.pipeline_tag, expected.tags)
    measured: Any = ModelCard.load(priors / "zero123" / "README.md").data
    results = measured.eval_results
    best = max(value["psnr"] for name, value in whole["new_objects"].items() if name.startswith("guidance"))
    assert results[0].metric_value == round(best, 3)
