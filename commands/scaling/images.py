"""The images of a folder and the names of their objects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from viewdistill.errors import ViewDistillError

SUFFIXES = (".png", ".webp", ".tif", ".tiff", ".gif", ".jpg", ".jpeg", ".bmp", ".avif")
"""Of files that count as images: formats that `viewdistill.input_image` reads."""


@dataclass(frozen=True)
class ImageFile:
    """An image as it travels to a worker, which may not see the folder that it lies in."""

    name: str
    """Of the object."""
    path: Path
    """Of the file, where it lies."""
    content: bytes
    """Of the file."""
    description: bytes | None
    """Of the JSON file beside it, where there is one."""

    @classmethod
    def read(cls, name: str, path: Path) -> ImageFile:
        """Read an image file and what lies beside it, whatever their content.

        Raises:
            ViewDistillError: A file cannot be read.
        """
        beside = path.with_suffix(".json")
        try:
            return cls(name, path, path.read_bytes(), beside.read_bytes() if beside.is_file() else None)
        except OSError as error:
            raise ViewDistillError(f"{path}: cannot be read ({error.strerror})") from error

    def place(self, folder: Path) -> Path:
        """A path with this very content: the file's own, or else one in a folder, to which it is written then."""
        if self.path.is_file() and ImageFile.read(self.name, self.path) == self:
            return self.path
        copy = folder / self.path.name
        copy.write_bytes(self.content)
        if self.description is not None:
            copy.with_suffix(".json").write_bytes(self.description)
        return copy


def find_images(folder: Path) -> dict[str, Path]:
    """Name of the object → image, of all images of a folder; not of folders in it.

    Raises:
        ViewDistillError: There is no such folder, no image in it, or two that would be the same run.
    """
    if not folder.is_dir():
        raise ViewDistillError(f"{folder}: no such folder; give one with images in it")
    found: dict[str, Path] = {}
    for path in sorted(folder.resolve().iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        name = object_name(path)
        if name in found:
            raise ViewDistillError(f"{found[name]} and {path.name} would both become {name}; rename one of them")
        found[name] = path
    if not found:
        raise ViewDistillError(f"{folder}: no image here ({', '.join(SUFFIXES)})")
    return found


def object_name(image: Path) -> str:
    """Name of the object that an image shows, as the Makefile names its run folder."""
    return re.sub(r"[ :%#]", "_", image.stem)
