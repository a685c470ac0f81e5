"""Equipment of this machine and missing parts: the figures of `viewdistill doctor`."""

import importlib.metadata
import os
import platform
import re
import shutil
from dataclasses import dataclass, field
from typing import Any

import torch
from huggingface_hub import constants
from packaging.requirements import Requirement

from commands.machine.environment import (
    Missing,
    installed,
    missing_extras,
    missing_make,
    missing_priors,
    output_of,
    pip,
)
from commands.machine.presets import PresetState, free_disk_gb, preset_states
from commands.tracking.run import run_mode
from viewdistill.diffusion.hub import ask
from viewdistill.fields import hash_grid_backends
from viewdistill.rendering import nerfacc_traversal
from viewdistill.rendering.occupancy import OccupancyGrid
from viewdistill.resources import REPOSITORY

NANO_PEAK_GB = 2.0
"""Largest peak of memory of `make object` with the embedded priors, as measured for the README."""

PUBLISHED_WEIGHTS_GB = 5.1
"""Zero-1-to-3 and Stable Diffusion 2.1-base in half precision: 2,537,104,982 parameters (UNets 859,532,484 and
865,910,724, autoencoders 2 * 83,653,863, CLIP's image tower 303,966,208, OpenCLIP's text tower 340,387,840)."""

PUBLISHED_FACTOR = 2.0
"""Multiple of the published weights' size that a GPU must hold to try them: a rule of thumb, not a measurement."""


@dataclass(frozen=True)
class Diagnosis:
    """All findings, in plain types that JSON can hold."""

    versions: dict[str, Any]
    """Of ViewDistill, Python, torch, its CUDA, the CUDA compiler and Triton."""
    gpus: list[dict[str, Any]]
    """Name, memory in GB and compute capability of each."""
    memory_gb: float
    """Main memory."""
    backends: dict[str, dict[str, Any]]
    """Of the hash grid and of marching: which is in use, where, and what stands in the way of the others."""
    preset: dict[str, str]
    """The largest preset that fits, and why."""
    presets: list[PresetState]
    """Requirements of each preset: download, disk, minutes, licences."""
    free_disk_gb: float
    """Free disk where runs go, GB (powers of ten)."""
    hub: dict[str, Any]
    """Address of the Hugging Face hub, whether it answers, and what came back."""
    wandb: dict[str, Any]
    """Version and mode of Weights & Biases."""
    optional: list[Missing] = field(default_factory=list[Missing])
    """Optional missing parts."""
    required: list[Missing] = field(default_factory=list[Missing])
    """Missing parts that `make object` requires."""


def diagnose(timeout: float) -> Diagnosis:
    """Look at everything.

    Args:
        timeout: Longest wait for the hub, seconds.
    """
    gpus = graphics_cards()
    memory_gb = main_memory_gb()
    return Diagnosis(
        versions=versions(),
        gpus=gpus,
        memory_gb=memory_gb,
        backends=backends(),
        preset=fitting_preset(gpus, memory_gb),
        presets=preset_states(),
        free_disk_gb=free_disk_gb(),
        hub=hub_state(timeout),
        wandb=wandb_state(),
        optional=[*missing_torch(gpus), *missing_backends(gpus), *missing_extras()],
        required=[*missing_priors(REPOSITORY / "priors" / "nano"), *missing_make()],
    )


def versions() -> dict[str, Any]:
    """Versions of what decides which back ends can work; none for what is not there."""
    return {
        "viewdistill": importlib.metadata.version("viewdistill"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch's CUDA": torch.version.cuda,
        "nvcc": nvcc_version(),
        "triton": installed("triton"),
    }


def graphics_cards() -> list[dict[str, Any]]:
    """The GPUs that torch can use."""
    cards = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return [
        {
            "name": card.name,
            "memory_gb": round(card.total_memory / 1e9, 1),
            "compute_capability": f"{card.major}.{card.minor}",
        }
        for card in cards
    ]


def main_memory_gb() -> float:
    """Main memory of the machine, GB (powers of ten)."""
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)


def backends() -> dict[str, dict[str, Any]]:
    """Return the back ends of the hash grid and of marching on the device of this machine's fits."""
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    on_gpu = device.type == "cuda"
    grid: dict[str, str | None] = {
        name: hash_grid_backends.obstacle(name, device) if on_gpu else "needs a CUDA device"
        for name in hash_grid_backends.GPU_BACKENDS
    }
    grid["numba"] = "runs on a CPU" if on_gpu else None
    marching = nerfacc_traversal.obstacle()
    grid_of_cells = OccupancyGrid(radius=1.0, resolution=2).to(device)
    return {
        "hash grid": {
            "in_use": hash_grid_backends.choose(device),
            "device": str(device),
            "obstacles": {name: why for name, why in grid.items() if why},
        },
        "marching": {
            "in_use": grid_of_cells.backend,
            "device": str(device),
            "obstacles": {"nerfacc": marching} if marching else {},
        },
    }


def fitting_preset(gpus: list[dict[str, Any]], memory_gb: float) -> dict[str, str]:
    """The largest preset that the memory has room for."""
    largest = max((gpu["memory_gb"] for gpu in gpus), default=0.0)
    if largest >= PUBLISHED_FACTOR * PUBLISHED_WEIGHTS_GB:
        why = (
            f"{largest:.1f} GB of GPU memory; the published weights alone take {PUBLISHED_WEIGHTS_GB} GB in half "
            "precision, the peak has not been measured"
        )
        return {"name": "zero123-xl", "command": "make object IMG=… PRESET=zero123-xl", "why": why}
    short = memory_gb < NANO_PEAK_GB
    why = f"the embedded priors need {NANO_PEAK_GB} GB at their peak, " + ("more than" if short else "out of")
    return {"name": "nano", "command": "make object IMG=…", "why": f"{why} {memory_gb:.1f} GB of main memory"}


