"""Fitted stages: strict settings, exact resume, restart when something changed, damaged checkpoints."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from callbacks.atomic_checkpoint import AtomicCheckpointIO
from commands.stages.fitting import StageRun, fit
from datamodules.runs.run_folder import make_folder
from viewdistill.errors import ViewDistillError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    content: dict[str, Any] = {
        "trainer": {"max_steps": 12, "accelerator": "cpu", "logger": False, "enable_model_summary": False},
        "checkpoint_every": 5,
        "model": {"class_path": "tests.commands.stages.toy_stage.ToyModel"},
        "data": {"class_path": "tests.commands.stages.toy_stage.ToyData"},
    }
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def run(
    folder: Path, config: Path, *settings: str, inputs: tuple[Path, ...] = (), restart: bool = True
) -> dict[str, Any]:
    return fit(StageRun(folder, "toy", inputs, restart), [f"--config={config}", *settings])


def weight(folder: Path) -> torch.Tensor:
    return torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]["weight"]


def interrupted(folder: Path, config: Path) -> None:
    """Fit until step 7, where the last checkpoint is of step 5."""
    stop = make_folder(folder.parent) / "stop"
    stop.write_text("")
    with pytest.raises(KeyboardInterrupt):
        run(folder, config)
    stop.unlink()
    assert torch.load(folder / "last.ckpt", weights_only=True)["global_step"] == 5


def test_an_interrupted_fit_ends_like_an_undisturbed_one(tmp_path: Path, config: Path):
    undisturbed = run(tmp_path / "a" / "toy", config)
    assert (undisturbed["steps"], undisturbed["resumed_from_step"]) == (12, 0)
    interrupted(tmp_path / "b" / "toy", config)
    resumed = run(tmp_path / "b" / "toy", config)
    assert (resumed["steps"], resumed["resumed_from_step"]) == (12, 5)
    assert torch.equal(weight(tmp_path / "a" / "toy"), weight(tmp_path / "b" / "toy"))
    assert resumed["metrics"]["loss"] == undisturbed["metrics"]["loss"]


def test_the_same_seed_gives_the_same_fit_and_another_seed_another(tmp_path: Path, config: Path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(tmp_path / name, config, f"--seed_everything={seed}")
    assert torch.equal(weight(tmp_path / "a"), weight(tmp_path / "b"))
    assert not torch.equal(weight(tmp_path / "a"), weight(tmp_path / "c"))


def test_a_complete_fit_is_not_repeated(tmp_path: Path, config: Path):
    folder = tmp_path / "runs" / "toy"
    run(folder, config)
    before = weight(folder)
    assert run(folder, config)["resumed_from_step"] == 12
    assert torch.equal(weight(folder), before)


@pytest.mark.parametrize("change", ["setting", "input", "weights"])
def test_a_change_starts_the_fit_again(tmp_path: Path, config: Path, change: str, capsys: pytest.CaptureFixture[str]):
    folder, image, prior = tmp_path / "runs" / "toy", tmp_path / "rgba.png", tmp_path / "prior"
    image.write_bytes(b"one")
    prior.mkdir()
    (prior / "unet.safetensors").write_bytes(b"one")
    content = yaml.safe_load(config.read_text())
    content["model"]["init_args"] = {"prior": str(prior)}
    content["trainer"]["max_steps"] = 4
    config.write_text(yaml.safe_dump(content))
    run(folder, config, inputs=(image,))
    settings: list[str] = []
    if change == "setting":
        settings.append("--model.rate=0.2")
    elif change == "input":
        image.write_bytes(b"two")
    else:
        (prior / "unet.safetensors").write_bytes(b"two")
    assert run(folder, config, *settings, inputs=(image,))["resumed_from_step"] == 0
    assert "starting again" in capsys.readouterr().out


def test_priors_are_trained_on_with_other_settings(tmp_path: Path, config: Path):
    run(tmp_path / "toy", config)
    figures = run(tmp_path / "toy", config, "--trainer.max_steps=15", restart=False)
    assert (figures["resumed_from_step"], figures["steps"]) == (12, 15)


def test_the_resolved_configuration_is_saved_and_can_be_given_back(tmp_path: Path, config: Path):
    run(tmp_path / "a" / "toy", config, "--model.rate=0.3")
    saved = tmp_path / "a" / "toy" / "config.yaml"
    assert yaml.safe_load(saved.read_text())["model"]["init_args"]["rate"] == 0.3
    run(tmp_path / "b" / "toy", saved)
    assert torch.equal(weight(tmp_path / "a" / "toy"), weight(tmp_path / "b" / "toy"))


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("--model.speed=3", "speed"),
        ("--model.rate=fast", "rate"),
        ("--trainer.max_stepz=3", "max_stepz"),
        ("--trainer.devices=many", "configuration: trainer: .*devices"),
        ("--trainer.devices=.nan", "configuration: trainer: .*devices"),
        ("--model=tests.commands.stages.toy_stage.NoModel", "NoModel"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, config: Path, setting: str, problem: str):
    with pytest.raises(ViewDistillError, match=problem):
        run(tmp_path / "toy", config, setting)
    assert not (tmp_path / "toy").exists()


def test_an_unknown_key_in_the_yaml_is_an_error(tmp_path: Path, config: Path):
    config.write_text(config.read_text() + "colour: red\n")
    with pytest.raises(ViewDistillError, match="colour"):
        run(tmp_path / "toy", config)


@pytest.mark.parametrize("damage", ["truncated", "text", "pickle", "list", "no step", "step of text"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, config: Path, damage: str):
    folder = tmp_path / "toy"
    run(folder, config)
    checkpoint = folder / "last.ckpt"
    if damage == "truncated":
        checkpoint.write_bytes(checkpoint.read_bytes()[:500])
    elif damage == "text":
        checkpoint.write_text("hello")
    elif damage == "pickle":
        torch.save({"global_step": 3, "run": print}, checkpoint)  # would be called by an unpickler
    else:
        content = {"list": [3], "no step": {"step": 3}, "step of text": {"global_step": "3"}}[damage]
        torch.save(content, checkpoint)
    with pytest.raises(ViewDistillError, match=r"last\.ckpt: damaged checkpoint; delete it"):
        run(folder, config)


def test_checkpoints_are_whole_or_absent(tmp_path: Path):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"a": torch.ones(2)}, path)
    with pytest.raises(Exception, match=r"pickle|lambda"):
        AtomicCheckpointIO().save_checkpoint({"a": lambda: 0}, path)
    assert torch.equal(AtomicCheckpointIO().load_checkpoint(path)["a"], torch.ones(2))
    assert {p.name for p in tmp_path.iterdir()} == {"last.ckpt", ".last.ckpt.sha256"}


def test_progress_is_printed_in_lines_where_there_is_no_terminal(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
):
    run(tmp_path / "toy", config)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    assert len(lines) == 10
    assert lines[-1].startswith("step 12/12, ")
    assert "loss" in lines[-1]
