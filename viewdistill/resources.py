"""Shipped files that are no code: configurations and the embedded priors.

They are package data. In a wheel they lie in ``viewdistill/data``; in the repository that folder has links to
``configs/`` and ``priors/``. So both are found in the same place, whatever the working directory is.
"""

from pathlib import Path

from viewdistill.errors import ViewDistillError

DATA = Path(__file__).resolve().parent / "data"
"""Folder of all shipped files."""

REPOSITORY = DATA.parents[1]
"""The folder that holds the packages: the repository, or where the wheel was installed."""

CONFIGS = DATA / "configs"
"""One YAML per stage, and presets."""

PRESETS = CONFIGS / "presets"
"""Folders of overlays on the stages' YAMLs."""

NANO = "nano"
"""Name of the shipped YAMLs without any overlay, where a preset can be named."""

NANO_PRIORS = DATA / "priors" / "nano"
"""The embedded priors."""


def find(name: str | Path) -> Path:
    """Return where a file or folder is that a setting names, as ``priors/nano/zero123``.

    Args:
        name: A path. A relative one that is shipped means the shipped one, from any working directory; another one
            starts at the working directory.
    """
    shipped = DATA / name
    return (
        shipped if str(name) and not Path(name).is_absolute() and _within(shipped) and shipped.exists() else Path(name)
    )


def _within(path: Path) -> bool:
    # `..` would lead out, into whatever lies beside an installed package.
    return ".." not in path.parts and path != DATA


def preset_folders(preset: str) -> tuple[Path, ...]:
    """Return the folders of a preset's overlays: its own, after that of the preset that it lies in, if it does.

    Args:
        preset: Name of a folder of ``configs/presets``, as ``debug`` or ``zero123-xl/12gb``; `NANO` has none.

    Raises:
        ViewDistillError: There is no such preset; the message lists those that there are.
    """
    if preset == NANO:
        return ()
    parts = Path(preset).parts
    folders = tuple(PRESETS.joinpath(*parts[: depth + 1]) for depth in range(len(parts)))
    safe = parts and not Path(preset).is_absolute() and not set(parts) & {".", ".."} and "\0" not in preset
    if not safe or not all(folder.is_dir() for folder in folders):
        raise ViewDistillError(f"preset {preset!r}: no such preset; choose one of {', '.join(presets())}")
    return folders


def presets() -> list[str]:
    """Return the names of all presets."""
    return [NANO, *sorted({path.parent.relative_to(PRESETS).as_posix() for path in PRESETS.rglob("*.yaml")})]
