"""Which files of a folder become objects, and how they travel."""

from pathlib import Path

import pytest

from commands.scaling.images import ImageFile, find_images, object_name
from viewdistill.errors import ViewDistillError


def test_images_of_a_folder_by_the_name_of_their_object(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "my red toy#1.webp", "notes.txt", "a.json", ".hidden.png"):
        (tmp_path / name).write_text(name)
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "c.png").write_text("c")
    found = find_images(tmp_path)
    assert {name: path.name for name, path in found.items()} == {
        "a": "a.JPG",
        "b": "b.png",
        "my_red_toy_1": "my red toy#1.webp",
    }
    assert object_name(Path("a:b%c.png")) == "a_b_c"


def test_folders_without_objects(tmp_path: Path) -> None:
    with pytest.raises(ViewDistillError, match="no such folder"):
        find_images(tmp_path / "none")
    with pytest.raises(ViewDistillError, match="no image here"):
        find_images(tmp_path)
    (tmp_path / "a b.png").touch()
    (tmp_path / "a_b.jpg").touch()
    with pytest.raises(ViewDistillError, match=r"a b\.png and a_b\.jpg would both become a_b"):
        find_images(tmp_path)


def test_an_image_is_used_where_it_lies_or_written_where_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / "here" / "mug.png"
    path.parent.mkdir()
    path.write_bytes(b"picture")
    path.with_suffix(".json").write_bytes(b"{}")
    image, other = ImageFile.read("mug", path), tmp_path / "other"
    other.mkdir()
    assert image.place(other) == path
    path.write_bytes(b"another picture since")
    copy = image.place(other)
    assert copy == other / "mug.png"
    assert ImageFile.read("mug", copy).content == b"picture"
    assert copy.with_suffix(".json").read_bytes() == b"{}"


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(ViewDistillError, match=r"a\.png: cannot be read"):
        ImageFile.read("a", tmp_path / "a.png")
