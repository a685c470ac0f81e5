"""Meshes: bombs, claims, numbers that are none and forms that show nothing, given by users and held by runs."""

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from tests.inputs.case import RUN, Accepted, Case, Ended, Expected, Refused
from tests.viewdistill.mesh.test_claims import HOSTILE, PARTS, TRIANGLE, glb

KIND = "meshes"

LIBRARY: Any = trimesh

BOX = b"""\
v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1\nv 1 0 1\nv 1 1 1\nv 0 1 1
f 4 3 2 1\nf 5 6 7 8\nf 1 2 6 5\nf 2 3 7 6\nf 3 4 8 7\nf 4 1 5 8
"""
"""A cube."""

MEASURED = ("--protocols=surface", "--size=16", "--max-faces=1000", "--out=runs/evaluation.json")

COMMANDS: dict[str, Callable[[str], tuple[str, ...]]] = {
    "--gt": lambda name: ("evaluate", "--mesh=box.obj", f"--gt={name}", *MEASURED),
    "--mesh": lambda name: ("evaluate", f"--mesh={name}", "--gt=box.obj", *MEASURED),
}
"""Option → the command that gives it a mesh."""


def written(name: str, content: bytes) -> Callable[[Path], object]:
    """A cube, and another mesh."""

    def work(folder: Path) -> None:
        (folder / "box.obj").write_bytes(BOX)
        (folder / name).write_bytes(content)

    return work


def placed(name: str, place: Callable[[Path], object]) -> Callable[[Path], object]:
    """A cube, and something in the place of another mesh."""

    def work(folder: Path) -> None:
        (folder / "box.obj").write_bytes(BOX)
        place(folder / name)

    return work


def exported(ending: str, scale: float = 1.0) -> bytes:
    """The cube in a format."""
    box = LIBRARY.creation.box(extents=(scale, scale, scale))
    buffer = io.BytesIO()
    content = box.export(file_type=ending)
    buffer.write(content.encode() if isinstance(content, str) else content)
    return buffer.getvalue()


