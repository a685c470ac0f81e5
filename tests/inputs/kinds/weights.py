"""Checkpoints and weights: missing, cut, changed, of another architecture, and pickles that run commands."""

import io
import json
import os
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.inputs.case import RUN, Case, Ended, Expected, Refused
from viewdistill.resources import NANO_PRIORS

KIND = "checkpoints and weights"

CHECKPOINTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "field/last.ckpt": (
        ("render", RUN, "--what=field", "--frames=1", "--size=16"),
        ("mesh", RUN, "--source=field", "--faces=100"),
        ("views", RUN, "--seed=5"),
    ),
    "surface/last.ckpt": (("render", RUN, "--what=surface", "--frames=1", "--size=16"), ("mesh", RUN, "--faces=100")),
    "specialize_1/pytorch_lora_weights.safetensors": (("specialize", RUN, "--stage=2", "--seed=5"),),
    "specialize_2/pytorch_lora_weights.safetensors": (("views", RUN, "--seed=5"),),
}
"""File that a stage hands on → commands that read it."""


class Bomb:
    """Unpickling it runs a command."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, ("touch pwned",)


def torch_pickle(content: bytes) -> bytes:
    """The archive that `torch.save` writes, around any pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", "3")
    return buffer.getvalue()


def saved(content: Any) -> bytes:
    """What torch writes for a content."""
    import torch

    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def safetensors_header(header: bytes, length: int | None = None, body: bytes = b"") -> bytes:
    """A safetensors file of any header."""
    return struct.pack("<Q", len(header) if length is None else length) + header + body


CONTENTS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "text": lambda: b"hello",
    "zeros": lambda: bytes(100_000),
    "a picture": lambda: b"\x89PNG\r\n\x1a\n" + bytes(1000),
    "a pickle that runs a command": lambda: pickle.dumps(Bomb()),
    "a torch archive that runs a command": lambda: torch_pickle(pickle.dumps({"global_step": 1, "state_dict": Bomb()})),
    "an old pickle that runs a command": lambda: b"cos\nsystem\n(S'touch pwned'\ntR.",
    "an archive without its parts": lambda: torch_pickle(b"")[:-10],
    "a list": lambda: saved([3]),
    "another mapping": lambda: saved({"step": 3}),
    "a step of text": lambda: saved({"global_step": "3", "state_dict": {}}),
    "no weights": lambda: saved({"global_step": 3, "state_dict": {}, "hyper_parameters": {}}),
    "a safetensors header of 2^63 bytes": lambda: safetensors_header(b"{}", 2**63),
    "a safetensors header that is no JSON": lambda: safetensors_header(b"{{{{"),
    "a tensor beyond the file": lambda: safetensors_header(
        json.dumps({"a": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}).encode()
    ),
    "tensors of other names": lambda: safetensors_header(
        json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode(), body=bytes(4)
    ),
}
"""What stands in a file of weights."""


def replaced(name: str, content: Callable[[], bytes], digest: bool) -> Callable[[Path], object]:
    """Another content, with or without the digest that knows better."""

    def work(folder: Path) -> None:
        path = folder / RUN / name
        path.write_bytes(content())
        if not digest:
            path.with_name(f".{path.name}.sha256").unlink(missing_ok=True)

    return work


def changed(name: str, change: Callable[[bytearray], bytes | bytearray], digest: bool) -> Callable[[Path], object]:
    """The own content, changed."""

    def work(folder: Path) -> None:
        path = folder / RUN / name
        replaced(name, lambda: bytes(change(bytearray(path.read_bytes()))), digest)(folder)

    return work


