"""Images of a class, sampled from the text-conditioned prior and shared by all objects of the class.

They lie in a cache, ``<cache>/<fingerprint>/<class>/000.png``, …; the fingerprint stands for the prior and the sampling
settings. A run keeps only their list, in the record of its ``class_images`` stage.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from datamodules.prompts import Prompts
from datamodules.runs.run_folder import RunFolder
from viewdistill.documents import read_json
from viewdistill.errors import ViewDistillError
from viewdistill.schema import Range, parse


@dataclass(frozen=True)
class ClassImages:
    """Place and prompt of a class's images."""

    prompts: Prompts
    """Template and class word."""
    folder: Path
    """Folder within the cache."""
    count: int
    """Images ``000.png`` to ``count - 1``."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files."""
        return tuple(self.folder / f"{index:03d}.png" for index in range(self.count))

    @property
    def figures(self) -> dict[str, object]:
        """The entries of the stage's record, for `load`."""
        template, class_word = self.prompts.template, self.prompts.class_word
        return {"template": template, "class_word": class_word, "folder": str(self.folder), "count": self.count}

    @classmethod
    def load(cls, folder: RunFolder) -> "ClassImages":
        """Read the record of a run's ``class_images`` stage, and check that the images exist.

        Raises:
            ViewDistillError: The stage is not complete, its record is damaged, or the cache has been emptied since.
        """
        images = cls.recorded(folder)
        if missing := [path for path in images.paths if not path.is_file()]:
            raise ViewDistillError(
                f"{missing[0]}: no longer in the cache; run `viewdistill class-images {folder.root}`"
            )
        return images

    @classmethod
    def recorded(cls, folder: RunFolder) -> "ClassImages":
        """Read the record of a run's ``class_images`` stage, without checking the images.

        Raises:
            ViewDistillError: The stage is not complete, or its record is damaged.
        """
        path = folder.record("class_images")
        again = f"run `viewdistill class-images {folder.root}`"
        if not path.is_file():
            raise ViewDistillError(f"{folder.root}: no complete class_images stage here; {again}")
        figures = parse(_Record, read_json(path, again), path, again, unknown_keys=True).figures
        return cls(Prompts(figures.template, figures.class_word), figures.folder, figures.count)


@dataclass(frozen=True)
class _Figures:
    template: str
    class_word: str
    folder: Path
    count: Annotated[int, Range(1.0, 1e6)]


@dataclass(frozen=True)
class _Record:
    """Entries read from the stage's record."""

    figures: _Figures


def folder_name(class_word: str) -> str:
    """Return a folder name for a class word; different words get different names."""
    plain = re.sub(r"[^a-z0-9]+", "-", class_word.lower()).strip("-")
    return plain if plain == class_word else f"{plain}-{hashlib.sha256(class_word.encode()).hexdigest()[:8]}"