def archive(name: str, size: int) -> bytes:
    """A ZIP that unpacks to zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, bytes(size))
    return buffer.getvalue()


def obj(*lines: str) -> bytes:
    """An OBJ."""
    return "\n".join(lines).encode() + b"\n"


MORE: dict[str, tuple[bytes, Expected]] = {
    "text.obj": (b"hello\n", Refused(r"text\.obj")),
    "text.stl": (b"hello\n", Refused(r"text\.stl")),
    "text.ply": (b"hello\n", Refused(r"text\.ply")),
    "text.glb": (b"hello\n", Refused(r"text\.glb")),
    "brackets.glb": (b"[" * 100_000, Refused(r"brackets\.glb")),
    "empty.stl": (b"", Refused(r"empty\.stl")),
    "empty.ply": (b"", Refused(r"empty\.ply")),
    "solid.stl": (b"solid nothing\nendsolid nothing\n", Refused(r"solid\.stl")),
    "nan.stl": (
        bytes(80) + (1).to_bytes(4, "little") + np.full(12, np.nan, "<f4").tobytes() + b"\0\0",
        Refused("finite"),
    ),
    "bomb.3mf": (archive("3D/3dmodel.model", 300 << 20), Refused(r"bomb\.3mf")),
    "bomb.zip": (archive("a.obj", 300 << 20), Refused(r"bomb\.zip")),
    "bomb.usdz": (archive("a.usdc", 300 << 20), Refused(r"bomb\.usdz")),
    "a.dae": (
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        Refused(r"a\.dae"),
    ),
    "a.off": (b"OFF\n1000000000 1 0\n", Refused(r"a\.off")),
    "a.fbx": (b"Kaydara FBX Binary  \0", Refused(r"a\.fbx")),
    "a.blend": (b"BLENDER-v300", Refused(r"a\.blend")),
    "a.step": (b"ISO-10303-21;", Refused(r"a\.step")),
    "a.png": (b"\x89PNG\r\n\x1a\n" + bytes(100), Refused(r"a\.png")),
    "pickle.obj": (b"cos\nsystem\n(S'touch pwned'\ntR.", Refused(r"pickle\.obj")),
    "outside.obj": (obj("mtllib ../../../etc/passwd", "v 0 0 0", "v 1 0 0", "v 0 1 0", "f 1 2 3"), Ended()),
    "command.obj": (obj("mtllib $(touch pwned)", "v 0 0 0", "v 1 0 0", "v 0 1 0", "f 1 2 3"), Ended()),
    "device.obj": (obj("mtllib /dev/zero", "v 0 0 0", "v 1 0 0", "v 0 1 0", "f 1 2 3"), Ended()),
    "one.obj": (obj("v 0 0 0", "v 1 0 0", "v 0 1 0", "f 1 2 3"), Ended()),
    "beyond.obj": (obj("v 0 0 0", "v 1 0 0", "v 0 1 0", "f 1 2 9"), Refused(r"beyond\.obj")),
    "zero.obj": (obj("v 0 0 0", "v 1 0 0", "v 0 1 0", "f 0 1 2"), Ended()),
    "backwards.obj": (obj("v 0 0 0", "v 1 0 0", "v 0 1 0", "f -1 -2 -99"), Refused(r"backwards\.obj")),
    "words.obj": (obj("v a b c", "v 1 0 0", "v 0 1 0", "f 1 2 3"), Refused(r"words\.obj")),
    "flat.obj": (obj("v 0 0 0", "v 0 0 0", "v 0 0 0", "f 1 2 3"), Refused(r"flat\.obj|area|point|size")),
    "line.obj": (obj("v 0 0 0", "v 1 0 0", "v 2 0 0", "f 1 2 3"), Ended()),
    "lines.obj": (obj("v 0 0 0", "v 1 0 0", "l 1 2"), Refused(r"lines\.obj")),
    "tiny.obj": (BOX.replace(b"1", b"1e-30"), Ended()),
    "huge.obj": (BOX.replace(b" 1 ", b" 1e300 "), Refused(r"huge\.obj")),
    "long.obj": (b"v 0 0 0 " + b"0 " * 10**6 + b"\n", Refused(r"long\.obj")),
    "millimetres.stl": (exported("stl", 1000.0), Accepted()),
    "box.ply": (exported("ply"), Accepted()),
    "box.glb": (exported("glb"), Accepted()),
    "BOX.GLB": (exported("glb"), Accepted()),
    "scenes.glb": (
        glb({**PARTS, "nodes": [{"mesh": 0}], "scenes": [{"nodes": [0]}, {"nodes": [0]}], "scene": 1}, TRIANGLE),
        Ended(),
    ),
    "nowhere.glb": (
        glb({**PARTS, "nodes": [{"mesh": 9}], "scenes": [{"nodes": [0]}]}, TRIANGLE),
        Refused(r"nowhere\.glb"),
    ),
    "list.glb": (glb({**PARTS, "meshes": 7}, TRIANGLE), Refused(r"list\.glb")),  # type: ignore[dict-item]
    "strings.glb": (glb({**PARTS, "nodes": "x", "scenes": None}, TRIANGLE), Refused(r"strings\.glb")),
}
"""Meshes besides those of `tests/viewdistill/mesh/test_claims.py`."""

PLACES: dict[str, Callable[[Path], object]] = {
    "nothing there": lambda path: None,
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a loop of links": lambda path: path.symlink_to(path.name),
}


def damaged(ending: str, how: str) -> bytes:
    """A sound mesh that was cut off or in which bytes were changed."""
    content = bytearray(exported(ending))
    if how == "cut in half":
        return bytes(content[: len(content) // 2])
    for place in np.random.default_rng(3).integers(20, len(content), 6):
        content[place] ^= 0xFF
    return bytes(content)


def in_run(content: bytes) -> Callable[[Path], object]:
    """Another mesh in a run."""
    return lambda folder: (folder / RUN / "mesh/object.glb").write_bytes(content)


def cases() -> Iterator[Case]:
    """All meshes."""
    for option, command in COMMANDS.items():
        for name, (content, words) in HOSTILE.items():
            yield Case(
                KIND, f"{name}: {option}", command(name), Refused(words.replace("(", r"\(")), written(name, content)
            )
        for name, (content, expected) in MORE.items():
            yield Case(KIND, f"{name} too: {option}", command(name), expected, written(name, content))
        for given, place in PLACES.items():
            yield Case(
                KIND, f"{given}: {option}", command("a.glb"), Refused(option + r"|a\.glb"), placed("a.glb", place)
            )
        for ending in ("glb", "obj", "ply", "stl"):
            for how in ("cut in half", "with changed bytes"):
                content = damaged(ending, how)
                yield Case(
                    KIND, f"{ending} {how}: {option}", command(f"a.{ending}"), Ended(), written(f"a.{ending}", content)
                )
    readers = (
        ("render", RUN, "--frames=1", "--size=16"),
        ("view", RUN, "--port=0"),
        ("evaluate", RUN, *COMMANDS["--gt"]("box.obj")[2:]),
    )
    for command in readers:
        for name in ("claims.glb", "tower.glb", "deep.glb", "empty.glb", "draco.glb"):
            yield Case(
                KIND, f"{name} as a run's mesh: {command[0]}", command, Refused(r"object\.glb"),
                lambda folder, name=name: (written("x", b"")(folder), in_run(HOSTILE[name][0])(folder)), run=True,
            )  # fmt: skip
    formats = {
        "robot": "robot",
        "robot.xyz": r"robot\.xyz",
        "robot.usd": r"robot\.usd",
        ".stl": "stl",
        "robot.": "robot",
    }
    for given, names in formats.items():
        yield Case(KIND, f"an export named {given}", ("mesh", RUN, f"--export={given}"), Refused(names), run=True)
    for size in ("0mm", "-5mm", "nanmm", "infm", "10 parsecs", "mm", "1e400m", "5", "10mm; touch pwned"):
        yield Case(
            KIND, f"a size of {size}", ("mesh", RUN, "--export=a.stl", f"--size={size}"), Refused("size"), run=True
        )
