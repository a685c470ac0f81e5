"""From the image to the mesh: every stage's run, and how the runs hang together, on disk and in a service."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from commands.main import main
from commands.tracking.stage import track_stage
from datamodules.runs.run_folder import RunFolder, read_json
from datamodules.runs.stages import STAGES
from tests.commands.tracking.conftest import kept
from tests.commands.tracking.wandb_service import Service, wandb_service
from viewdistill.resources import REPOSITORY

# Of pytorch-lightning, about its own use of jsonargparse.
pytestmark = pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")

USES = {
    "input": set(),
    "field": {"input"},
    "novel_views": {"input"},
    "class_images": {"input"},
    "specialize_1": {"input", "novel_views", "class_images"},
    "specialize_2": {"input", "novel_views", "specialize_1"},
    "views": {"input", "field", "specialize_2"},
    "surface": {"input", "field", "views"},
    "mesh": {"input", "surface", "views"},
    "report": set(STAGES) - {"picture", "report"},
}
"""Stages whose files each stage reads."""

FITTED = ("field", "specialize_1", "specialize_2", "surface")

KEY = "0" * 40
"""An API key in the form that W&B asks for."""


@pytest.fixture
def finished(tmp_path: Path, tiny_prior_folder: Path, offline: None) -> RunFolder:
    """All stages by their commands, as small as they go, with a tiny prior."""
    image = tmp_path / "disc.png"
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    picture.paste((220, 0, 0, 255), (16, 16, 48, 48))
    picture.save(image)
    run = tmp_path / "runs" / "disc"
    text, view = tiny_prior_folder / "stable-diffusion", tiny_prior_folder / "zero123"
    fit = ["--trainer.accelerator=cpu", "--trainer.max_steps=2", "--trainer.log_every_n_steps=1"]
    overlay = tmp_path / "few_samples.yaml"
    callbacks = [
        {"class_path": "callbacks.lora_weights.LoraWeights"},
        {"class_path": "callbacks.prompt_grid.PromptGrid", "init_args": {"samples": 1, "steps": 2}},
    ]
    overlay.write_text(yaml.safe_dump({"trainer": {"callbacks": callbacks}}))
    lora = [f"--config={overlay}", f"--model.prior={text}", "--data.image_size=16", *fit]
    debug = REPOSITORY / "configs" / "presets" / "debug"
    rendered = ["--model.field.n_samples_per_ray=32", "--model.input_rays=64", "--model.guidance.method=none"]
    refined = ["--data.count=2", "--model.refinement.steps=5"]
    refit = ["--model.reference.method=none", "--trainer.val_check_interval=2"]
    sampled = ["--model.sampling.steps=2", "--data.images_per_batch=2", "--data.count=2"]
    commands = [
        ["input", str(image), "--out", str(run), "--no-estimate-elevation", "--class-word", "box"],
        ["field", str(run), *rendered, "--trainer.limit_val_batches=0", *fit],
        ["novel-views", str(run), f"--model.view_prior={view}", f"--model.text_prior={text}", *sampled],
        ["class-images", str(run), f"--model.prior={text}", f"--data.cache={tmp_path / 'cache'}", *sampled],
        ["specialize", str(run), "--stage=1", *lora],
        ["specialize", str(run), "--stage=2", *lora],
        ["views", str(run), f"--model.prior={text}", "--data.image_size=16", *refined, fit[0]],
        ["surface", str(run), f"--config={debug / 'surface.yaml'}", *refit, *fit],
        ["mesh", str(run), "--resolution=32", "--texture-size=64", "--faces=500", "--opacity-size=16"],
        ["report", str(run)],
    ]
    for command in commands:
        assert main(command) == 0
    return RunFolder(run)


def tables(service: Service) -> set[str]:
    """Names of artifacts that W&B makes of tables."""
    return {name for name, _ in service.ids if name.startswith("run-")}


def edges(service: Service) -> dict[str, set[str]]:
    """Stages that each stage's run used, as the service has them."""
    return {
        name.removeprefix("disc-"): {used.removeprefix("disc-") for used in service.used[name]}
        for name in service.names.values()
    }


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_stage_is_a_run_and_leads_back_to_the_image(finished: RunFolder, monkeypatch: pytest.MonkeyPatch):
    runs = {stage: kept(finished, stage) for stage in USES}
    wrote: dict[str, str] = {}
    for stage, run in runs.items():
        assert (run.run["display_name"], run.run["run_group"], run.run["job_type"]) == (f"disc-{stage}", "disc", stage)
        (own,) = run.artifacts(used=False).values()
        assert own["name"] == f"disc-{stage}"
        wrote[stage] = own["digest"]
        assert run.config["lineage"]["wrote"]["digest"] == own["digest"]
        assert run.summary["seconds"] == read_json(finished.record(stage))["seconds"]
        # The complete configuration, as it lies beside the files.
        if finished.config(stage).is_file():
            settings = yaml.safe_load(finished.config(stage).read_text())
            assert {key: run.config[key] for key in settings} == settings
        assert run.config["input"]["class_word"] == "box"
    for stage, run in runs.items():
        used = {name.removeprefix("disc-"): record["digest"] for name, record in run.artifacts(used=True).items()}
        assert used == {earlier: wrote[earlier] for earlier in USES[stage]}
        recorded = run.config["lineage"].get("uses", {})
        assert {earlier: entry["digest"] for earlier, entry in recorded.items()} == used

    for stage in FITTED:
        losses = [record["item"]["loss"] for record in runs[stage].all("history") if "loss" in record["item"]]
        assert losses[-1] == pytest.approx(read_json(finished.record(stage))["figures"]["metrics"]["loss"])
    assert {"preset:debug", "method:none"} <= set(runs["surface"].run["tags"])
    assert any(tag.startswith("stable-diffusion:") for tag in runs["specialize_1"].run["tags"])
    priors = {tag.partition(":")[0] for tag in runs["novel_views"].run["tags"]}
    assert priors == {"zero123", "stable-diffusion"}
    shown = {stage: {key for record in run.all("history") for key in record["item"]} for stage, run in runs.items()}
    assert "views.count" in shown["surface"]
    assert "samples.count" in shown["specialize_2"]
    assert "novel_views.nrows" in shown["novel_views"]
    assert "mesh.path" in shown["mesh"]
    (picture,) = (runs["surface"].folder / "files" / "media" / "images").glob("views_*.png")
    with Image.open(picture) as shown_image:
        assert shown_image.size[0] > 0

    # What was kept offline makes the same graph in a service.
    with wandb_service() as service:
        for stage in USES:
            sync(service, runs[stage].folder)
        assert edges(service) == USES
        own = {name.removeprefix("disc-"): names - tables(service) for name, names in service.wrote.items()}
        assert own == {stage: {f"disc-{stage}"} for stage in USES}
        assert set(service.groups.values()) == {"disc"}
        assert len(service.ids) == len(service.committed)
        assert service.files["disc-field/last.ckpt"] == finished.field_checkpoint.read_bytes()
        assert service.files["disc-mesh/object.glb"] == finished.glb.read_bytes()