def hub_state(timeout: float) -> dict[str, Any]:
    """Return whether the Hugging Face hub answers within the timeout, the look-up of its name included."""
    address = constants.ENDPOINT
    if constants.HF_HUB_OFFLINE:
        return {"address": address, "reachable": False, "detail": "not asked: HF_HUB_OFFLINE is set"}
    reachable, detail = ask(address, timeout)
    return {"address": address, "reachable": reachable, "detail": detail}


def wandb_state() -> dict[str, Any]:
    """Version of Weights & Biases, and whether runs are kept here or sent."""
    mode = run_mode()
    says = {
        "offline": "runs are kept on disk; WANDB_MODE=online sends them",
        "online": "runs are sent; `wandb login` once where no key is known",
        "disabled": "nothing is kept",
    }
    return {"version": installed("wandb"), "mode": mode, "detail": says[mode]}


def missing_torch(gpus: list[dict[str, Any]]) -> list[Missing]:
    """Report a torch that cannot use an existing GPU."""
    if gpus or shutil.which("nvidia-smi") is None:
        return []
    if torch.version.cuda is None:
        version = torch.__version__.split("+")[0]
        # Isolated: a user's setting of an index with CPU wheels would bring the same again.
        command = f"{pip()} install --isolated --force-reinstall torch=={version}"
        return [Missing("torch with CUDA", "a GPU's driver is there, this torch is built for CPUs", (command,))]
    why = f"a GPU's driver is there, torch built for CUDA {torch.version.cuda} sees no GPU; `nvidia-smi` says more"
    return [Missing("a working GPU driver", why)]


def missing_backends(gpus: list[dict[str, Any]]) -> list[Missing]:
    """Faster back ends that a GPU could have, with the commands that go round the known failures of their builds."""
    if not gpus:
        return []
    missing: list[Missing] = []
    device = torch.device("cuda", 0)
    tools = missing_build_tools()
    capability = gpus[0]["compute_capability"].replace(".", "")
    if (problem := hash_grid_backends.obstacle("triton", device)) is not None:
        commands = (f"{pip()} install '{triton_requirement()}'",) if problem == "not installed" else ()
        missing.append(Missing("Triton", f"hash grid without builds: {problem}", commands))
    if (problem := hash_grid_backends.obstacle("tinycudann", device)) is not None:
        why = "; ".join([f"the original hash grid: {problem}", *tools])
        missing.append(Missing("tiny-cuda-nn", why, tinycudann_commands(capability)))
    if (problem := nerfacc_traversal.obstacle()) is not None:
        why = "; ".join([f"faster marching: {problem}", *tools])
        missing.append(Missing("nerfacc's CUDA code", why, nerfacc_commands()))
    return missing


def missing_build_tools() -> list[str]:
    """Return missing tools for building CUDA code."""
    problems = [f"the build needs {tool}" for tool in ("git", "g++") if shutil.which(tool) is None]
    found, wanted = nvcc_version(), torch.version.cuda
    if found is None:
        problems.append(f"the build needs nvcc of CUDA {wanted} on the PATH")
    elif wanted is not None and found.split(".")[0] != wanted.split(".")[0]:
        problems.append(f"nvcc is of CUDA {found}, torch of {wanted}: the build refuses; put that toolkit first")
    return problems


def tinycudann_commands(capability: str) -> tuple[str, ...]:
    """Builds tiny-cuda-nn for one kind of GPU.

    pip's isolated builds do not see torch; older checkouts import a part of setuptools that version 82 dropped; without
    an architecture the build wants to see a GPU; and its setup insists on C++17, where torch's headers have moved on.

    Args:
        capability: Compute capability without the dot, as 90.
    """
    return (
        f"{pip()} install 'setuptools<81' wheel ninja packaging",
        "git clone --recursive https://github.com/NVlabs/tiny-cuda-nn",
        "sed -i 's/cpp_standard = 17/cpp_standard = 20/' tiny-cuda-nn/bindings/torch/setup.py",
        f"TCNN_CUDA_ARCHITECTURES={capability} {pip()} install --no-build-isolation --no-deps "
        "./tiny-cuda-nn/bindings/torch",
    )


def nerfacc_commands() -> tuple[str, ...]:
    """Compiles nerfacc's CUDA code at installation; at first use it waits for ever behind an interrupted attempt."""
    return (
        f"{pip()} install 'setuptools<81' wheel ninja",
        f"{pip()} install --no-build-isolation --no-deps --force-reinstall "
        "git+https://github.com/nerfstudio-project/nerfacc.git",
    )


def triton_requirement() -> str:
    """The Triton that this torch asks for."""
    wanted = [Requirement(text) for text in importlib.metadata.requires("torch") or []]
    return next((f"triton{each.specifier}" for each in wanted if each.name == "triton"), "triton")


def nvcc_version() -> str | None:
    """Version of the CUDA compiler on the PATH, or none."""
    found = re.search(r"release (\d+\.\d+)", output_of("nvcc", "--version") or "")
    return found[1] if found else None
