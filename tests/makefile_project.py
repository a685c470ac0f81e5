"""The Makefile beside an environment that only records: for tests of how values reach commands."""

import shutil
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def make_project(folder: Path) -> None:
    """Put the Makefile into a folder, beside commands that record what they are asked for in the file `calls`."""
    shutil.copy(REPOSITORY / "Makefile", folder)
    for path in ("pyproject.toml", "constraints.txt", "examples/toy.png"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("")
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("viewdistill", "python"):
        command = folder / ".venv" / "bin" / name
        # Arguments end with one rare character each, calls with another.
        command.write_text(
            f"#!/bin/sh\n{{ printf '{name}\\037'; printf '%s\\037' \"$@\"; printf '\\036'; }} >> calls\n"
        )
        command.chmod(0o755)
    (folder / ".venv" / ".installed").write_text("")