def sync(service: Service, run: Path) -> None:
    """`wandb sync` of one run."""
    environment = {"WANDB_BASE_URL": service.url, "WANDB_API_KEY": KEY, "WANDB_ERROR_REPORTING": "false"}
    command = [sys.executable, "-m", "wandb", "sync", str(run)]
    subprocess.run(command, env=environment | {"HOME": str(run)}, cwd=run, check=True, capture_output=True)


def test_online_the_graph_is_there_at_once(complete: RunFolder, offline: None, monkeypatch: pytest.MonkeyPatch):
    with wandb_service() as service:
        for variable, value in {"MODE": "online", "BASE_URL": service.url, "API_KEY": KEY}.items():
            monkeypatch.setenv(f"WANDB_{variable}", value)
        track_stage(complete, "views", ("field", "specialize_2"))
        track_stage(complete, "mesh", ("input", "views"))
        assert edges(service) == {"views": {"field", "specialize_2"}, "mesh": {"input", "views"}}
        assert {run: names - tables(service) for run, names in service.wrote.items()} == {
            "disc-views": {"disc-views"},
            "disc-mesh": {"disc-mesh"},
        }
        assert service.files["disc-mesh/object.glb"] == complete.glb.read_bytes()
        assert not list(complete.stage("mesh").glob("wandb/offline-run-*"))
