"""Offline nothing is asked of the network; online, a service that is away costs seconds and not the stage."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image

from datamodules.runs.run_folder import RunFolder
from tests.commands.tracking.conftest import kept
from viewdistill.resources import REPOSITORY

GUARDED = """
import socket, sys
connect = socket.socket.connect
def local_only(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise AssertionError(f"asked for {address}")
    return connect(self, address)
socket.socket.connect = local_only
from commands.main import main
sys.exit(main())
"""
"""The command, with connections of this process to other machines refused."""


@pytest.fixture
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """An address that stands for every service and proxy there is, and what it was asked; it never answers."""
    server = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def listen() -> None:
        while True:
            try:
                asked.append(b"")
                connection, _ = server.accept()
            except OSError:
                return
            asked[-1] = connection.recv(100) or b"nothing"
            held.append(connection)

    held: list[socket.socket] = []
    thread = Thread(target=listen, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()
    for connection in held:
        connection.close()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[10:30, 20:60] = (200, 30, 30, 255)
    Image.fromarray(rgba).save(tmp_path / "toy.png")
    return tmp_path / "toy.png"


def run_input(image: Path, **environment: str) -> tuple[RunFolder, str, float]:
    """The input stage in a process of its own: its folder, what it said, and the seconds after it was complete."""
    out = image.parent / "runs" / "toy"
    command = ["input", str(image), "--out", str(out), "--no-estimate-elevation", "--class-word", "box"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    result = subprocess.run(
        [sys.executable, "-c", GUARDED, *command],
        env=inherited | {"HOME": str(image.parent)} | environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=200,
    )
    assert result.returncode == 0, result.stderr
    return RunFolder(out), result.stderr, time.time() - RunFolder(out).record("input").stat().st_mtime


def test_offline_nothing_is_asked_of_the_network(image: Path, listener: tuple[str, list[bytes]]):
    url, asked = listener
    everywhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), url)
    folder, said, _ = run_input(image, WANDB_BASE_URL=url, WANDB_API_KEY="0" * 40, **everywhere)
    assert said == ""
    assert [content for content in asked if content] == []
    assert kept(folder, "input").artifacts(used=False).keys() == {"toy-input"}


def test_the_listener_would_notice(image: Path, listener: tuple[str, list[bytes]]):
    url, asked = listener
    folder, said, seconds = run_input(image, WANDB_BASE_URL=url, WANDB_API_KEY="0" * 40, WANDB_MODE="online")
    assert any(content.startswith(b"POST /graphql") for content in asked)
    # It is away as a service behind a dead network is: the connection stands, and nothing comes.
    assert re.fullmatch(r"toy-input: W&B failed \(.+\); this run is kept in .+/input/wandb for `wandb sync`\n", said)
    assert seconds < 60
    assert kept(folder, "input").artifacts(used=False).keys() == {"toy-input"}


@pytest.mark.parametrize("key", ["0" * 40, ""], ids=["key", "no key"])
def test_a_service_that_refuses_costs_seconds(image: Path, key: str):
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    environment = {"WANDB_API_KEY": key} if key else {}
    folder, said, seconds = run_input(
        image, WANDB_BASE_URL=f"http://127.0.0.1:{closed}", WANDB_MODE="online", **environment
    )
    assert said.count("\n") == 1
    assert "is kept in" in said
    assert seconds < 60
    assert kept(folder, "input").summary["class_word"] == "box"
