"""Bundle for `experiments.gpu.check` on a machine with a GPU and no network: `make gpu-bundle`."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from datamodules.runs.run_folder import make_folder
from experiments.gpu.check_parts import BROUGHT, FIT
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY

WHEELS = ("diffusers", "embreex", "trimesh", "beartype", "jsonargparse", "xatlas", "nerfacc", "hypothesis")
"""Packages that such a machine lacks, in the versions of constraints.txt."""

NEEDED_BY_WHEELS = ("typeshed-client", "importlib-resources", "sortedcontainers", "docstring-parser")
"""Their requirements beyond torch's own."""

PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64", "any")
"""Of the wheels."""

LEFT_OUT = ("docs/", "experiments/results/", "priors/nano/stable-diffusion/", "tests/browser/", "tests/commands/")
"""Folders of the repository that the check does not read."""

EXAMPLE = "examples/robot"
"""Of the examples, the one that is fitted."""

LARGEST = 60_000_000
"""Bytes of the whole folder."""

COMMAND = """\
#!/bin/sh
# Installs what is missing beside the machine's own torch, then checks; the results lie in runs/gpu-check.
cd "$(dirname "$0")" || exit
python3 -m tarfile -e code.tar.xz . || exit
python3 -m pip install -q --no-index --no-deps --target site wheels/*.whl || exit
PYTHONPATH="$PWD:$PWD/site" exec python3 -m experiments.gpu.check "$@"
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill the folder."""
    parser = argparse.ArgumentParser(prog="python -m experiments.gpu.bundle", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-bundle"), metavar="FOLDER")
    parser.add_argument("--run", type=Path, default=Path("runs/robot"), metavar="RUN", help="a CPU's run, to compare")
    parser.add_argument("--no-wheels", action="store_true", help="the code alone, without the network")
    chosen = parser.parse_args(arguments)
    out: Path = make_folder(chosen.out)
    with tempfile.TemporaryDirectory() as staging:
        copy_code(Path(staging))
        copy_records(chosen.run, Path(staging) / BROUGHT)
        shutil.make_archive(str(out / "code"), "xztar", staging)
    if not chosen.no_wheels:
        download_wheels(out / "wheels")
    script = out / "gpu-check.sh"
    script.write_text(COMMAND, encoding="utf-8")
    script.chmod(0o755)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    if size > LARGEST:
        raise ViewDistillError(
            f"{out}: {size / 1e6:.1f} MB, more than {LARGEST / 1e6:.0f}; delete it and leave more out"
        )
    print(f"{out}: {size / 1e6:.1f} MB; there: sh {script.name}")


def copy_code(out: Path) -> None:
    """Return every file in git, except pictures, results and other examples."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if name.startswith(LEFT_OUT) or (name.startswith("examples/") and not name.startswith(EXAMPLE)):
            continue
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / name, target, follow_symlinks=False)


def copy_records(run: Path, target: Path) -> None:
    """Copy a CPU run's refined views, for fitting the surface, and the costs and logs of its fits.

    Raises:
        ViewDistillError: The run has no refined views.
    """
    if not (run / "views" / "stage.json").is_file():
        raise ViewDistillError(
            f"{run}: has no refined views; make it first, as by `make object IMG=examples/robot.png`"
        )
    shutil.copytree(run / "views", target / "views", dirs_exist_ok=True)
    for stage in FIT:
        record = run / stage / "stage.json"
        if record.is_file():
            shutil.copyfile(record, make_folder(target) / f"{stage}.json")


def download_wheels(folder: Path) -> None:
    """Wheels for CPython 3.12 on Linux, without what they require."""
    where = ["--only-binary=:all:", "--python-version=3.12", "--implementation=cp"]
    where += [f"--platform={platform}" for platform in PLATFORMS]
    pinned = ["-c", str(REPOSITORY / "constraints.txt")]
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", *where, *pinned, "-d", str(folder)]
    if subprocess.run([*command, *WHEELS, *NEEDED_BY_WHEELS], check=False).returncode:
        raise ViewDistillError(f"{folder}: pip could not download the wheels; see above, or give --no-wheels")


if __name__ == "__main__":
    try:
        main()
    except ViewDistillError as error:
        sys.exit(f"error: {error}")
