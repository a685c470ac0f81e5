"""The input stage as users meet it: every choice in meta.json with its source, and bad inputs in one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands.main import main
from datamodules.run_folder import InputMeta, RunFolder, read_json, write_json

NOWHERE = ["--view-prior", "/nowhere", "--text-prior", "/nowhere"]
"""So that an attempt to load a prior ends in an error."""


def disc(path: Path, mode: str = "RGBA") -> Path:
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    rgba = np.full((64, 64, 4), 200, np.uint8)
    rgba[..., 3] = 255 * (x**2 + y**2 < 0.4)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgba).convert(mode).save(path)
    return path


def meta_of(image: Path, *options: str) -> InputMeta:
    folder = RunFolder(image.parent / "runs" / "toy")
    assert main(["input", str(image), "--out", str(folder.root), *options]) == 0
    return InputMeta.load(folder.input_meta)


def test_what_stands_beside_the_image_is_taken_and_no_prior_loaded(tmp_path: Path):
    image = disc(tmp_path / "toy.png")
    write_json(tmp_path / "toy.json", {"elevation_deg": 30, "caption": "a red watering can with dots"})
    meta = meta_of(image, *NOWHERE)
    assert (meta.elevation_deg, meta.elevation_source, meta.elevation_margin) == (30.0, "file", None)
    assert (meta.class_word, meta.class_word_source, meta.class_word_margin) == ("watering can", "caption", None)
    assert meta.mask_source == "alpha"


def test_options_come_before_it(tmp_path: Path):
    image = disc(tmp_path / "toy.jpg", "RGB")
    mask = disc(tmp_path / "mask.png")
    write_json(tmp_path / "toy.json", {"elevation_deg": 30, "caption": "a red mug"})
    meta = meta_of(image, *NOWHERE, "--elevation", "-7", "--class-word", " tea  cup ", "--mask", str(mask))
    assert (meta.elevation_deg, meta.elevation_source) == (-7.0, "option")
    assert (meta.class_word, meta.class_word_source) == ("tea cup", "option")
    assert meta.mask_source == "mask"
    record = read_json(tmp_path / "runs" / "toy" / "input" / "stage.json")
    assert record["figures"]["class_word"] == "tea cup"


@pytest.mark.parametrize("threshold", [-1e9, 1e9], ids=["clear", "unclear"])
def test_what_nobody_says_is_estimated_and_taken_only_where_it_is_clear(
    tmp_path: Path, tiny_prior_folder: Path, monkeypatch: pytest.MonkeyPatch, threshold: float
):
    monkeypatch.setattr("viewdistill.guidance.elevation.CLEAR_MARGIN", threshold)
    monkeypatch.setattr("viewdistill.diffusion.classifier.CLEAR_MARGIN", threshold)
    priors = [f"--view-prior={tiny_prior_folder / 'zero123'}", f"--text-prior={tiny_prior_folder / 'stable-diffusion'}"]
    meta = meta_of(disc(tmp_path / "toy.png"), *priors)
    assert meta.elevation_margin is not None
    assert meta.class_word_margin is not None
    if threshold > 0:
        assert (meta.elevation_deg, meta.elevation_source) == (0.0, "default")
        assert (meta.class_word, meta.class_word_source) == ("object", "default")
    else:
        assert meta.elevation_source == "estimate"
        assert -20 <= meta.elevation_deg <= 60
        assert meta.class_word_source == "prior"
        assert meta.class_word != "object"


def test_the_estimate_can_be_left_away_or_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    image = disc(tmp_path / "toy.png")
    meta = meta_of(image, *NOWHERE, "--no-estimate-elevation", "--class-word=mug")
    assert (meta.elevation_deg, meta.elevation_source, meta.elevation_margin) == (0.0, "default", None)
    write_json(tmp_path / "toy.json", {"elevation_deg": 30})
    command = ["input", str(image), "--out", str(tmp_path / "other"), *NOWHERE, "--estimate-elevation"]
    assert main(command) == 2
    assert "/nowhere: no such prior folder" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def bad_json(folder: Path) -> list[str]:
    write_json(folder / "toy.json", {"elevation_deg": "high"})
    return [str(disc(folder / "toy.png"))]


BAD: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "missing": (lambda folder: [str(folder / "none.png")], "no such file"),
    "directory": (lambda folder: [str(folder)], "a directory"),
    "empty": (lambda folder: [touched(folder / "toy.png")], "empty file"),
    "loop": (lambda folder: [looped(folder / "toy.png")], "cannot be read"),
    "no image": (lambda folder: [written(folder / "toy.png", b"text")], "not an image"),
    "corrupt": (lambda folder: [written(folder / "toy.png", disc(folder / "toy.png").read_bytes()[:200])], "damaged"),
    "no foreground": (lambda folder: [uniform(folder / "toy.png", (64, 64), 0)], "no foreground"),
    "all foreground": (
        lambda folder: [str(disc(folder / "toy.png")), "--mask", uniform(folder / "full.png", (64, 64), 255)],
        "no background, the mask keeps all",
    ),
    "pixel": (lambda folder: [uniform(folder / "toy.png", (1, 1), 255)], "1 x 1 pixels"),
    "huge": (lambda folder: [uniform(folder / "toy.png", (20_000, 20_000), 1, "1")], "million pixels"),
    "mask of another size": (
        lambda folder: [str(disc(folder / "toy.png")), "--mask", uniform(folder / "small.png", (32, 32), 255)],
        "small.png: the mask has 32 x 32",
    ),
    "wrong description": (bad_json, "elevation_deg must be a number"),
    "no class word": (lambda folder: [str(disc(folder / "toy.png")), "--class-word", " "], "--class-word is empty"),
}


def touched(path: Path) -> str:
    path.touch()
    return str(path)


def looped(path: Path) -> str:
    path.symlink_to(path)
    return str(path)


def written(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def uniform(path: Path, size: tuple[int, int], value: int, mode: str = "LA") -> str:
    Image.new(mode, size, (value, value) if mode == "LA" else value).save(path)
    return str(path)


@pytest.mark.parametrize("case", BAD)
def test_bad_inputs_are_one_line_with_status_2_and_leave_nothing(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    make, problem = BAD[case]
    arguments = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    status = main(["input", *arguments, "--no-estimate-elevation", "--out", str(tmp_path / "runs" / "toy")])
    captured = capsys.readouterr()
    assert (status, captured.out) == (2, "")
    assert captured.err.startswith("viewdistill input: ")
    assert problem in captured.err
    assert captured.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