def flipped(content: bytearray) -> bytearray:
    """One bit of the middle changed."""
    content[len(content) // 2] ^= 0x10
    return content


CHANGES: dict[str, Callable[[bytearray], bytes | bytearray]] = {
    "a changed bit": flipped,
    "half of it": lambda content: content[: len(content) // 2],
    "all but the last byte": lambda content: content[:-1],
    "its first 100 bytes": lambda content: content[:100],
    "bytes after its end": lambda content: content + bytes(1000),
}

PLACES: dict[str, Callable[[Path], object]] = {
    "nothing there": lambda path: None,
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a loop of links": lambda path: path.symlink_to(path.name),
}


def placed(name: str, place: Callable[[Path], object]) -> Callable[[Path], object]:
    """Something else in the place of a file of the run."""

    def work(folder: Path) -> None:
        (folder / RUN / name).unlink()
        place(folder / RUN / name)

    return work


def trained(folder: Path, content: bytes) -> None:
    """A checkpoint of the training of a prior."""
    (folder / "cache/lifting").mkdir(parents=True)
    (folder / "cache/lifting/last.ckpt").write_bytes(content)


def prior_with(part: str, change: Callable[[Path], object]) -> Callable[[Path], object]:
    """A copy of the embedded prior of views, one file of which is changed."""

    def work(folder: Path) -> None:
        source = NANO_PRIORS / "zero123"
        for path in source.rglob("*"):
            target = folder / "prior" / path.relative_to(source)
            if path.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            elif path.relative_to(source).as_posix() == part:
                shutil.copy(path, target)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(path.resolve())
        change(folder / "prior" / part)

    return work


def rewritten(change: Callable[[bytearray], bytes | bytearray]) -> Callable[[Path], object]:
    """The content of a file, changed."""
    return lambda path: path.write_bytes(change(bytearray(path.read_bytes())))


def other_size(path: Path) -> None:
    """A configuration of another architecture."""
    content = json.loads(path.read_text())
    content["cross_attention_dim"] = 7
    path.write_text(json.dumps(content))


PRIOR_FILES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "weights that are missing": ("unet/diffusion_pytorch_model.safetensors", Path.unlink),
    "weights cut in half": ("unet/diffusion_pytorch_model.safetensors", rewritten(CHANGES["half of it"])),
    "weights of text": ("unet/diffusion_pytorch_model.safetensors", lambda path: path.write_text("x")),
    "weights that are a pipe": (
        "unet/diffusion_pytorch_model.safetensors",
        lambda path: (path.unlink(), os.mkfifo(path)),
    ),
    "weights of Git LFS": (
        "unet/diffusion_pytorch_model.safetensors",
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
    ),
    "a configuration that is missing": ("unet/config.json", Path.unlink),
    "a configuration of text": ("unet/config.json", lambda path: path.write_text("x")),
    "a configuration of a list": ("unet/config.json", lambda path: path.write_text("[]")),
    "a configuration of 100,000 brackets": ("unet/config.json", lambda path: path.write_text("[" * 100_000)),
    "a configuration of another architecture": ("unet/config.json", other_size),
    "a schedule of a list": ("scheduler/scheduler_config.json", lambda path: path.write_text("[]")),
    "a schedule that is missing": ("scheduler/scheduler_config.json", Path.unlink),
    "a camera projection of text": ("clip_camera_projection/config.json", lambda path: path.write_text("x")),
}


def cases() -> Iterator[Case]:
    """All weights."""
    for name, commands in CHECKPOINTS.items():
        file = Path(name).name.replace(".", r"\.")
        for number, (given, content) in enumerate(CONTENTS.items()):
            command = commands[number % len(commands)]
            yield Case(
                KIND, f"{name}: {given}: {command[0]}", command, Refused(file), replaced(name, content, False), run=True
            )
        for given, change in CHANGES.items():
            for digest in (True, False):
                command = commands[int(digest) % len(commands)]
                sure: Expected = (
                    Refused(file) if digest or given not in ("a changed bit", "bytes after its end") else Ended()
                )
                known = "" if digest else ", without a digest"
                yield Case(
                    KIND,
                    f"{name}: {given}{known}: {command[0]}",
                    command,
                    sure,
                    changed(name, change, digest),
                    run=True,
                )
        for given, place in PLACES.items():
            command = commands[-1]
            yield Case(
                KIND, f"{name}: {given}: {command[0]}", command, Refused(f"{file}|stage"), placed(name, place), run=True
            )
    for given, (part, change) in PRIOR_FILES.items():
        command = ("novel-views", RUN, "--model.view_prior=prior", "--data.count=1", "--model.sampling.steps=1")
        yield Case(KIND, f"a prior: {given}", command, Refused("prior"), prior_with(part, change), run=True,
                   environment={"HF_HUB_OFFLINE": "1"})  # fmt: skip
    for given, content in CONTENTS.items():
        yield Case(
            KIND, f"an original checkpoint: {given}", ("convert", "zero123.ckpt", "prior"), Refused(r"zero123\.ckpt"),
            lambda folder, content=content: (folder / "zero123.ckpt").write_bytes(content()), writes=(),
        )  # fmt: skip
    for given, content in CONTENTS.items():
        yield Case(
            KIND, f"a training's checkpoint: {given}", ("export-prior", "lifting", "--cache=cache", "--out=prior"),
            Refused(r"last\.ckpt"), lambda folder, content=content: trained(folder, content()), writes=(),
        )  # fmt: skip
    for given, place in PLACES.items():
        yield Case(
            KIND, f"an original checkpoint: {given}", ("convert", "zero123.ckpt", "prior"), Refused(r"zero123\.ckpt"),
            lambda folder, place=place: place(folder / "zero123.ckpt"), writes=(),
        )  # fmt: skip
