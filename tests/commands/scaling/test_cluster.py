"""What a worker gets, and clusters that cannot be worked on."""

import signal
import socket

import pytest

from commands.scaling.cluster import (
    Share,
    check_address,
    cluster,
    gpus_of_worker,
    remembered_interrupt,
    share_of,
)
from viewdistill.errors import ViewDistillError


def test_a_worker_of_a_cluster_gets_a_gpu_or_a_pair_of_cores() -> None:
    assert share_of([{"CPU": 16.0}, {"CPU": 4.0}]) == Share(2, 0.0)
    assert share_of([{"CPU": 16.0}, {"CPU": 1.0, "GPU": 1.0}]) == Share(1, 1.0)  # only the second will do
    assert share_of([{"CPU": 1.0}]) == Share(1, 0.0)
    assert share_of([{}]) == Share(2, 0.0)


def test_gpus_of_this_machine_are_divided_only_when_asked() -> None:
    assert gpus_of_worker(0, None) == gpus_of_worker(0, 3) == 0
    assert gpus_of_worker(1, None) == gpus_of_worker(2, 2) == gpus_of_worker(4, 1) == 1
    assert gpus_of_worker(1, 2) == gpus_of_worker(2, 3) == 0.5


def test_a_cluster_that_does_not_answer_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as bound:  # bound and not listening: nothing answers at its port
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(ViewDistillError, match=f"RAY_ADDRESS {address}: nothing answers there"), cluster(None):
            pass
        with pytest.raises(ViewDistillError, match="--workers is for this machine"), cluster(2):
            pass
    for other in ("auto", "ray://127.0.0.1:1"):
        check_address(other)


def test_an_interrupt_that_was_dropped_comes_again() -> None:
    before = signal.getsignal(signal.SIGINT)
    with remembered_interrupt() as check:
        check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)  # as a destructor would meet it, from which it does not come out
        with pytest.raises(KeyboardInterrupt):
            check()
    assert signal.getsignal(signal.SIGINT) is before
