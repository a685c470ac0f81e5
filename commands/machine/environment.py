"""Installed and missing parts: packages, extras, embedded priors, make. Imports few of them."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

NANO_COMPONENTS = (
    *(f"stable-diffusion/{name}" for name in ("unet", "vae", "text_encoder", "tokenizer")),
    *(f"zero123/{name}" for name in ("unet", "vae", "image_encoder", "clip_camera_projection")),
)
"""Folders of the embedded priors."""


@dataclass(frozen=True)
class Missing:
    """A missing part."""

    what: str
    """Its name."""
    why: str
    """Fault, or benefit of the part."""
    commands: tuple[str, ...] = ()
    """Commands that fix it, line by line."""


def missing_extras() -> list[Missing]:
    """Return the extras of ViewDistill with missing packages."""
    metadata = importlib.metadata.metadata("viewdistill")
    missing: list[Missing] = []
    for extra in metadata.get_all("Provides-Extra") or []:
        absent = [str(each.name) for each in requirements(extra) if not is_met(each)]
        if absent:
            command = f"{pip()} install -c constraints.txt -e '.[{extra}]'"
            missing.append(Missing(f"extra {extra}", ", ".join(absent), (command,)))
    return missing


def missing_packages() -> list[Missing]:
    """Return missing packages that ViewDistill requires."""
    absent = [each for each in requirements(None) if not is_met(each)]
    command = f"{pip()} install -c constraints.txt -e ."
    return [
        Missing(each.name, f"{installed(each.name) or 'nothing'} where {each.specifier} is needed", (command,))
        for each in absent
    ]


def requirements(extra: str | None) -> list[Requirement]:
    """Return the requirements of ViewDistill, or of one of its extras, on this system."""
    declared = [Requirement(text) for text in importlib.metadata.requires("viewdistill") or []]
    plain = [each for each in declared if each.marker is None or each.marker.evaluate({"extra": ""})]
    if extra is None:
        return plain
    return [
        each
        for each in declared
        if each.marker is not None and each not in plain and each.marker.evaluate({"extra": extra})
    ]


def is_met(requirement: Requirement) -> bool:
    """Return whether a package is installed in a required version."""
    version = installed(requirement.name)
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def missing_priors(folder: Path) -> list[Missing]:
    """Return missing or damaged parts of the embedded priors.

    Args:
        folder: The folder of the embedded priors.
    """
    # Imported here because the package may be missing: `missing_packages` says so first.
    from safetensors import SafetensorError, safe_open

    damaged = [name for name in NANO_COMPONENTS if not (folder / name).is_dir()]
    for path in sorted(folder.rglob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as weights:
                weights.keys()
        except (OSError, SafetensorError):
            damaged.append(str(path.relative_to(folder)))
    command = "git checkout -- priors/nano"
    return [Missing("embedded priors", f"missing or damaged: {', '.join(damaged)}", (command,))] if damaged else []


def missing_make() -> list[Missing]:
    """GNU make in a version that the Makefile needs."""
    said = output_of("make", "--version")
    found = re.search(r"GNU Make (\d+)\.(\d+)", said or "")
    if found is not None and (int(found[1]), int(found[2])) >= (4, 3):
        return []
    why = f"found {found[0]}, 4.3 is needed" if found else "not found; 4.3 or newer is needed"
    return [Missing("GNU make", f"{why}; install it with the system's package manager")]


def output_of(*command: str) -> str | None:
    """Return a program's output; None if it is missing, fails or takes longer than ten seconds."""
    if shutil.which(command[0]) is None:
        return None
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None


def installed(package: str) -> str | None:
    """Version of an installed package, or none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def pip() -> str:
    """Return the command for this environment's pip."""
    python = Path(sys.executable)
    here = Path.cwd()
    return f"{python.relative_to(here) if python.is_relative_to(here) else python} -m pip"


def summary(missing: Sequence[Missing]) -> str:
    """Return the missing parts in one line."""
    return "; ".join(f"{each.what}: {each.why}" for each in missing)
