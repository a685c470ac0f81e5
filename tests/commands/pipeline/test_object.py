"""The front door: what holds is left alone, what does not is made again, and a refused option costs nothing."""

import shlex
from pathlib import Path

import pytest
from markupsafe import escape

from commands.inputs.reference_pictures import reference_picture
from commands.main import main
from commands.pipeline.names import run_name
from commands.pipeline.object import Request, recipe_of
from commands.pipeline.recipe import Recipe
from commands.pipeline.walk import LOG, command_lines, logged
from datamodules.runs.run_folder import MadeBy, RunFolder, read_json
from tests.commands.scaling.tiny_batch import stage_options, write_images
from viewdistill import distill
from viewdistill.errors import ViewDistillError

pytestmark = pytest.mark.usefixtures("short_films")


@pytest.fixture
def arguments(tmp_path: Path, tiny_prior_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    image = write_images(tmp_path / "images", "a") / "a.png"
    options = [f"--options={name}={' '.join(values)}" for name, values in stage_options(tiny_prior_folder).items()]
    return ["object", str(image), "--preset=debug", "--source=field", *options]


def states(capsys: pytest.CaptureFixture[str]) -> dict[str, bool]:
    """Stage → whether it was run, by what was printed."""
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    return {name: text != "up to date" for name, text in lines[:-5]}


def test_what_holds_is_left_alone_and_a_refused_option_deletes_nothing(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    everything = dict.fromkeys(("input", "field", "mesh", "report"), True)
    assert states(capsys) == everything
    assert main(arguments) == 0
    assert states(capsys) == dict.fromkeys(everything, False)

    files = {path: path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    for wrong in ("field=--trainer.max_stepz=3", "field=--model.view_size=large", "mesh=--faces=none"):
        assert main([*arguments, f"--options={wrong}"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert wrong.split("=")[1].split(".")[-1].removeprefix("--") in error
    assert files == {path: path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    assert main(arguments) == 0
    assert states(capsys) == dict.fromkeys(everything, False)

    assert main([*arguments, "--options=mesh=--faces=150", "--dry-run"]) == 0
    planned = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert planned == ["mesh", "report"]
    assert main([*arguments, "--options=mesh=--faces=150"]) == 0
    assert states(capsys) == {"input": False, "field": False, "mesh": True, "report": True}
    (tmp_path / "runs/a/field/stage.json").unlink()
    assert main([*arguments, "--options=mesh=--faces=150"]) == 0
    record = read_json(RunFolder(tmp_path / "runs/a").record("field"))
    assert record["figures"]["resumed_from_step"] > 0


def test_the_same_in_python(arguments: list[str], tmp_path: Path, tiny_prior_folder: Path) -> None:
    options = {name: " ".join(values) for name, values in stage_options(tiny_prior_folder).items()}
    outcome = distill(arguments[1], preset="debug", source="field", options=options, quiet=True)
    assert outcome.folder.root == Path("runs/a")
    assert len(outcome.mesh.faces) > 20
    assert outcome.scores is None
    assert outcome.views == []
    # `nano` is the name of the shipped YAMLs alone.
    assert Recipe(preset="nano").overlays("field") == Recipe().overlays("field") == []
    with pytest.raises(ViewDistillError, match=r"choose one of nano, .*debug"):
        distill(arguments[1], preset="none")
    with pytest.raises(ViewDistillError, match="give one of them"):
        distill(arguments[1], text="a mug")


@pytest.mark.parametrize("subject", ["..", ".", "/", " ", "a" * 300, Path(".."), Path("/"), Path("___.png")])
def test_names_that_leave_the_runs_are_refused(subject: str | Path) -> None:
    with pytest.raises(ViewDistillError, match="name"):
        run_name(subject)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device that is always full is Linux's")
def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / LOG).symlink_to("/dev/full")
    with (
        pytest.raises(ViewDistillError, match=r"object\.log: cannot be written \(No space left"),
        logged(RunFolder(tmp_path)),
    ):
        print("a stage at work")
    with pytest.raises(FileNotFoundError), logged(RunFolder(tmp_path / "none")):
        (tmp_path / "no such file").read_text()


def test_names_of_runs() -> None:
    assert run_name(Path("x/my red toy#1.png")) == "my_red_toy_1"
    assert run_name("salt/pepper: 5%") == "salt_pepper__5_"
    assert run_name(Path("a:b%c.png")) == "a_b_c"


def test_the_report_shows_the_one_command_that_makes_the_object_again(arguments: list[str], tmp_path: Path) -> None:
    assert main([*arguments, "--seed=3", f"--reference={arguments[1]}:90,10"]) == 0
    folder = RunFolder(tmp_path / "runs" / "a")
    words = MadeBy.load(folder.command).words
    assert words[0] == "viewdistill"
    assert escape(shlex.join(words)) in folder.report.read_text(encoding="utf-8")
    report = folder.record("report").read_text(encoding="utf-8")
    made = {path: path.read_bytes() for path in folder.root.glob("*/stage.json")}
    assert main(words[1:]) == 0
    assert {path: path.read_bytes() for path in folder.root.glob("*/stage.json")} == made
    assert folder.record("report").read_text(encoding="utf-8") == report
    assert MadeBy.load(folder.command).words == words


def test_without_an_image_the_first_reference_is_the_input() -> None:
    pictures = [reference_picture(text) for text in ("a.png:40,30", "b.png:220,10")]
    recipe, subject = recipe_of(Request(references=pictures))
    assert subject == Path("a.png")
    (command,) = command_lines(recipe, subject, Path("runs/a"), ["input"])
    assert command == "viewdistill input --out=runs/a --elevation=30.0 --reference=b.png:180,10 -- a.png"
    assert recipe_of(Request(image=Path("c.png"), references=pictures))[0].references == tuple(pictures)
    with pytest.raises(ViewDistillError, match="--reference is for pictures"):
        recipe_of(Request(text="a mug", references=pictures))
