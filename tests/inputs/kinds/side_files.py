"""Side files: JSON, YAML and CSV beside the results, damaged in every way, where every reader meets them."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from tests.inputs.case import OTHER, RUN, Accepted, Case, Ended, Expected, Refused
from tests.viewdistill.test_documents import BOMB

KIND = "side files"

EVALUATED = ("evaluate", RUN, "--gt=truth", "--size=16", "--protocols=surface")

READERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "input/meta.json": (("report", RUN), ("novel-views", RUN, "--seed=5"), EVALUATED),
    "field/stage.json": (("summary", RUN), ("report", RUN), ("compare", RUN, OTHER)),
    "novel_views/cameras.json": (("report", RUN), ("specialize", RUN, "--stage=1", "--seed=5")),
    "views/cameras.json": (("report", RUN), ("surface", RUN, "--seed=5"), ("mesh", RUN, "--faces=100")),
    "field/curves.csv": (("report", RUN), ("compare", RUN, OTHER)),
    "field/config.yaml": (("compare", RUN, OTHER),),
    "specialize_1/prompts.json": (("specialize", RUN, "--stage=2", "--seed=5"),),
    "specialize_2/prompts.json": (("views", RUN, "--seed=5"),),
    "evaluation.json": (("report", RUN),),
    "../../overlay.yaml": (
        ("field", "runs/none", "--config=overlay.yaml"),
        ("mesh", "runs/none", "--config=overlay.yaml"),
    ),
    "../../path.json": (("render", RUN, "--path=path.json", "--size=16"),),
    "../../given/transforms.json": (("surface", RUN, "--images=given/transforms.json"),),
    "../../truth/cameras.json": (EVALUATED,),
}
"""File, within the run → commands that read it."""

CONTENTS: dict[str, bytes] = {
    "nothing": b"",
    "binary": bytes(range(256)) * 20,
    "a null character": b"\0",
    "half a character": b'{"a": "\xff\xfe"}',
    "a bracket": b"{",
    "100,000 brackets": b"[" * 100_000,
    "5,000 digits": b"9" * 5000,
    "a list": b"[1, 2]",
    "a number": b"7",
    "text": b'"hello"',
    "null": b"null",
    "an empty mapping": b"{}",
    "NaN": b"NaN",
    "keys that are none": b'{"colour": "red", "__proto__": {"a": 1}}',
    "70 MB": b'{"a": "' + b"x" * (70 << 20) + b'"}',
    "markup": b"<html><script>alert(1)</script></html>",
    "a pickle": b"cos\nsystem\n(S'touch pwned'\ntR.",
}
"""What stands in a file."""

YAML: dict[str, bytes] = {
    "an alias bomb": BOMB.encode(),
    "an alias that contains itself": b"a: &a [*a]",
    "code": b"a: !!python/object/apply:os.system ['touch pwned']",
    "two documents": b"a: 1\n---\nb: 2",
    "a tab": b"a:\n\tb: 1",
    "a date that is none": b"a: 2001-99-99",
    "a key twice": b"model: {seed: 1}\nmodel: {seed: 2}",
    "a merge of itself": b"a: &a\n  <<: *a",
    "a mapping as a key": b"? {a: b}\n: c",
}

PLACES: dict[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a loop of links": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("none"),
    "a kernel's file": lambda path: path.symlink_to("/proc/self/mem"),
}
"""What stands in the file's place."""

OPTIONAL = ("field/stage.json", "field/curves.csv", "field/config.yaml", "evaluation.json")
"""Files that count as absent where there is no regular file."""

LENIENT = {
    ("field/stage.json", "an empty mapping"),
    ("field/stage.json", "keys that are none"),
    *(("field/config.yaml", given) for given in ("nothing", "null", "an empty mapping", "keys that are none")),
    *(("../../overlay.yaml", given) for given in ("nothing", "null", "an empty mapping")),
    *(("field/config.yaml", given) for given in ("a list", "a number", "text", "markup")),
    *(("evaluation.json", given) for given in ("an empty mapping", "keys that are none")),
}
"""File and content that may be passed over: they say nothing, or what only other readers know."""


