"""The head of a cluster: its death is seen at once, and told in one line."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from commands.scaling.head import SERVERS, Head
from viewdistill.errors import ViewDistillError


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Something that answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def address(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_here_that_ends_is_missed_and_the_workers_are_ended(
    name: str, server: socket.socket, tmp_path: Path
) -> None:
    for program in SERVERS:
        shutil.copy("/bin/sh", tmp_path / program)
    started = {program: subprocess.Popen([tmp_path / program, "-c", "sleep 60 & wait"]) for program in SERVERS}
    other = subprocess.Popen(["/bin/sleep", "60"])
    try:
        head = Head(address(server), ours=True)
        while len(workers := psutil.Process(started[name].pid).children()) < 1:
            time.sleep(0.01)
        head.check()
        assert set(workers) <= head.workers
        started[name].kill()
        started[name].wait()
        with pytest.raises(ViewDistillError, match=rf"on this machine has died \(its {name} ended\); start the same"):
            head.check()
        with head.ending():
            print("what Ray says")
        assert not psutil.wait_procs(workers, timeout=5)[1]
        assert other.poll() is None  # no other process of ours, as the service of W&B, is Ray's
    finally:
        for process in (*started.values(), other):
            process.kill()
            process.wait()


def test_a_head_elsewhere_that_does_not_answer_is_missed(server: socket.socket) -> None:
    head = Head(address(server), ours=False)
    head.check()
    server.close()
    with pytest.raises(ViewDistillError, match=r"at 127\.0\.0\.1:\d+ has died .*; start the cluster and then"):
        head.check()


def test_what_is_said_while_ray_shuts_down_is_not_heard(
    server: socket.socket, capfd: pytest.CaptureFixture[str]
) -> None:
    head = Head(address(server), ours=False)
    with head.ending():
        print("before", flush=True)
    head.dead = True
    with head.ending():
        subprocess.run(["/bin/sh", "-c", "echo noise; echo noise >&2"], check=True)
    print("after")
    assert capfd.readouterr() == ("before\nafter\n", "")
