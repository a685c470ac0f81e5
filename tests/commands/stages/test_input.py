"""The input stage as users meet it: every choice in meta.json with its source, and bad inputs in one line."""

import contextlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from commands.inputs.input_choices import checked_class_word, read_known_view
from commands.inputs.input_settings import SHIPPED, InputSettings
from commands.inputs.reference_pictures import reference_picture
from commands.main import main
from commands.stages.input import Request, prepare
from commands.stages.plain_settings import read_settings
from datamodules.posed_views import ViewCamera, load_references, read_rgba
from datamodules.runs.run_folder import InputMeta, RunFolder, read_json, write_json
from datamodules.runs.stages import files_read
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY

NOWHERE = ["--view-prior", "/nowhere", "--text-prior", "/nowhere"]
"""So that an attempt to load a prior ends in an error."""

WORD = ["--class-word=thing"]

json_values = st.fixed_dictionaries(
    {},
    optional={
        key: st.one_of(
            st.none(),
            st.booleans(),
            st.integers(-(2**70), 2**70) | st.sampled_from([10**400, -(10**60)]),
            st.floats(),
            st.text("aé\n\0\u2028\ud800", max_size=5),
            st.lists(st.integers(), max_size=3),
            st.just("kept"),
        )
        for key in ("elevation_deg", "framing", "caption", "seed")
    },
)
"""Descriptions with our keys and any values."""


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
    assert (meta.elevation_deg, meta.elevation_source, meta.elevation_confidence) == (30.0, "file", None)
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
def test_what_nobody_says_is_estimated(
    tmp_path: Path,
    tiny_prior_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    threshold: float,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr("viewdistill.guidance.elevation.CLEAR_CONFIDENCE", threshold)
    monkeypatch.setattr("commands.inputs.input_estimates.CLEAR_MARGIN", threshold)
    priors = [f"--view-prior={tiny_prior_folder / 'zero123'}", f"--text-prior={tiny_prior_folder / 'stable-diffusion'}"]
    meta = meta_of(disc(tmp_path / "toy.png"), *priors)
    assert meta.elevation_confidence is not None
    assert meta.class_word_margin is not None
    assert -20 <= meta.elevation_alternatives[0] < meta.elevation_deg < meta.elevation_alternatives[1] <= 60
    clear = threshold < 0
    assert meta.elevation_source == ("estimate" if clear else "default")
    assert meta.class_word_source == ("prior" if clear else "default")
    assert (meta.class_word != "object") == clear
    note = capsys.readouterr().err
    assert f"--elevation={meta.elevation_alternatives[0]:g}" in note
    assert ("not clear" in note) != clear


def test_an_overlay_names_other_priors_and_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    image = disc(tmp_path / "toy.png")
    overlay = tmp_path / "input.yaml"
    overlay.write_text("view_prior: /nowhere/zero123-xl\n")
    command = ["input", str(image), "--out", str(tmp_path / "run"), "--class-word=mug", f"--config={overlay}"]
    assert main(command) == 2
    assert "/nowhere/zero123-xl: no such prior folder" in capsys.readouterr().err
    for content, problem in (("elevation_steps: 0", "elevation_steps is 0; give 1 to 1,000"), ("views: 3", "views")):
        overlay.write_text(content)
        assert main(command) == 2
        err = capsys.readouterr().err
        assert problem in err
        assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_the_full_size_preset_never_estimates_with_the_embedded_priors():
    settings = read_settings(InputSettings, SHIPPED, [REPOSITORY / "configs" / "presets" / "zero123-xl" / "input.yaml"])
    assert "nano" not in settings.view_prior + settings.text_prior
    assert settings.class_words == "everyday"


def test_a_large_picture_keeps_its_pixels_and_a_small_one_its_size(tmp_path: Path):
    sizes: dict[int, int] = {}
    for side in (64, 400, 1600):
        y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
        rgba = np.full((side, side, 4), 200, np.uint8)
        rgba[..., 3] = 255 * (np.maximum(abs(x), abs(y)) < 0.75)
        Image.fromarray(rgba).save(tmp_path / "toy.png")
        folder = RunFolder(tmp_path / str(side))
        assert main(["input", str(tmp_path / "toy.png"), "--out", str(folder.root), "--elevation=0", *WORD]) == 0
        sizes[side] = len(np.asarray(Image.open(folder.rgba)))
    assert sizes == {64: 256, 400: 384, 1600: 1024}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_description_as_editors_save_it(tmp_path: Path, encoding: str):
    image = disc(tmp_path / "toy.png")
    (tmp_path / "toy.json").write_text('{"elevation_deg": 20, "caption": "a réd mug"}', encoding=encoding)
    meta = meta_of(image, *NOWHERE)
    assert (meta.elevation_deg, meta.caption, meta.class_word) == (20.0, "a réd mug", "mug")


def test_null_in_a_description_counts_as_absent(tmp_path: Path):
    image = disc(tmp_path / "toy.png")
    write_json(tmp_path / "toy.json", {"elevation_deg": 5, "caption": None, "framing": None, "seed": None})
    meta = meta_of(image, *NOWHERE, *WORD)
    assert (meta.elevation_deg, meta.caption, meta.framing, meta.seed) == (5.0, "", "fitted", None)


@given(json_values)
def test_no_description_ends_in_more_than_one_line(content: object):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "toy.json"
        path.write_text(json.dumps(content))
        with contextlib.suppress(ViewDistillError):
            known = read_known_view(path)
            assert known.elevation_deg is None or -90 <= known.elevation_deg <= 90
            assert known.framing in ("fitted", "kept")
            known.caption.encode()
            assert known.caption == " ".join(known.caption.split())


def test_what_is_noticed_is_printed_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rgba = np.zeros((100, 200, 4), np.uint8)
    rgba[30:70, 20:70] = rgba[30:70, 120:170] = (200, 30, 30, 255)
    rgba[5, 5] = 255
    Image.fromarray(rgba).save(tmp_path / "toy.png")
    meta = meta_of(tmp_path / "toy.png", "--elevation=0", *WORD)
    assert len(meta.notes) == 2
    err = capsys.readouterr().err.splitlines()
    assert [line.split(": ", 3)[3] for line in err] == list(meta.notes)
    assert meta.notes[0] == "1 speck away from the object left out"
    assert "two separate objects" in meta.notes[1]


def test_the_estimate_can_be_left_away_or_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    image = disc(tmp_path / "toy.png")
    meta = meta_of(image, *NOWHERE, "--no-estimate-elevation", "--class-word=mug")
    assert (meta.elevation_deg, meta.elevation_source, meta.elevation_confidence) == (0.0, "default", None)
    write_json(tmp_path / "toy.json", {"elevation_deg": 30})
    command = ["input", str(image), "--out", str(tmp_path / "other"), *NOWHERE, "--estimate-elevation"]
    assert main(command) == 2
    assert "/nowhere: no such prior folder" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def described(content: dict[str, object]) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        write_json(folder / "toy.json", content)
        return [str(disc(folder / "toy.png"))]

    return make


def broken(path: Path, content: str = '{"caption": ') -> str:
    path.write_text(content)
    return str(disc(path.with_suffix(".png")))


def line(path: Path) -> str:
    rgba = np.zeros((300, 300, 4), np.uint8)
    rgba[20:280, 150] = 255
    Image.fromarray(rgba).save(path)
    return str(path)


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
    "wrong description": (described({"elevation_deg": "high"}), 'elevation_deg is "high": must be a number'),
    "huge integer": (
        described({"elevation_deg": 10**400}),
        "more than 40 digits: must be between -90 and 90",
    ),
    "no description": (lambda folder: [broken(folder / "toy.json")], "not readable as JSON"),
    "deep description": (
        lambda folder: [broken(folder / "toy.json", "[" * 100_000)],
        "nested more than 64 levels deep",
    ),
    "caption": (described({"caption": ["a", "mug"]}), 'caption is ["a", "mug"]; give words'),
    "framing": (described({"framing": "tight"}), 'framing is "tight"; give "fitted" or "kept"'),
    "thin": (lambda folder: [line(folder / "toy.png")], "too thin, 1 pixels"),
    "long and thin": (lambda folder: [uniform(folder / "toy.png", (1, 10_000), 255)], "only 1 x 10000 pixels"),
    "PDF": (
        lambda folder: [written(folder / "toy.png", b"%PDF-1.7 ...")],
        "but a PDF document; export its page as a PNG",
    ),
    "long class word": (
        lambda folder: [str(disc(folder / "toy.png")), "--class-word", "mug " * 30],
        "give a noun of at most 80",
    ),
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


def test_a_class_word_has_letters(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as refusal:
        main(["input", str(disc(tmp_path / "toy.png")), "--class-word", " ", "--out", str(tmp_path / "run")])
    assert refusal.value.code == 2
    assert "--class-word: ' ': must be printable text" in capsys.readouterr().err
    with pytest.raises(ViewDistillError, match="--class-word is empty"):
        checked_class_word(" ")


def test_further_pictures_are_framed_beside_the_input_and_go_with_their_option(tmp_path: Path) -> None:
    image, back, side = (disc(tmp_path / f"{name}.png") for name in ("toy", "a back", "side"))
    known = ["--elevation=10", *WORD]
    meta_of(image, *known)
    folder = RunFolder(tmp_path / "runs" / "toy")
    alone = {path: path.read_bytes() for path in (folder.rgba, folder.input_meta)}
    assert not folder.references.exists()

    options = [f"--reference={back}:180,30", f"--reference={side}:-90.5,-5"]
    meta_of(image, *known, *options)
    assert {path: path.read_bytes() for path in alone} == alone
    paths, cameras = zip(*load_references(folder), strict=True)
    assert cameras == (ViewCamera(180.0, 30.0), ViewCamera(-90.5, -5.0))
    assert {read_rgba(path).shape[0] for path in paths} == {4}
    request = Request(image, folder.root, elevation=10.0, class_word="thing")
    references = tuple(reference_picture(option.removeprefix("--reference=")) for option in options)
    assert prepare(replace(request, references=references)).holds()
    assert not prepare(request).holds()
    assert not prepare(replace(request, references=references[:1])).holds()
    assert set(files_read(folder.root, "field", ("input",))) == {folder.rgba, folder.input_meta, *paths} | {
        folder.references / "cameras.json"
    }

    meta_of(image, *known)
    assert not folder.references.exists()
    assert {path: path.read_bytes() for path in alone} == alone


@pytest.mark.parametrize(
    "value", ["back.png", "back.png:180", ":180,30", "back.png:x,30", "back.png:180,91", "b:9,nan"]
)
def test_a_reference_of_another_form_is_refused(tmp_path: Path, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    image = disc(tmp_path / "toy.png")
    with pytest.raises(SystemExit, match="2"):
        main(["input", str(image), f"--out={tmp_path / 'run'}", f"--reference={value}"])
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "--reference" in error
    assert not (tmp_path / "run").exists()
