"""The wheel: everything is in it, and the command line works from it in an empty folder."""

import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from tests.test_imports import PACKAGES, REPOSITORY

BUILD = "from setuptools import build_meta; import sys; print(build_meta.build_wheel(sys.argv[1]))"
"""What `pip wheel` and `python -m build` call."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the sources, since setuptools writes beside them."""
    sources, out = tmp_path_factory.mktemp("sources") / "viewdistill", tmp_path_factory.mktemp("wheel")
    sources.mkdir()
    for name in (*PACKAGES, "configs", "priors"):
        ignored = shutil.ignore_patterns("__pycache__", "results", "*.pyc")
        shutil.copytree(REPOSITORY / name, sources / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, sources)
    result = subprocess.run([sys.executable, "-c", BUILD, str(out)], capture_output=True, text=True, cwd=sources)
    assert result.returncode == 0, result.stderr
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's packages alone; what they depend on is the environment's."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Iterator[Any]:
    """Run Python, in an empty folder, with the wheel's packages in front of the repository's."""
    environment = {**os.environ, "PYTHONPATH": str(installed), "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1"}

    def python(code: str, *arguments: str) -> str:
        command = [sys.executable, "-P", "-c", code, *arguments]
        result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    yield python
    assert list(tmp_path.iterdir()) == []


def shipped() -> set[str]:
    """Files of the repository that a wheel needs, by their names in it."""
    modules = {
        path.relative_to(REPOSITORY).as_posix()
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*")
        if path.suffix in (".py", ".html", ".css", ".js", ".typed") and "__pycache__" not in path.parts
    }
    data = {
        f"viewdistill/data/{path.relative_to(REPOSITORY).as_posix()}"
        for folder in ("configs", "priors")
        for path in (REPOSITORY / folder).rglob("*")
        if path.is_file()
    }
    return modules | data


def test_every_module_configuration_and_prior_is_in_it_and_nothing_else_of_size(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names, size = set(archive.namelist()), wheel.stat().st_size
        metadata = message_from_bytes(next(archive.read(name) for name in names if name.endswith("/METADATA")))
    assert shipped() - names == set()
    assert {"viewdistill/py.typed", "viewdistill/report/page.html", "viewdistill/report/viewer.js"} <= names
    assert {name.split("/")[0] for name in names} - set(PACKAGES) == {f"viewdistill-{metadata['Version']}.dist-info"}
    # Package indices take files of up to 100 MB.
    assert size < 100e6
    needed = {line for line in metadata.get_all("Requires-Dist") or () if 'extra == "full"' in line}
    assert {line.split("[")[1].split("]")[0] for line in needed} == {"matting,scale,tensorboard,view"}


def test_the_command_finds_its_configurations_and_priors_from_an_empty_folder(run: Any, installed: Path) -> None:
    command = (
        "import sys; from importlib.metadata import entry_points;"
        "(command,) = entry_points(group='console_scripts', name='viewdistill'); sys.exit(command.load()())"
    )
    assert "one image, or from words, to the mesh" in " ".join(run(command, "--help").split())
    place = (
        "from viewdistill import resources, distill; from commands import main;"
        "prior = resources.find('priors/nano/zero123').resolve();"
        "print(prior, resources.presets()[1], main.__file__, distill.__name__);"
    )
    found, settings = run(place + command, "field", "runs/foo", "--print_config").split("\n", 1)
    prior, preset, module, name = found.split()
    assert Path(prior).is_relative_to(installed.resolve())
    assert Path(module).is_relative_to(installed)
    assert (Path(prior) / "unet" / "diffusion_pytorch_model.safetensors").is_file()
    assert (preset, name) == ("ablation", "distill")
    assert "view_prior: priors/nano/zero123" in settings


NO_INDEX = "No matching distribution|Could not fetch|Connection|Temporary failure|Network is unreachable"
"""What pip says where there is no package index."""


@pytest.mark.timeout(600)  # seconds; it downloads 50 MB, and takes half a minute where nothing else runs
def test_all_extras_install_from_the_wheel_and_the_command_runs_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    """In a new environment that sees this one's packages, so that nothing large is fetched again."""
    place, work = tmp_path / "environment", tmp_path / "empty"
    work.mkdir()
    venv.create(place, with_pip=False)
    (packages,) = place.glob("lib/python*/site-packages")
    (packages / "outer.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    python = str(place / "bin" / "python")
    shared = ["--quiet", "--disable-pip-version-check", "--constraint", str(REPOSITORY / "constraints.txt")]
    command = [sys.executable, "-m", "pip", "--python", python, "install", *shared, f"{wheel}[full]"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = {"capture_output": True, "text": True, "cwd": work, "check": False}
    installed: Any = subprocess.run(command, **run, env=environment)
    if installed.returncode and re.search(NO_INDEX, installed.stderr):
        pytest.skip("no package index is reached, which has the extras")
    assert installed.returncode == 0, installed.stderr

    names = ("rembg", "tensorboard", "ray", "viser")
    found = f"from importlib.util import find_spec; print([n for n in {names} if find_spec(n) is None])"
    there: Any = subprocess.run([python, "-P", "-c", found], **run, env=environment)
    assert there.stdout.strip() == "[]", there.stderr
    shutil.copy(REPOSITORY / "examples" / "robot.png", work / "robot.png")
    known = ["--elevation=15", "--class-word=robot"]
    arguments = [str(place / "bin" / "viewdistill"), "input", "robot.png", "--out=runs/robot", *known]
    made: Any = subprocess.run(arguments, **run, env={**environment, "WANDB_MODE": "disabled"})
    assert made.returncode == 0, made.stderr
    assert (work / "runs" / "robot" / "input" / "rgba.png").is_file()
