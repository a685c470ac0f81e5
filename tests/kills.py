"""`make object` from beginning to end by real commands, undisturbed and killed in every stage: `make test-kills`."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from datamodules.run_folder import RunFolder, read_json, write_json
from datamodules.stages import STAGES
from viewdistill.resources import REPOSITORY

CHECKPOINTS = {"field": "last.ckpt", "specialize_1": "last.ckpt", "specialize_2": "last.ckpt", "surface": "last.ckpt"}
"""What a fitted stage has written when it is worth while to kill it."""


class Project:
    """`make object` of a small image with the debug preset and tiny priors; every stage takes seconds."""

    def __init__(self, runs: Path, image: Path, priors: Path) -> None:
        text, view = priors / "stable-diffusion", priors / "zero123"
        lora = f"--model.prior={text} --data.image_size=16"
        self.folder = RunFolder(runs / image.stem)
        self.command = [
            *("make", "object", f"IMG={image}", f"RUNS={runs}", f"VENV={sys.prefix}", "PRESET=debug"),
            "INPUT=--class-word=box",
            f"FIELD=--model.guidance.view_prior={view} --model.guidance.text_prior={text}",
            f"NOVEL_VIEWS=--model.view_prior={view} --model.text_prior={text}",
            f"CLASS_IMAGES=--model.prior={text} --data.cache={runs / 'class_images'}",
            *(f"{stage}={lora}" for stage in ("SPECIALIZE_1", "SPECIALIZE_2", "VIEWS")),
            f"SURFACE=--model.reference.text_prior={text} --model.reference.interval=4",
            "MESH=--resolution=32 --texture-size=64 --faces=500 --opacity-size=16",
        ]

    def start(self) -> subprocess.Popen[bytes]:
        """The command in a process group of its own; one thread, so that sums are added up in one order."""
        environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
        with (self.folder.root.parent / "log.txt").open("ab") as log:
            return subprocess.Popen(
                self.command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def finish(self) -> None:
        """Run the command to its end."""
        assert self.start().wait(300) == 0, (self.folder.root.parent / "log.txt").read_text()

    def kill_in(self, stage: str) -> bool:
        """Run the command until a stage is at work, and kill it; whether the stage was incomplete then."""
        process = self.start()
        begun = self.folder.stage(stage) / CHECKPOINTS.get(stage, "")
        while process.poll() is None and not begun.exists():
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return not self.folder.record(stage).exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_in_every_stage_it_ends_with_the_same_mesh(tmp_path: Path, tiny_prior_folder: Path) -> None:
    image = tmp_path / "disc.png"
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    picture.paste((220, 0, 0, 255), (16, 16, 48, 48))
    picture.save(image)
    write_json(image.with_suffix(".json"), {"elevation_deg": 20.0, "caption": "a red box", "framing": "kept"})
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
    undisturbed = Project(tmp_path / "undisturbed", image, tiny_prior_folder)
    undisturbed.finish()

    project = Project(tmp_path / "killed", image, tiny_prior_folder)
    stages = [stage for stage in STAGES if stage != "picture"]
    incomplete = {stage for stage in stages if project.kill_in(stage)}
    assert incomplete >= set(CHECKPOINTS)
    project.finish()
    for stage in CHECKPOINTS:
        figures = read_json(project.folder.record(stage))["figures"]
        assert figures["resumed_from_step"] > 0, stage
    for path in (RunFolder.glb, RunFolder.obj, RunFolder.stl):
        found, expected = path.fget(project.folder), path.fget(undisturbed.folder)  # pyright: ignore[reportOptionalCall]
        assert found.read_bytes() == expected.read_bytes(), found.name
