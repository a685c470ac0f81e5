"""`viewdistill profile` on a tiny field and a tiny prior."""

import gzip
import json
import shlex
from pathlib import Path

import pytest

from commands.main import main
from commands.parsing import parse
from commands.profiling.stage_profile import PROFILED, command_of
from datamodules.runs.run_folder import RunFolder, read_json
from viewdistill.resources import REPOSITORY

# Of pytorch-lightning, about its own use of jsonargparse.
pytestmark = pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")

DEBUG = f"--config={REPOSITORY / 'configs' / 'presets' / 'debug' / 'field.yaml'}"


@pytest.fixture
def options(tiny_prior_folder: Path) -> list[str]:
    zero123, stable_diffusion = tiny_prior_folder / "zero123", tiny_prior_folder / "stable-diffusion"
    priors = [f"--model.guidance.view_prior={zero123}", f"--model.guidance.text_prior={stable_diffusion}"]
    return [DEBUG, *priors, "--trainer.accelerator=cpu", "--steps=2", "--warmup=1"]


def test_a_profile_of_the_field_says_where_a_step_s_time_goes(
    run_folder: RunFolder, options: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    before = {path: path.read_bytes() for path in run_folder.root.rglob("*") if path.is_file()}
    assert main(["profile", str(run_folder.root), *options, "--precisions", "bf16"]) == 0
    assert {path: path.read_bytes() for path in before} == before
    assert not run_folder.stage("field").exists()

    output = run_folder.root / "profile-field"
    profile = read_json(output / "profile.json")
    phases = profile["table"]["phases"]
    for name in ("sample cameras", "march", "cull", "field query", "compositing", "VAE encode", "UNets", "optimiser"):
        assert phases[name]["milliseconds"] > 0, name
    assert sum(cost["milliseconds"] for cost in phases.values()) > 0.5 * profile["step_ms"]
    # matrix products in the networks and the priors, none in the compositing
    assert phases["UNets"]["flops"] > phases["field query"]["flops"] > 1e5
    assert phases["compositing"]["flops"] == 0
    assert phases["compositing"]["bytes"] > 0
    assert phases["VAE encode"]["backward_milliseconds"] > 0
    assert sum(c["backward_milliseconds"] for c in phases.values()) <= 1.05 * phases["backward"]["milliseconds"]
    assert phases["backward"]["peak_memory_mb"] > 0

    exact, rough = profile["deviations"]
    assert (exact["precision"], exact["loss"], exact["gradient"]) == ("fp32", 0, 0)
    assert rough["precision"] == "bf16"
    assert 0 < rough["gradient"] < 0.5
    assert rough["cosine"] > 0.9

    names = {e["name"] for e in json.loads(gzip.decompress((output / "trace.json.gz").read_bytes()))["traceEvents"]}
    assert {"phase: march", "phase: backward"} <= names
    assert not any(str(name).startswith("count") for name in names)
    assert (output / "profile.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert "ceilings of this machine" in printed
    assert "UNets" in printed
    # W&B has the tables, the plot and the trace
    media = [path.name for path in (output / "wandb").glob("offline-run-*/files/media/*/profile/*")]
    assert {name.split("_")[0] for name in media} == {"phases", "precisions", "plot"}
    (record,) = (output / "wandb").glob("offline-run-*/*.wandb")
    assert b"trace.json.gz" in record.read_bytes()


def test_a_profile_needs_the_input_and_at_least_a_step(
    tmp_path: Path, run_folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", str(tmp_path / "nothing")]) == 2
    assert "no complete input stage here" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(SystemExit):
        main(["profile", str(run_folder.root), "--steps=0"])
    assert "from 1 to 10,000" in capsys.readouterr().err
    assert main(["profile", str(run_folder.root), "--fitted", "--stage=field", DEBUG]) == 2
    assert "run `viewdistill field" in capsys.readouterr().err


def test_advice_names_commands_that_exist() -> None:
    for stage in PROFILED:
        command = shlex.split(command_of(stage, Path("runs/a")).strip("`"))
        assert command[0] == "viewdistill"
        assert parse([*command[1:]]).name == command[1]


def test_a_preset_with_fewer_steps_than_are_measured_is_profiled(
    run_folder: RunFolder, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert main(["profile", str(run_folder.root), *options, "--trainer.max_steps=2", "--precisions"]) == 0
    assert read_json(run_folder.root / "profile-field" / "profile.json")["step_ms"] > 0
