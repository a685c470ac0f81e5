"""``--accelerator`` decides where a subcommand computes, or is refused."""

from pathlib import Path

import pytest
import torch

from commands.devices import device_of
from commands.main import main
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU that is there is taken")
@pytest.mark.parametrize("command", [["evaluate-prior", "--objects=1"], ["bias", "--objects=1"]])
def test_a_gpu_that_is_not_there_is_refused_before_anything_is_made(
    command: list[str], tiny_prior_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    prior = f"--prior={tiny_prior_folder / 'zero123'}"
    assert main([*command, prior, f"--out={tmp_path / 'out'}", "--accelerator=gpu"]) == 2
    error = capsys.readouterr().err
    assert "--accelerator gpu: no GPU that torch can use" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU that is there is taken")
def test_a_preset_for_a_gpu_ends_in_one_line_where_there_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    picture, run = str(REPOSITORY / "examples" / "robot.png"), tmp_path / "robot"
    assert main(["input", picture, "--out", str(run)]) == 0
    preset = REPOSITORY / "configs" / "presets" / "zero123-xl" / "field.yaml"
    for command in (
        ["field", str(run), "--config", str(preset)],
        ["object", picture, "--preset=zero123-xl", f"--runs={tmp_path / 'runs'}"],
    ):
        capsys.readouterr()
        assert main(command) == 2
        error = capsys.readouterr().err
        assert "trainer.accelerator is gpu, and torch can use none here; `viewdistill doctor` says why" in error
        assert error.count("\n") == 1
    assert not (run / "field" / "last.ckpt").exists()


def test_a_device_is_that_of_its_name():
    assert device_of("cpu") == torch.device("cpu")
    if torch.cuda.is_available():
        assert device_of("auto") == device_of("gpu") == torch.device("cuda")
    else:
        assert device_of("auto") == torch.device("cpu")
        with pytest.raises(ViewDistillError, match="viewdistill doctor"):
            device_of("gpu")
