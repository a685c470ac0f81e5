"""Prompts of the specialisation: one class word, and one identifier per stage.

The template is a setting of the class images, [V] one of stage 1 and [S] one of stage 2. Every stage reads earlier
words from its predecessor's file, so that they cannot diverge.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from viewdistill.documents import read_document
from viewdistill.errors import ViewDistillError
from viewdistill.files import write_json


@dataclass(frozen=True)
class Prompts:
    """Prompts of one object, increasingly specific."""

    template: str
    """Sentence with ``{}`` for the words, for example ``a {}``."""
    class_word: str
    """Class word: the kind of object."""
    object_identifier: str = ""
    """[V], which stands for the object from every side; empty before stage 1."""
    input_identifier: str = ""
    """[S], which stands for the look of the input image; empty before stage 2."""

    def __post_init__(self) -> None:
        """Reject an invalid template.

        Raises:
            ViewDistillError: The template does not have exactly one place for the words.
        """
        check_template(self.template)

    @property
    def of_class(self) -> str:
        """Like "a {class}"."""
        return self.template.format(self.class_word)

    @property
    def of_object(self) -> str:
        """Like "a [V] {class}"."""
        return self.template.format(f"{self.object_identifier} {self.class_word}")

    @property
    def of_input(self) -> str:
        """Like "a [S] [V] {class}"."""
        return self.template.format(f"{self.input_identifier} {self.object_identifier} {self.class_word}")

    @property
    def known(self) -> dict[str, str]:
        """The prompts with known words, by their subject."""
        prompts = {"class": self.of_class}
        if self.object_identifier:
            prompts["object"] = self.of_object
        if self.input_identifier:
            prompts["input"] = self.of_input
        return prompts

    def save(self, path: Path) -> None:
        """Write as JSON, atomically."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> "Prompts":
        """Read a file of `save`.

        Raises:
            ViewDistillError: The file is missing, damaged, or not of this version.
        """
        return read_document(path, cls, "delete it and run `viewdistill specialize`")


def check_template(template: str) -> None:
    """Reject a template without exactly one place for the words.

    Raises:
        ViewDistillError: The template has no ``{}``, several, or something else in braces.
    """
    if template.count("{}") != 1 or template.replace("{}", "").count("{") + template.replace("{}", "").count("}"):
        raise ViewDistillError(f"template {template!r}: give exactly one {{}} for the class word, as in 'a {{}}'")
