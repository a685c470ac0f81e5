"""Checkpoints and LoRA files that are not what was written: one line that names the way out."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from callbacks.atomic_checkpoint import AtomicCheckpointIO
from lightning_modules.checkpoints import load_weights, read_checkpoint
from lightning_modules.priors.prior_export import export_lifting
from viewdistill.diffusion.lora import load_lora, save_lora
from viewdistill.errors import ViewDistillError
from viewdistill.files import digest_path, sealed_path

CONTENT: dict[str, Any] = {"state_dict": {"weight": torch.arange(2000.0)}, "hyper_parameters": {"width": 3}}
DISK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint as the trainer writes it."""
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(CONTENT, path)
    return path


def test_a_checkpoint_comes_back_and_its_digest_with_each_save(checkpoint: Path):
    assert read_checkpoint(checkpoint, "`run`")["hyper_parameters"] == {"width": 3}
    AtomicCheckpointIO().save_checkpoint({**CONTENT, "hyper_parameters": {}}, checkpoint)
    assert AtomicCheckpointIO().load_checkpoint(checkpoint)["hyper_parameters"] == {}
    assert len(digest_path(checkpoint).read_text().splitlines()) == 1


@DISK
@given(position=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_flipped_bit_is_seen_wherever_it_is(checkpoint: Path, position: int, bit: int):
    """torch alone reads a changed number of the weights without a word."""
    sound = checkpoint.read_bytes()
    changed = bytearray(sound)
    changed[position % len(sound)] ^= 1 << bit
    checkpoint.write_bytes(changed)
    try:
        with pytest.raises(ViewDistillError, match="damaged checkpoint; delete it and run `run`"):
            read_checkpoint(checkpoint, "`run`")
        with pytest.raises(ViewDistillError, match=r"damaged .*delete it to start this stage again"):
            AtomicCheckpointIO().load_checkpoint(checkpoint)
    finally:
        checkpoint.write_bytes(sound)


@pytest.mark.parametrize("length", [0, 10, 500, -1])
def test_a_cut_tail_is_seen(checkpoint: Path, length: int):
    checkpoint.write_bytes(checkpoint.read_bytes()[:length])
    with pytest.raises(ViewDistillError, match="damaged checkpoint"):
        read_checkpoint(checkpoint, "`run`")


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), TypeError("a defect")])
def test_an_error_that_is_not_the_files_stays_what_it_is(
    checkpoint: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
):
    def load(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torch, "load", load)
    with pytest.raises(type(error)) as raised:
        read_checkpoint(checkpoint, "`run`")
    assert raised.value is error


def test_another_architecture_says_which_weight_differs(tmp_path: Path):
    state = nn.Linear(4, 3).state_dict()
    with pytest.raises(ViewDistillError) as caught:
        load_weights(nn.Linear(5, 3), state, tmp_path / "last.ckpt", "`run`")
    assert "another version or architecture (1 of 2 weights differ, such as weight: (3, 4) in it, (3, 5) here)" in str(
        caught.value
    )
    assert str(caught.value).endswith("; delete it and run `run`")
    assert "\n" not in str(caught.value)
    with pytest.raises(ViewDistillError, match=r"bias: \(3,\) in it, missing here"):
        load_weights(nn.Linear(4, 3, bias=False), state, tmp_path / "last.ckpt", "`run`")


def test_a_changed_number_in_a_lora_is_seen(tmp_path: Path, tiny_unet: Any):
    path = tmp_path / "pytorch_lora_weights.safetensors"
    with sealed_path(path) as partial:
        save_lora(tiny_unet, partial)
    changed = bytearray(path.read_bytes())
    changed[-5] ^= 1
    path.write_bytes(changed)
    with pytest.raises(ViewDistillError, match=r"damaged .*; run the stage that writes it again"):
        load_lora(tiny_unet, path)


@pytest.fixture
def tiny_unet() -> Any:
    """A UNet with an adapter."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    from viewdistill.diffusion.lora import add_lora

    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 8),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=8,
        attention_head_dim=4,
        norm_num_groups=4,
    )
    add_lora(unet, 2, torch.Generator())
    return unet


def test_a_pipe_in_a_checkpoints_place_blocks_nobody(tmp_path: Path):
    os.mkfifo(tmp_path / "last.ckpt")
    with pytest.raises(ViewDistillError, match=r"last\.ckpt: damaged checkpoint; delete it and run `run`"):
        read_checkpoint(tmp_path / "last.ckpt", "`run`")


def test_a_trained_prior_is_not_exported_from_anything_else(checkpoint: Path, tmp_path: Path):
    with pytest.raises(ViewDistillError, match=r"last\.ckpt: not a checkpoint of Lifting .*; delete it and run"):
        export_lifting(checkpoint, tmp_path / "lifting")
    checkpoint.write_bytes(b"text")
    with pytest.raises(ViewDistillError, match=r"last\.ckpt: damaged checkpoint"):
        export_lifting(checkpoint, tmp_path / "lifting")
    assert not (tmp_path / "lifting").exists()
