"""Writing that is whole or absent, with one line for every refusal; reading that never blocks; digests."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from viewdistill.errors import ViewDistillError
from viewdistill.files import (
    ADVICE,
    atomic_path,
    check_digest,
    digest_path,
    inside,
    make_folder,
    read_bytes,
    sealed_path,
    write_bytes,
    write_json,
    write_text,
)

LIMITED = """
import resource, signal, sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from viewdistill.errors import ViewDistillError
from viewdistill.files import atomic_path

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Path(sys.argv[1])
state = {"a": torch.rand(300_000)}
for name in ("a.ckpt", "b.safetensors", "c.bin"):
    with atomic_path(folder / name) as partial:
        partial.write_bytes(b"old")
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, 1 << 19))
writers = {
    "a.ckpt": lambda path: torch.save(state, path),
    "b.safetensors": lambda path: save_file(state, path),
    "c.bin": lambda path: path.write_bytes(bytes(1 << 20)),
}
for name, write in writers.items():
    try:
        with atomic_path(folder / name) as partial:
            write(partial)
    except ViewDistillError as error:
        print(error)
"""


def test_a_full_disk_is_one_line_whatever_library_writes(tmp_path: Path):
    """A limit on the size of files stands for the disk; torch and safetensors hide what the system said."""
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True)
    names = ["a.ckpt", "b.safetensors", "c.bin"]
    reason = f"cannot be written ({os.strerror(errno.EFBIG)}); {ADVICE[errno.EFBIG]}"
    assert done.stdout.splitlines() == [f"{tmp_path / name}: {reason}" for name in names]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert all((tmp_path / name).read_bytes() == b"old" for name in names)


def test_refusals_of_the_file_system_have_words(tmp_path: Path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner").write_text("")
    for path, words in (
        (tmp_path / "file" / "a.txt", "a file is in the way"),
        (tmp_path / "folder", "a folder is in the way"),
        (tmp_path / ("x" * 300), "shorter name"),
        (Path("/proc/nothing/a.txt"), "cannot make this folder"),
    ):
        with pytest.raises(ViewDistillError, match=words):
            write_text(path, "new")
    with pytest.raises(ViewDistillError, match="not a name of a folder"):
        make_folder(tmp_path / "a\0b")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path: Path):
    tmp_path.chmod(0o555)
    with pytest.raises(ViewDistillError, match="may write"):
        write_text(tmp_path / "a.txt", "new")


def test_errors_of_other_files_stay_what_they_are(tmp_path: Path):
    def read_in_block() -> None:
        with atomic_path(tmp_path / "a.txt") as partial:
            partial.write_text((tmp_path / "missing").read_text())

    with pytest.raises(FileNotFoundError):
        read_in_block()
    assert list(tmp_path.iterdir()) == []


def test_files_follow_the_mask_of_the_user(tmp_path: Path):
    mask = os.umask(0o027)
    try:
        write_json(tmp_path / "a.json", {})
    finally:
        os.umask(mask)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640


def test_processes_that_share_a_cache_have_temporary_names_of_their_own(tmp_path: Path):
    with atomic_path(tmp_path / "a.png", shared=True) as first, atomic_path(tmp_path / "a.png") as second:
        assert first != second
        assert first.suffix == ".png"
        first.write_text("one")
        second.write_text("two")


def test_only_regular_files_are_read(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name, words in (
        ("pipe", "a pipe"),
        ("device", "a device"),
        (".", "a folder"),
        ("none", "no such file"),
        ("loop", "cannot be read"),
        ("a\0b", "not a name"),
    ):
        with pytest.raises(ViewDistillError, match=rf"{words}.*; run it"):
            read_bytes(tmp_path / name, "run it")


def test_the_size_is_known_before_a_file_is_read(tmp_path: Path):
    with (tmp_path / "hollow").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ViewDistillError, match="1,099,511,627,776 bytes are more than the limit of 1,000"):
        read_bytes(tmp_path / "hollow", limit=1000)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../a.png", "x/../../a.png", "out/a.png", "a\0.png"])
def test_a_document_names_files_of_its_own_folder_alone(tmp_path: Path, name: str):
    folder = make_folder(tmp_path / "views")
    (folder / "out").symlink_to(tmp_path)
    with pytest.raises(ViewDistillError, match="not a file of this folder"):
        inside(folder, name)
    assert inside(folder, "sub/000.png") == folder / "sub" / "000.png"


def test_a_changed_byte_and_a_cut_tail_are_seen(tmp_path: Path):
    path = tmp_path / "last.ckpt"
    content = bytes(range(256)) * 4
    write_bytes(path, content)
    check_digest(path, "run it")
    with sealed_path(path) as partial:
        partial.write_bytes(content)
    check_digest(path, "run it")
    assert subprocess.run(["sha256sum", "-c", digest_path(path).name], cwd=tmp_path, check=False).returncode == 0
    for damaged in (content[:-1], content[:500] + b"x" + content[501:], b""):
        path.write_bytes(damaged)
        with pytest.raises(ViewDistillError, match=r"last\.ckpt: damaged .*; run it"):
            check_digest(path, "run it")


def test_a_process_killed_between_digest_and_file_leaves_a_sound_pair(tmp_path: Path):
    path = tmp_path / "last.ckpt"

    def write(content: bytes) -> list[str]:
        """Write; return the lines of the digests that a kill just before the end would leave."""
        with sealed_path(path) as partial:
            partial.write_bytes(content)
            old = digest_path(path).read_text() if digest_path(path).is_file() else ""
        return [digest_path(path).read_text(), old]

    write(b"old")
    digest_path(path).write_text("".join(write(b"new")))
    for content in (b"old", b"new"):
        write_bytes(path, content)
        check_digest(path, "run it")
    write_bytes(path, b"other")
    with pytest.raises(ViewDistillError, match="damaged"):
        check_digest(path, "run it")


def test_a_failed_write_keeps_file_and_digest(tmp_path: Path):
    path = tmp_path / "last.ckpt"
    with sealed_path(path) as partial:
        partial.write_bytes(b"old")

    def fail() -> None:
        with sealed_path(path) as partial:
            partial.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old"
    check_digest(path, "run it")