def path_of(name: str) -> str:
    """A file within the case's folder."""
    return os.path.normpath(f"{RUN}/{name}")


def prepared(name: str, write: Callable[[Path], object]) -> Callable[[Path], object]:
    """The files that a reader needs, one of which is written anew."""

    def work(folder: Path) -> None:
        run = folder / RUN
        for given in ("truth", "given"):
            (folder / given).mkdir()
            for view in (run / "novel_views").glob("*.png"):
                (folder / given / view.name).write_bytes(view.read_bytes())
        (folder / "truth/cameras.json").write_bytes((run / "novel_views/cameras.json").read_bytes())
        (folder / "path.json").write_bytes((run / "novel_views/cameras.json").read_bytes())
        path = folder / path_of(name)
        path.unlink(missing_ok=True)
        write(path)

    return work


def named(name: str) -> str:
    """What a line says of a file; of settings, which may come from several, that they are wrong."""
    return "overlay.yaml|configuration" if "overlay" in name else Path(name).name


TURN = count()
"""Whose turn it is of several readers of a file."""


def damage(name: str, given: str, write: Callable[[Path], object], expected: Expected | None = None) -> Case:
    """A damaged file with one of the commands that read it, in turn."""
    command = READERS[name][next(TURN) % len(READERS[name])]
    wanted = expected or (Ended() if (name, given) in LENIENT else Refused(named(name)))
    return Case(KIND, f"{path_of(name)}: {given}: {command[0]}", command, wanted, prepared(name, write), run=True)


def cameras(*views: Any, **more: Any) -> bytes:
    """A cameras.json."""
    return json.dumps({"format": 1, "axes": "opengl", "views": list(views), **more}).encode()


def view(**changed: Any) -> dict[str, Any]:
    """An entry of a cameras.json."""
    return {"file": "000.png", "azimuth_deg": 0.0, "elevation_deg": 10.0, "distance": 1.5, "fovy_deg": 49.1} | changed


CAMERAS: dict[str, bytes] = {
    "no views": cameras(),
    "a view that is none": cameras(7),
    "an elevation of NaN": b'{"format": 1, "views": [{"file": "000.png", "azimuth_deg": 0, "elevation_deg": NaN}]}',
    "an elevation of 91": cameras(view(elevation_deg=91)),
    "an azimuth of text": cameras(view(azimuth_deg="north")),
    "a distance of 0": cameras(view(distance=0)),
    "a field of view of 180": cameras(view(fovy_deg=180)),
    "an absolute path": cameras(view(file="/etc/passwd")),
    "a parent's path": cameras(view(file="../../../toy.png")),
    "a view that is a device": cameras(view(file="/dev/zero")),
    "an empty path": cameras(view(file="")),
    "a picture that is not there": cameras(view(file="777.png")),
    "a file of numbers": cameras(view(file=3)),
    "another format": json.dumps({"format": 99, "views": [view()]}).encode(),
    "a number of 400 digits": b'{"format": 1, "views": [{"azimuth_deg": ' + b"9" * 400 + b"}]}",
}

ANYHOW = ("no views", "an elevation of 91", "a picture that is not there")
"""What only some readers mind."""

FRAME: dict[str, Any] = {
    "file_path": "000.png",
    "transform_matrix": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]],
}


def transforms(frames: Sequence[Any], **top: Any) -> bytes:
    """A transforms.json."""
    return json.dumps({"camera_angle_x": 0.8, "frames": list(frames), **top}).encode()


