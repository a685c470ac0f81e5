"""The picture stage: candidates of a text, the choice among them, and what the input stage makes of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

from commands.main import main
from commands.stages.picture import Request, prepare
from datamodules.picture import PictureText
from datamodules.runs.run_folder import InputMeta, RunFolder, read_json
from lightning_modules.picture import Candidate, PictureSampler, choose
from viewdistill.diffusion.samplers import TextSampling
from viewdistill.errors import ViewDistillError

# Of pytorch-lightning, about its own use of jsonargparse.
pytestmark = pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")

QUIET = ["--trainer.accelerator=cpu", "--trainer.logger=false"]

DISC = (torch.linspace(-1, 1, 16)[:, None] ** 2 + torch.linspace(-1, 1, 16) ** 2 < 0.4).float()


@pytest.fixture
def options(tiny_prior_folder: Path) -> list[str]:
    prior = f"--model.prior={tiny_prior_folder / 'stable-diffusion'}"
    return [prior, "--model.precision=fp32", "--model.sampling.steps=2", "--data.count=3", *QUIET]


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of samples of random weights: a disc, white paper, and a disc that the frame cuts."""
    pictures = [1 - 0.5 * DISC, torch.ones_like(DISC), 1 - 0.5 * DISC.roll(8, 1)]
    stack = torch.stack([picture.expand(3, -1, -1) for picture in pictures])
    monkeypatch.setattr("lightning_modules.text_sampling.sample_text", lambda *arguments: stack)


def candidate(whole: bool, agreement: float) -> Candidate:
    return Candidate(np.zeros((4, 4, 4), np.uint8), whole, agreement)


def test_the_input_stage_takes_picture_and_words(painted: None, options: list[str], run_folder: RunFolder):
    folder = run_folder
    assert main(["picture", " a red  mug ", "--out", str(folder.root), *options]) == 0
    with Image.open(folder.candidates) as sheet:
        assert sheet.width > 3 * 256
    record = read_json(folder.record("picture"))
    assert record["figures"]["chosen"] == 0
    assert record["figures"]["whole"] == [True, False, False]
    with Image.open(folder.picture) as picture:
        alpha = np.asarray(picture)[..., 3]
    assert alpha.shape == (256, 256)
    assert alpha[128, 128] == 255
    assert alpha[0, 0] == 0
    assert main(["input", str(folder.picture), "--out", str(folder.root), "--no-estimate-elevation"]) == 0
    meta = InputMeta.load(folder.input_meta)
    assert (meta.caption, meta.class_word, meta.mask_source) == ("a red mug", "mug", "alpha")


def test_samples_are_a_function_of_text_and_seed(tiny_prior_folder: Path):
    sampling = TextSampling(steps=2, guidance_scale=3.0)
    sampler = PictureSampler(str(tiny_prior_folder / "stable-diffusion"), "fp32", sampling, seed=0)

    def candidates(text: str) -> list[Candidate]:
        trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
        data = PictureText("runs/mug", text, count=2, index=None, images_per_batch=2)
        batches: Any = trainer.predict(sampler, datamodule=data)
        return batches[0]

    first, again = candidates("a red mug"), candidates("a red mug")
    assert all(np.array_equal(a.rgba, b.rgba) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].rgba[..., :3], first[1].rgba[..., :3])
    assert not np.array_equal(candidates("a teal table")[0].rgba[..., :3], first[0].rgba[..., :3])


def test_the_whole_object_that_the_text_fits_best_is_chosen():
    candidates = [candidate(True, 1.0), candidate(True, 2.0), candidate(False, 3.0)]
    assert choose(candidates, "a mug") == 1
    with pytest.raises(ViewDistillError, match=r'"a mug": none of 1 pictures shows a whole object'):
        choose(candidates[2:], "a mug")


def test_a_candidate_can_be_asked_for(painted: None, options: list[str], run_folder: RunFolder):
    assert main(["picture", "a mug", "--out", str(run_folder.root), *options, "--data.index=2"]) == 0
    assert read_json(run_folder.record("picture"))["figures"]["chosen"] == 2


def test_a_text_has_words(run_folder: RunFolder, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as refusal:
        main(["picture", "  ", "--out", str(run_folder.root)])
    assert refusal.value.code == 2
    assert "argument TEXT: ' ': must be printable text" in capsys.readouterr().err
    with pytest.raises(ViewDistillError, match="the text is empty"):
        prepare(Request(run_folder.root, text="  "))


@pytest.mark.parametrize(
    ("text", "extra", "message"),
    [
        ("a mug", ["--data.index=3"], "index is 3; give 0 to 2"),
        ("a mug", ["--data.count=0"], "must be at least 1"),
        ("a mug", ["--model.prior=/nowhere"], "/nowhere"),
        ("a mug", ["--model.colour=red"], "colour"),
    ],
)
def test_bad_input_is_one_line(
    text: str,
    extra: list[str],
    message: str,
    options: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    folder = RunFolder(tmp_path / "mug")
    assert main(["picture", text, "--out", str(folder.root), *options, *extra]) == 2
    error = capsys.readouterr().err
    assert error.startswith("viewdistill picture: ")
    assert message in error
    assert error.count("\n") == 1
    assert not folder.picture.exists()
    assert not folder.record("picture").exists()
