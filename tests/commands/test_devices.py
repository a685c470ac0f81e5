"""``--accelerator`` decides where a subcommand computes, or is refused."""

from pathlib import Path

import pytest
import torch

from commands.devices import device_of
from commands.main import main
from viewdistill.errors import ViewDistillError


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


def test_a_device_is_that_of_its_name():
    assert device_of("cpu") == torch.device("cpu")
    if torch.cuda.is_available():
        assert device_of("auto") == device_of("gpu") == torch.device("cuda")
    else:
        assert device_of("auto") == torch.device("cpu")
        with pytest.raises(ViewDistillError, match="viewdistill doctor"):
            device_of("gpu")
