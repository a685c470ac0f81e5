"""A folder of tiny images, and options that make each of them a mesh in seconds with tiny priors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def write_images(folder: Path, names: str) -> Path:
    """The same picture under several names of one letter: what is made of each must be the same, too."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[..., 0], rgba[..., 2] = 220 * (y < 0), 200 * (y >= 0)
    rgba[..., 3] = 255 * (x**2 + y**2 < 0.4)
    folder.mkdir(parents=True)
    for name in names:
        Image.fromarray(rgba).save(folder / f"{name}.png")
        known = {"elevation_deg": 20, "framing": "kept", "caption": "a red mug"}
        (folder / f"{name}.json").write_text(json.dumps(known))
    return folder


def stage_options(prior: Path) -> dict[str, tuple[str, ...]]:
    """Options of the stages that the source ``field`` needs."""
    view, text = prior / "zero123", prior / "stable-diffusion"
    return {
        "input": (f"--view-prior={view}", f"--text-prior={text}"),
        "field": (f"--model.guidance.view_prior={view}", f"--model.guidance.text_prior={text}"),
        "mesh": ("--resolution=24", "--texture-size=64", "--faces=200", "--opacity-size=24"),
    }


def start_objects(images: Path, out: str, prior: Path, *field_options: str, workers: int = 2) -> subprocess.Popen[str]:
    """`viewdistill objects` in a process and a session of its own."""
    options = stage_options(prior)
    options["field"] += field_options
    command = [str(Path(sys.executable).with_name("viewdistill")), "objects", str(images), f"--out={out}"]
    command += ["--preset=debug", "--source=field", f"--workers={workers}"]
    command += [f"--options={stage}={' '.join(values)}" for stage, values in options.items()]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    environment |= {"WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True)
