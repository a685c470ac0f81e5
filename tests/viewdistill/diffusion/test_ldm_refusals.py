"""Checkpoints that are damaged, foreign or dangerous are refused in one line, and nothing of them is run."""

import argparse
import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from commands.main import main
from tests.viewdistill.diffusion import original_checkpoint as original
from viewdistill.diffusion.ldm.checkpoint import read_state_dict
from viewdistill.errors import ViewDistillError


class Callback:
    """A class of another program, as Lightning leaves in its checkpoints: as a key, and with a state."""

    def __init__(self) -> None:
        self.best = Path("best.ckpt")


class Trap:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Callable[..., object], *arguments: str) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def test_nothing_in_a_checkpoint_is_run_and_foreign_classes_are_no_obstacle(tmp_path: Path) -> None:
    state = original.tiny_state(ema=False)
    beside = {"callbacks": {Callback: {"best": 1}}, "hyper_parameters": argparse.Namespace(lr=1e-4), "own": Callback()}
    trapped = tmp_path / "trapped"
    trapped.mkdir()
    trap = Trap(tempfile.mkdtemp, "", "sprung", str(trapped))
    read = read_state_dict(original.save_checkpoint(tmp_path / "a.ckpt", state, **beside, trap=trap))
    assert read.keys() == state.keys()
    assert all(torch.equal(read[name], state[name]) for name in state)
    assert not list(trapped.iterdir())
    pickle.loads(pickle.dumps(trap))  # it does spring elsewhere
    assert list(trapped.iterdir())


def test_a_checkpoint_that_reaches_for_the_system_is_refused(tmp_path: Path) -> None:
    path = original.save_checkpoint(tmp_path / "a.ckpt", {}, trap=Trap(os.mkdir, str(tmp_path / "sprung")))
    with pytest.raises(ViewDistillError, match="damaged, or not a checkpoint of weights alone"):
        read_state_dict(path)
    assert not (tmp_path / "sprung").exists()


def spoil(path: Path, how: str) -> None:
    state = original.tiny_state(ema=how == "ema")
    if how == "truncated":
        original.save_checkpoint(path, state)
        path.write_bytes(path.read_bytes()[:-100_000])
    elif how == "text":
        path.write_text("<html>not found</html>")
    elif how == "no weights":
        torch.save({"epoch": 1}, path)
    else:
        missing = {
            "unet": "model.diffusion_model.output_blocks.8.2.conv.bias",
            "ema": "model_ema.diffusion_modelout2bias",
            "vae": "first_stage_model.decoder.up.1.block.2.conv1.bias",
            "clip": "cond_stage_model.model.visual.transformer.resblocks.1.attn.in_proj_bias",
            "projection": "cc_projection.weight",
        }
        if how in missing:
            del state[missing[how]]
        elif how == "wider":
            state["model.diffusion_model.input_blocks.4.0.out_layers.3.weight"] = torch.zeros(32, 64, 3, 3)
        elif how == "more":
            state["model.diffusion_model.input_blocks.12.0.op.weight"] = torch.zeros(3)
        else:
            state["alphas_cumprod"] = state["alphas_cumprod"] ** 2
        original.save_checkpoint(path, state)


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ("truncated", "damaged"),
        ("text", "damaged"),
        ("no weights", "holds no weights"),
        ("unet", "no model.diffusion_model.output_blocks.8.2.conv.bias"),
        ("ema", "no model_ema.diffusion_modelout2bias"),
        ("vae", "no first_stage_model.decoder.up.1.block.2.conv1.bias"),
        ("clip", "no cond_stage_model.model.visual.transformer.resblocks.1.attn.in_proj_bias"),
        ("projection", "no cc_projection.weight"),
        ("wider", "shape [32, 64, 3, 3], expected [32, 32, 3, 3]"),
        ("more", "no place in a Zero-1-to-3 model, the first model.diffusion_model.input_blocks.12.0.op.weight"),
        ("schedule", "noise levels"),
    ],
)
def test_what_cannot_be_converted_ends_in_one_line_and_leaves_nothing(
    tmp_path: Path, how: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "zero123.ckpt"
    spoil(path, how)
    assert main(["convert", str(path), str(tmp_path / "priors" / "prior")]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"viewdistill convert: {path}: ")
    assert named in captured.err
    assert captured.err.count("\n") == 1
    assert not [child for child in tmp_path.rglob("*") if child.is_file() and child != path]


def test_a_missing_checkpoint_and_a_taken_place_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    absent = tmp_path / "zero123-xl.ckpt"
    assert main(["convert", str(absent), str(tmp_path / "prior")]) == 2
    assert f"{absent}: no such checkpoint; fetch it from" in capsys.readouterr().err
    (tmp_path / "prior").mkdir()
    (tmp_path / "prior" / "note.txt").write_text("mine")
    assert main(["convert", str(absent), str(tmp_path / "prior")]) == 2
    assert "prior: exists already" in capsys.readouterr().err
