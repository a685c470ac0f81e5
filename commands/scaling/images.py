"""The images of a folder and the names of their objects."""

from dataclasses import dataclass
from pathlib import Path

from commands.pipeline.names import run_name
from viewdistill.errors import ViewDistillError

SUFFIXES = (".png", ".webp", ".tif", ".tiff", ".gif", ".jpg", ".jpeg", ".bmp", ".avif")
"""Suffixes of image files: the formats of `viewdistill.input`."""


@dataclass(frozen=True)
class ImageFile:
    """An image for a worker, which may not have access to its folder."""

    name: str
    """Name of the object."""
    path: Path
    """Path of the file."""
    content: bytes
    """Content of the file."""
    description: bytes | None
    """Content of the JSON file beside it, if any."""

    @classmethod
    def read(cls, name: str, path: Path) -> "ImageFile":
        """Read an image file and the JSON file beside it, without checking their content.

        Raises:
            ViewDistillError: A file cannot be read.
        """
        beside = path.with_suffix(".json")
        try:
            return cls(name, path, path.read_bytes(), beside.read_bytes() if beside.is_file() else None)
        except OSError as error:
            raise ViewDistillError(f"{path}: cannot be read ({error.strerror})") from error

    def place(self, folder: Path) -> Path:
        """Return a path with this content: the file's own, or a copy written to a folder."""
        if self.path.is_file() and ImageFile.read(self.name, self.path) == self:
            return self.path
        copy = folder / self.path.name
        copy.write_bytes(self.content)
        if self.description is not None:
            copy.with_suffix(".json").write_bytes(self.description)
        return copy


def find_images(folder: Path) -> dict[str, Path]:
    """Return name of the object → image for all images of a folder, without subfolders.

    Raises:
        ViewDistillError: The folder is missing, has no images, or has two for the same run.
    """
    if not folder.is_dir():
        raise ViewDistillError(f"{folder}: no such folder; give one with images in it")
    found: dict[str, Path] = {}
    for path in sorted(folder.resolve().iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        name = run_name(path)
        if name in found:
            raise ViewDistillError(f"{found[name]} and {path.name} would both become {name}; rename one of them")
        found[name] = path
    if not found:
        raise ViewDistillError(f"{folder}: no image here ({', '.join(SUFFIXES)})")
    return found
