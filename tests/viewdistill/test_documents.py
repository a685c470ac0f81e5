"""Documents of any content: a value of the asked-for type, or one line that names file and key."""

import copy
import json
import math
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from viewdistill.documents import read_csv, read_document, read_json, read_yaml
from viewdistill.errors import ViewDistillError
from viewdistill.schema import Range


@dataclass(frozen=True)
class Camera:
    """A camera."""

    file: str
    elevation_deg: Annotated[float, Range(-90.0, 90.0)]
    fovy_deg: Annotated[float, Range(0.0, 180.0, open_ends=True)] = 49.134


@dataclass(frozen=True)
class Scene:
    """A document with every kind of field."""

    name: str
    cameras: tuple[Camera, ...]
    source: Literal["alpha", "mask"] = "alpha"
    seed: int | None = None
    margin: float | None = None
    angles: list[tuple[float, float]] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    path: Path | None = None
    closed: bool = False
    rest: Any = None


SCENE = Scene(
    "robot", (Camera("000.png", 15.0), Camera("001.png", -3.0)), "mask", 3, 0.5, [(1.0, 2.0)], {"a": 1}, None, True, [1]
)
VALID: dict[str, Any] = json.loads(json.dumps(asdict(SCENE)))

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([10**400, -(2**63), "\ud800", "\0", "../../x", "/dev/zero", [], {}, [[]], {"a": {}}]),
    st.recursive(st.none() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3), max_leaves=5),
)
DISK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [place for key in keys for place in [(value, key), *places(value[key])]]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """The valid document with up to three of its values replaced, removed or added."""
    content = copy.deepcopy(VALID)
    for _ in range(draw(st.integers(0, 3))):
        container, key = draw(st.sampled_from(places(content) or [({"a": 1}, "a")]))
        change = draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "replace":
            container[key] = draw(ODD)
        elif change == "remove":
            del container[key]
        elif isinstance(container, dict):
            container[draw(st.text(max_size=5))] = draw(ODD)
    return content


def read_either(path: Path) -> Scene | str:
    """The document, or the one line."""
    try:
        found = read_document(path, Scene)
    except ViewDistillError as error:
        message = str(error)
        assert message.startswith(f"{path}: ")
        assert message.isprintable()
        message.encode()
        return message
    assert isinstance(found, Scene)
    assert all(isinstance(camera, Camera) and math.isfinite(camera.fovy_deg) for camera in found.cameras)
    return found


@DISK
@given(mutated())
def test_a_mutated_json_document_is_valid_or_one_line(tmp_path: Path, content: Any):
    (tmp_path / "a.json").write_text(json.dumps(content))
    found = read_either(tmp_path / "a.json")
    if json.dumps(content) == json.dumps(VALID):  # True == 1
        assert found == SCENE


@DISK
@given(mutated())
def test_a_mutated_yaml_document_is_valid_or_one_line(tmp_path: Path, content: Any):
    try:
        (tmp_path / "a.yaml").write_text(yaml.safe_dump(content))
    except UnicodeEncodeError:
        return
    found = read_either(tmp_path / "a.yaml")
    if json.dumps(content) == json.dumps(VALID):  # True == 1
        assert found == SCENE


@pytest.mark.parametrize("name", ["a.json", "a.yaml"])
@DISK
@given(position=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.booleans())
def test_a_changed_byte_is_valid_or_one_line(tmp_path: Path, name: str, position: int, byte: int, cut: bool):
    text = bytearray((json.dumps(VALID) if name == "a.json" else yaml.safe_dump(VALID)).encode())
    position %= len(text)
    text[position] = byte
    (tmp_path / name).write_bytes(text[:position] if cut else text)
    read_either(tmp_path / name)


@DISK
@given(st.binary(max_size=60))
def test_any_bytes_are_a_document_or_one_line(tmp_path: Path, content: bytes):
    for name in ("a.json", "a.yaml", "a.csv"):
        path = tmp_path / name
        path.write_bytes(content)
        read_either(path)
        with suppress(ViewDistillError):
            header, rows = read_csv(path)
            assert all(len(row) == len(header) for row in rows)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.json", "[" * 100_000, "nested more than 64"),
        ("a.json", "[" * 70 + "]" * 70, "nested more than 64"),
        ("a.json", "1" * 5000, "not readable as JSON"),
        ("a.yaml", "[" * 5_000, "nested more than 64"),
        ("a.yaml", BOMB, "more than 1,000,000 values"),
        ("a.yaml", "a: &a [*a]", "contains itself"),
        ("a.yaml", "a: !!python/object/apply:os.system [x]", "not readable as YAML"),
        ("a.yaml", "a: 2001-99-99", "not readable as YAML"),
        ("a.yaml", "a: 1\n---\nb: 2", "not readable as YAML"),
        ("a.yaml", "x: " + "y" * (2 << 20), "more than the limit"),
    ],
)
def test_bombs_are_refused(tmp_path: Path, name: str, text: str, words: str):
    (tmp_path / name).write_text(text)
    with pytest.raises(ViewDistillError, match=words):
        read_document(tmp_path / name, Scene)


def test_files_with_a_byte_order_mark_are_read(tmp_path: Path):
    for name, text in (("a.json", json.dumps(VALID)), ("a.yaml", yaml.safe_dump(VALID))):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert read_document(tmp_path / name, Scene) == SCENE
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfstep,loss\n1,2\n")
    assert read_csv(tmp_path / "a.csv") == (["step", "loss"], [["1", "2"]])


def test_aliases_that_repeat_little_are_read(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("a: &a [1, 2]\nb: *a\n")
    assert read_yaml(tmp_path / "a.yaml") == {"a": [1, 2], "b": [1, 2]}
    (tmp_path / "a.yaml").write_text("")
    assert read_yaml(tmp_path / "a.yaml") is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": "three"}, "seed: 'three'; allowed: a whole number; mend it"),
        ({"seed": True}, "seed: True; allowed: a whole number"),
        ({"source": "alhpa"}, "source: 'alhpa'; allowed: 'alpha', 'mask'"),
        ({"margin": math.nan}, "margin: nan; allowed: a finite number"),
        ({"clsed": 1}, "clsed: unknown key; known keys: name, cameras"),
        (
            {"cameras": [{"file": "a", "elevation_deg": 91}]},
            r"cameras\[0\].elevation_deg: 91; allowed: a number",
        ),
        ({"cameras": [{"file": "a"}]}, r"cameras\[0\].elevation_deg: missing"),
        ({"angles": [[1, 2, 3]]}, r"angles\[0\]: a list of 3; allowed: a list of 2"),
        ({"sizes": {"x": 1.5}}, "sizes.x: 1.5; allowed: a whole number"),
    ],
)
def test_the_line_says_which_key_and_what_is_allowed(tmp_path: Path, change: dict[str, Any], words: str):
    (tmp_path / "a.json").write_text(json.dumps(VALID | change))
    with pytest.raises(ViewDistillError, match=words):
        read_document(tmp_path / "a.json", Scene, "mend it")


def test_files_that_are_not_there_say_what_to_run(tmp_path: Path):
    with pytest.raises(ViewDistillError, match="no such file; run it"):
        read_json(tmp_path / "a.json", "run it")


@pytest.mark.parametrize(
    ("text", "words"), [("", "empty"), ("a,b\n1\n", "row 2 has 1 cells"), ('a\n"x', "not a table")]
)
def test_damaged_tables(tmp_path: Path, text: str, words: str):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ViewDistillError, match=words):
        read_csv(tmp_path / "a.csv")
