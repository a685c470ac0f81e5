"""`viewdistill bias` on tiny priors: figures, pictures, the same noise for all, and one-line errors."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from commands.evaluation.bias import square_over_white
from commands.evaluation.bias_figures import load_branch, measure
from commands.main import main
from datamodules.runs.run_folder import read_json
from viewdistill.diffusion.schedule import NoiseSchedule

FEW = ["--timesteps", "50", "400", "--draws=3", "--steps=4", "--objects=2"]


def status_of(arguments: list[str]) -> object:
    """Exit status of the command, whether the parser or the subcommand ends it."""
    try:
        return main(arguments)
    except SystemExit as stop:
        return stop.code


def measured(out: Path, *options: str) -> dict[str, Any]:
    """What a run of the command wrote."""
    assert main(["bias", *FEW, *options, f"--out={out}"]) == 0
    return read_json(out / "bias.json")


def test_both_priors_are_measured_and_shown(
    tiny_prior_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    priors = [str(tiny_prior_folder / name) for name in ("zero123", "stable-diffusion")]
    content = measured(tmp_path, "--prior", *priors)
    assert (content["images"], content["draws"], content["ddim_steps"]) == ("2 test objects", 3, 4)
    assert [(found["prior"], found["kind"], found["images"]) for found in content["priors"]] == [
        ("zero123", "view", 2),
        ("stable-diffusion", "text", 2),
    ]
    for found in content["priors"]:
        assert [row["timestep"] for row in found["timesteps"]] == [50, 400]
        for row in found["timesteps"]:
            assert row["noise_floor"] > 0
            assert row["norm"] == pytest.approx(np.sqrt(np.mean(np.square(row["norms"]))), rel=1e-4)
            assert 0 < row["mean_norm"] <= row["norm"]
        for kind, rows in (("maps", 3), ("recovered", 5)):
            with Image.open(tmp_path / f"{found['prior']}_{kind}.png") as sheet:
                assert sheet.height > 64 * rows
                assert sheet.width > 64 * 2
    table = (tmp_path / "bias.md").read_text().splitlines()
    assert table[0] == "| prior | t | norm | floor | common | one step, dB | DDIM, dB |"
    assert [line.split(" | ")[:2] for line in table[2:]] == [
        *(["| zero123", "50"], ["| zero123", "400"]),
        *(["| stable-diffusion", "50"], ["| stable-diffusion", "400"]),
    ]
    assert "zero123" in capsys.readouterr().out


def test_the_seed_decides_the_noise_and_a_prior_is_measured_alone_as_beside_others(
    tiny_prior_folder: Path, tmp_path: Path
):
    view, text = (str(tiny_prior_folder / name) for name in ("zero123", "stable-diffusion"))
    both = measured(tmp_path / "both", "--prior", view, text)
    alone = measured(tmp_path / "alone", "--prior", text)
    assert both["priors"][1] == alone["priors"][0]
    other = measured(tmp_path / "other", "--prior", text, "--seed=5")
    assert other["priors"][0]["timesteps"][0]["norm"] != alone["priors"][0]["timesteps"][0]["norm"]


def test_images_of_the_user_are_squared_over_white(tiny_prior_folder: Path, tmp_path: Path):
    tall = np.zeros((40, 20, 4), np.uint8)
    tall[..., 0], tall[20:, :, 3] = 255, 255
    Image.fromarray(tall).save(tmp_path / "tall.png")
    Image.fromarray(tall[20:, :, :3]).save(tmp_path / "plain.jpg")
    square = square_over_white(tmp_path / "tall.png")
    assert square.shape == (3, 40, 40)
    red, white = torch.tensor([1.0, 0.0, 0.0]), torch.ones(3)
    for row, column, colour in ((0, 20, white), (39, 20, red), (39, 9, white), (39, 10, red), (39, 30, white)):
        assert torch.equal(square[:, row, column], colour)
    images = [str(tmp_path / name) for name in ("tall.png", "plain.jpg")]
    content = measured(tmp_path / "out", "--prior", str(tiny_prior_folder / "stable-diffusion"), "--image", *images)
    assert (content["images"], content["priors"][0]["images"]) == (images, 2)


def test_a_branch_that_knows_the_noise_has_no_bias(tiny_prior_folder: Path):
    """An oracle in place of the prior's UNet: it is told the clean latents, hence knows what was added."""
    branch = load_branch("oracle", tiny_prior_folder / "stable-diffusion", torch.device("cpu"))
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    latents = branch.prior.encode_images(images)
    schedule: NoiseSchedule = branch.prior.schedule

    def noise_of(noisy: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        # The noise that turns the clean latents into these, by the forward process itself.
        signal, deviation = (
            schedule.add_noise(*parts, timesteps)
            for parts in ((latents, torch.zeros_like(latents)), (torch.zeros_like(latents), torch.ones_like(latents)))
        )
        return (noisy - signal) / deviation

    found = measure(type(branch)(branch.name, branch.kind, branch.prior, noise_of), images, [100, 500], 4, 10, 0)
    decoded = branch.prior.decode_latents(latents).clamp(0, 1)
    for row, first, last in zip(found.content["timesteps"], found.one_step, found.ddim, strict=True):
        assert row["norm"] < 1e-4
        torch.testing.assert_close(first, decoded, atol=1e-3, rtol=0)
        torch.testing.assert_close(last, decoded, atol=1e-3, rtol=0)


def test_priors_of_one_name_are_told_apart_by_their_folders(tiny_prior_folder: Path, tmp_path: Path):
    shutil.copytree(tiny_prior_folder / "stable-diffusion", tmp_path / "other" / "stable-diffusion")
    priors = [tiny_prior_folder / "stable-diffusion", tmp_path / "other" / "stable-diffusion"]
    content = measured(tmp_path / "out", "--prior", *map(str, priors))
    names = [found["prior"] for found in content["priors"]]
    assert names == [str(prior).strip("/").replace("/", "_") for prior in priors]
    assert (tmp_path / "out" / f"{names[1]}_maps.png").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--draws=1"], "--draws: 1: must be an integer from 2"),
        (["--objects=0"], "--objects: 0: must be an integer from 1"),
        (["--timesteps", "1000"], "--timesteps: 1000: must be an integer from 0 to 999"),
        (["--prior", "{prior}", "{prior}/"], "a prior is given twice"),
        (["--prior", "nowhere/there"], "nowhere/there: no such folder; for a prior of the hub, say --kind"),
        (["--prior", "{prior}", "--kind=view"], "this prior has no image_encoder"),
        (["--image", "none.png"], "--image: none.png: must be a file; no such file"),
    ],
)
def test_what_is_wrong_is_one_line(
    tiny_prior_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
):
    prior = tiny_prior_folder / "stable-diffusion"
    given = [option.format(prior=prior) for option in options]
    assert status_of(["bias", *given, f"--out={tmp_path / 'out'}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("viewdistill bias: ")
    assert message in line
    assert not (tmp_path / "out").exists()
