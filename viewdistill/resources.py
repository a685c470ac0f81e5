"""Shipped data: configurations and the embedded priors.

They are package data. In a wheel they lie in ``viewdistill/data``; in the repository that folder has links to
``configs/`` and ``priors/``. Both are thus found in the same place, independent of the working directory.
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
"""Name of the preset without any overlay."""

NANO_PRIORS = DATA / "priors" / "nano"
"""The embedded priors."""


def find(name: str | Path) -> Path:
    """Return the path of a file or folder named by a setting, such as ``priors/nano/zero123``.

    Args:
        name: A path. A relative path of a shipped file means that file, from any working directory; others start at
            the working directory.
    """
    shipped = DATA / name
    return (
        shipped if str(name) and not Path(name).is_absolute() and _within(shipped) and shipped.exists() else Path(name)
    )


def _within(path: Path) -> bool:
    # `..` would lead out of the installed package.
    return ".." not in path.parts and path != DATA


def preset_folders(preset: str) -> tuple[Path, ...]:
    """Return the folders of a preset's overlays: that of an enclosing preset, if any, then its own.

    Args:
        preset: Name of a folder of ``configs/presets``, such as ``debug`` or ``zero123-xl/12gb``; `NANO` has none.

    Raises:
        ViewDistillError: The preset does not exist; the message lists the existing ones.
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