TRANSFORMS: dict[str, bytes] = {
    "no frames": transforms([]),
    "a frame that is none": transforms([7]),
    "a matrix of text": transforms([{**FRAME, "transform_matrix": "identity"}]),
    "a matrix of two rows": transforms([{**FRAME, "transform_matrix": [[1, 0], [0, 1]]}]),
    "a matrix of zeros": transforms([{**FRAME, "transform_matrix": [[0] * 4] * 4}]),
    "a matrix with NaN": transforms([{**FRAME, "transform_matrix": [[float("nan")] * 4] * 4}]),
    "an absolute path": transforms([{**FRAME, "file_path": "/etc/passwd"}]),
    "a parent's path": transforms([{**FRAME, "file_path": "../toy.png"}]),
    "a frame that is a device": transforms([{**FRAME, "file_path": "/dev/zero"}]),
    "a picture that is not there": transforms([{**FRAME, "file_path": "777.png"}]),
    "no focal length": json.dumps({"frames": [FRAME]}).encode(),
    "a focal length of 0": transforms([FRAME], fl_x=0, w=16, h=16),
    "a field of view of 7": transforms([FRAME], camera_angle_x=7.0),
    "a fisheye": transforms([FRAME], camera_model="OPENCV_FISHEYE"),
    "a distortion": transforms([FRAME], k1=0.5),
    "a camera within the object": transforms(
        [{**FRAME, "transform_matrix": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}]
    ),
}

RECORD: dict[str, Any] = {"stage": "field", "seconds": 1.0, "peak_memory_mb": 1.0, "files": {}, "figures": {}}
"""A stage.json."""

RECORDS: dict[str, dict[str, Any]] = {
    f"{key} is {word}": {key: value}
    for key in ("seconds", "peak_memory_mb", "files", "figures", "stage", "attempts", "finished_at")
    for word, value in (("text", "x"), ("a list", [1]), ("null", None), ("NaN", float("nan")))
}
"""Keys of a stage.json with values of another type."""

TABLES: dict[str, bytes] = {
    "a row that is short": b"step,loss\n1\n",
    "a step of text": b"step,loss\none,2\n",
    "a loss of NaN": b"step,loss\n1,nan\n2,inf\n",
    "a quote that does not end": b'step,loss\n"1,2\n',
    "another first column": b"epoch,loss\n1,2\n",
    "a name of markup": b"step,<script>\n1,2\n",
    "a formula": b"step,=cmd|'/c calc'!A0\n1,2\n",
    "steps that fall": b"step,loss\n5,1\n2,1\n",
    "a million columns": b",".join([b"x"] * 10**6) + b"\n",
}


def changed_record(change: dict[str, Any]) -> Callable[[Path], object]:
    """A record with a changed key; the old one has been removed by now."""
    return lambda path: path.write_text(json.dumps({**RECORD, **change}))


def cases() -> Iterator[Case]:
    """All side files."""
    for name in READERS:
        for given, content in CONTENTS.items():
            if name.endswith(("yaml", "csv")) and given in ("5,000 digits", "NaN"):
                continue
            if name.endswith("meta.json") or given not in ("a null character", "markup"):
                yield damage(name, given, lambda path, content=content: path.write_bytes(content))
        for given, place in PLACES.items():
            yield damage(name, given, place, Ended() if name in OPTIONAL else None)
    for name in ("../../overlay.yaml", "field/config.yaml"):
        for given, content in YAML.items():
            taken = name.startswith("field") and given not in ("an alias bomb", "code", "two documents", "a tab")
            may = (
                Ended()
                if taken or given in ("a key twice", "a merge of itself", "an alias that contains itself")
                else None
            )
            yield damage(name, given, lambda path, content=content: path.write_bytes(content), may)
    for given, content in CAMERAS.items():
        for name in ("views/cameras.json", "../../path.json", "../../truth/cameras.json"):
            may = Ended() if name.endswith("path.json") or given in ANYHOW else None
            names = may or Refused("cameras.json|777.png|is not a file of this folder")
            yield damage(name, given, lambda path, content=content: path.write_bytes(content), names)
    for given, content in TRANSFORMS.items():
        may = (
            Refused("transforms.json|777.png|is not a file of this folder")
            if given != "a camera within the object"
            else Ended()
        )
        yield damage("../../given/transforms.json", given, lambda path, content=content: path.write_bytes(content), may)
    for given, change in RECORDS.items():
        yield damage("field/stage.json", given, changed_record(change), Ended())
    for given, content in TABLES.items():
        yield damage("field/curves.csv", given, lambda path, content=content: path.write_bytes(content), Ended())
    marked = b"\xef\xbb\xbf" + json.dumps(RECORD).encode()
    yield damage("field/stage.json", "a byte order mark", lambda path: path.write_bytes(marked), Accepted())
