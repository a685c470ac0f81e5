"""What `viewdistill doctor` finds, says and advises, here and on machines that have or lack other things."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from packaging.requirements import Requirement
from torch.utils.flop_counter import FlopCounterMode

from commands.machine import diagnosis, environment, presets
from commands.machine.environment import Missing, missing_make, missing_packages, missing_priors
from commands.main import main
from experiments.random_priors import PARTS
from viewdistill.diffusion import hub
from viewdistill.rendering.occupancy import OccupancyGrid

REPOSITORY = Path(__file__).parents[3]
GPU = {"name": "Some GPU", "memory_gb": 24.0, "compute_capability": "8.6"}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a program that prints a text on an otherwise empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(name: str, text: str) -> None:
        (folder / name).write_text(f"#!{sys.executable}\nprint({text!r})\n")
        (folder / name).chmod(0o755)

    return add


@pytest.mark.usefixtures("offline")
def test_everything_is_here_and_said_in_a_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("WANDB_MODE", "online")
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert torch.__version__ in out
    assert "HF_HUB_OFFLINE is set" in out
    assert "online: runs are sent" in out
    assert "Everything that `make object` needs is here." in out
    if not torch.cuda.is_available():
        assert "numba on cpu" in out
        assert "not nerfacc: needs a CUDA device" in out
        assert "nano: make object IMG=…" in out


@pytest.mark.usefixtures("offline")
def test_the_same_as_json(capsys: pytest.CaptureFixture[str]):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["versions"]["torch"] == torch.__version__
    assert found["required"] == []
    assert len(found["gpus"]) == torch.cuda.device_count()
    assert set(found["backends"]) == {"hash grid", "marching"}
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    assert found["memory_gb"] == pytest.approx(memory, abs=0.1)


def test_what_is_required_and_missing_ends_in_one_line_with_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, offline: None
):
    monkeypatch.setattr(diagnosis, "missing_make", lambda: [Missing("GNU make", "not found", ("install it",))])
    assert main(["doctor"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "viewdistill doctor: GNU make: not found\n"
    assert "GNU make: not found\n    install it\n" in captured.out
    assert "Everything" not in captured.out


def test_a_missing_package_is_named_before_anything_else_is_looked_at(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    wanted = [Requirement("torch>=99"), Requirement("viewdistill-nothing>=1"), Requirement("numpy")]
    monkeypatch.setattr(environment, "requirements", lambda extra: [] if extra else wanted)
    assert [each.what for each in missing_packages()] == ["torch", "viewdistill-nothing"]
    assert main(["doctor"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"torch: {environment.installed('torch')} where >=99 is needed; viewdistill-nothing: nothing" in captured.err
    assert "pip install -c constraints.txt -e ." in captured.err
    assert captured.err.count("\n") == 1


def test_extras_are_those_of_the_package():
    extras = {each.name for each in environment.requirements("view")}
    assert extras == {"viser"}
    plain = {each.name for each in environment.requirements(None)}
    assert {"torch", "numba"} <= plain
    assert "viser" not in plain


def test_damaged_priors_are_named(tmp_path: Path):
    assert missing_priors(REPOSITORY / "priors" / "nano") == []
    folder = tmp_path / "nano"
    shutil.copytree(REPOSITORY / "priors" / "nano", folder)
    shutil.rmtree(folder / "zero123" / "vae")
    path = folder / "stable-diffusion" / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    (found,) = missing_priors(folder)
    assert found.why == ("missing or damaged: zero123/vae, stable-diffusion/vae/diffusion_pytorch_model.safetensors")
    assert found.commands == ("git checkout -- priors/nano",)


@pytest.mark.parametrize(
    ("said", "why"),
    [("GNU Make 4.3", None), ("GNU Make 5.0", None), ("GNU Make 3.81", "found GNU Make 3.81, 4.3 is needed")],
)
def test_make_has_to_be_new_enough(said: str, why: str | None, program: Callable[[str, str], None]):
    (absent,) = missing_make()
    assert absent.why.startswith("not found")
    program("make", said)
    found = missing_make()
    assert [each.why.split(";")[0] for each in found] == ([why] if why else [])


class Hub(BaseHTTPRequestHandler):
    status = 200

    def do_HEAD(self) -> None:
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: Any, **__: Any) -> None:
        """Keep quiet."""


@pytest.mark.parametrize(("status", "detail"), [(200, "answers"), (503, "answers with status 503")])
def test_a_hub_that_answers(status: int, detail: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Hub, "status", status)
    server = HTTPServer(("127.0.0.1", 0), Hub)
    serving = threading.Thread(target=server.handle_request, daemon=True)
    serving.start()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "*")
    state = diagnosis.hub_state(30.0)
    serving.join()
    server.server_close()
    assert (state["reachable"], state["detail"]) == (True, detail)


def test_a_hub_that_never_answers_and_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.monotonic()
        state = diagnosis.hub_state(0.3)
        assert time.monotonic() - start < 10
        assert state["reachable"] is False
    state = diagnosis.hub_state(30.0)
    assert state["reachable"] is False
    assert "refused" in state["detail"]


def test_a_name_that_takes_for_ever_to_look_up_does_not_hold_anyone_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    released = threading.Event()
    monkeypatch.setattr(hub, "_ask", lambda *_: (released.wait(60), "late"))
    assert diagnosis.hub_state(0.2)["detail"] == "no answer within 0.2 s"
    released.set()


@pytest.mark.parametrize(
    ("gpu_gb", "memory_gb", "name", "words"),
    [
        ([], 16.0, "nano", "out of 16.0 GB"),
        ([], 1.5, "nano", "more than 1.5 GB"),
        ([8.0], 16.0, "nano", "out of 16.0 GB"),
        ([8.0, 24.0], 16.0, "zero123-xl", "24.0 GB of GPU memory"),
    ],
)
def test_the_preset_that_fits(gpu_gb: list[float], memory_gb: float, name: str, words: str):
    found = diagnosis.fitting_preset([{"memory_gb": size} for size in gpu_gb], memory_gb)
    assert found["name"] == name
    assert words in found["why"]
    assert name == "nano" or (REPOSITORY / "configs" / "presets" / name).is_dir()


def test_a_torch_for_cpus_beside_a_gpu_is_replaced(
    program: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
):
    assert diagnosis.missing_torch([]) == []
    program("nvidia-smi", "")
    assert diagnosis.missing_torch([GPU]) == []
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch, "__version__", "2.13.0+cpu")
    (found,) = diagnosis.missing_torch([])
    assert found.commands[0].endswith("install --isolated --force-reinstall torch==2.13.0")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    (found,) = diagnosis.missing_torch([])
    assert "torch built for CUDA 13.0 sees no GPU" in found.why


def test_on_a_gpu_what_could_be_faster_comes_with_its_commands(
    program: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(diagnosis.hash_grid_backends, "obstacle", lambda *_: "not installed")
    monkeypatch.setattr(diagnosis.nerfacc_traversal, "obstacle", lambda: "installed without its CUDA code")
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    program("nvcc", "Cuda compilation tools, release 13.0, V13.0.48")
    assert diagnosis.missing_backends([]) == []
    triton, grid, nerfacc = diagnosis.missing_backends([GPU])
    assert triton.commands[0].endswith("install 'triton'") or "triton==" in triton.commands[0]
    assert "needs git" in grid.why
    assert "nvcc is of CUDA 13.0, torch of 12.8" in grid.why
    build = grid.commands[-1]
    assert build.startswith("TCNN_CUDA_ARCHITECTURES=86 ")
    assert "--no-build-isolation --no-deps" in build
    assert any("setuptools<81" in command for command in grid.commands)
    assert "--no-build-isolation --no-deps --force-reinstall" in nerfacc.commands[-1]
    monkeypatch.setattr(diagnosis.hash_grid_backends, "obstacle", lambda *_: None)
    monkeypatch.setattr(diagnosis.nerfacc_traversal, "obstacle", lambda: None)
    assert diagnosis.missing_backends([GPU]) == []


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "inf", "soon"])
def test_an_impossible_timeout(timeout: str, capsys: pytest.CaptureFixture[str]):
    try:
        status = main(["doctor", f"--timeout={timeout}"])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_itself_is_quick_to_end_without_a_network():
    code = "import sys; from commands.main import main; sys.exit(main(['doctor', '--timeout=0.2']))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""


def test_the_doctor_asks_the_grid_what_marches():
    state = diagnosis.backends()["marching"]
    assert state["in_use"] == OccupancyGrid(1.0, 2).to(state["device"]).backend


def test_each_preset_has_its_estimate_and_downloads_go_where_its_yaml_looks():
    states = {preset.name: preset for preset in presets.preset_states()}
    assert states["nano"].download_gb == 0
    assert states["nano"].minutes == pytest.approx(6.1, abs=0.1)
    assert states["debug"].minutes < states["ablation"].minutes < states["nano"].minutes
    full = states["zero123-xl"]
    settings = (REPOSITORY / "configs" / "presets" / "zero123-xl" / "field.yaml").read_text()
    assert len(full.priors) == 2
    for prior in full.priors:
        assert f"_prior: {prior.name}  # official\n" in settings
        assert prior.command.startswith("hf download ")
        assert prior.command.endswith(f"--local-dir {prior.name}")
        assert prior.license
        assert prior.page.startswith("https://huggingface.co/")
    assert full.disk_gb > full.download_gb > 5
    assert states["zero123-xl/8gb"].priors == full.priors


def test_another_prior_takes_the_place_of_the_one_below():
    names = [prior.name for prior in presets.preset_state("zero123-xl/stable-zero123").priors]
    assert sorted(names) == ["priors/stable-diffusion-2-1-base", "priors/stable-zero123"]


def test_estimates_are_those_of_the_networks():
    def operations(work: Callable[[], object]) -> float:
        with FlopCounterMode(display=False) as counter:
            work()
        return counter.get_total_flops() / 1e12

    with torch.device("meta"):
        view, text = PARTS["zero123-xl"]["unet"](), PARTS["stable-diffusion-2-1-base"]["unet"]()
        vae, t = PARTS["zero123-xl"]["vae"](), torch.zeros(1)
        one, many = torch.zeros(1, 1, 768), torch.zeros(1, 77, 1024)
        counted = [
            operations(lambda: view(torch.zeros(1, 8, 32, 32), t, one)),
            *(operations(lambda side=side: text(torch.zeros(1, 4, side, side), t, many)) for side in (32, 64)),
            *(operations(lambda side=side: vae.encoder(torch.zeros(1, 3, side, side))) for side in (256, 512)),
            operations(lambda: vae.decoder(torch.zeros(1, 4, 64, 64))),
        ]
    unets = (presets.VIEW_UNET, presets.TEXT_UNET_32, presets.TEXT_UNET_64)
    autoencoder = (presets.ENCODER_256, presets.ENCODER_512, presets.DECODER_512)
    assert counted == pytest.approx([*unets, *autoencoder], abs=6e-4)
