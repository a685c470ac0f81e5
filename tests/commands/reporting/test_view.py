"""The live viewer: its scene, where its cameras stand, and what it says without viser."""

import importlib.util
import os
import socket
import threading
import time
import urllib.request

import numpy as np
import pytest
import torch

from commands.reporting import view
from datamodules.posed_views import ViewCamera
from datamodules.runs.run_folder import InputMeta, RunFolder
from tests.reported_run import box_mesh, complete_run
from viewdistill.cameras import rays
from viewdistill.errors import ViewDistillError


def test_a_missing_viser_is_one_line_with_the_command(run_folder: RunFolder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ViewDistillError, match=r"pip install -e '\.\[view\]'"):
        view.run(view.Request(run_folder=run_folder.root, host="127.0.0.1", port=0))


@pytest.fixture
def scene():
    """The module that needs viser."""
    pytest.importorskip("viser", reason="viser is not installed (extra `view`)")
    from commands.reporting import view_scene

    return view_scene


def test_the_server_shows_what_is_complete_and_stops(scene, run_folder: RunFolder):
    complete_run(run_folder, box_mesh())
    server = scene.serve(run_folder, InputMeta.load(run_folder.input_meta), "127.0.0.1", 8080)
    address = f"http://127.0.0.1:{server.get_port()}"
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert answer.status == 200
        names = set(server.scene._handle_from_node_name)
        views = {f"/{kind}/{index:03d}" for kind in ("refined", "renders", "novel") for index in range(3)}
        assert names >= {"/mesh", "/input", "/refined", "/renders", "/novel", *views}
        visible = {name for name in ("/refined", "/renders", "/novel") if handle(server, name).visible}
        assert visible == {"/refined"}
        assert handle(server, "/input").position == pytest.approx(ViewCamera(0.0, 20.0).c2w[:3, 3].numpy())
    finally:
        server.stop()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=10)


def test_an_input_alone_can_be_looked_at(scene, run_folder: RunFolder):
    server = scene.serve(run_folder, InputMeta.load(run_folder.input_meta), "127.0.0.1", 8080)
    try:
        names = set(server.scene._handle_from_node_name)
        assert "/input" in names
        assert "/mesh" not in names
    finally:
        server.stop()


def test_a_damaged_picture_stops_the_server_with_its_name(scene, run_folder: RunFolder):
    complete_run(run_folder, box_mesh())
    (run_folder.refined_views / "001.png").write_bytes(b"hello")
    with pytest.raises(ViewDistillError, match=r"001\.png: not readable"):
        scene.serve(run_folder, InputMeta.load(run_folder.input_meta), "127.0.0.1", 8080)


@pytest.mark.parametrize("damage", ["empty", "text", "pipe"])
def test_a_damaged_mesh_stops_the_server_with_its_name(scene, run_folder: RunFolder, damage: str):
    complete_run(run_folder, box_mesh())
    run_folder.glb.unlink()
    if damage == "pipe":
        os.mkfifo(run_folder.glb)
    else:
        run_folder.glb.write_bytes(b"hello" * 10 * (damage == "text"))
    with pytest.raises(ViewDistillError, match=r"object\.glb: (cannot be read as a mesh|a pipe)"):
        scene.serve(run_folder, InputMeta.load(run_folder.input_meta), "127.0.0.1", 0)


def test_a_viser_camera_looks_where_ours_looks(scene):
    from viser.transforms import SO3

    camera = ViewCamera(70.0, 25.0)
    wxyz, position = scene.viser_pose(camera.c2w)
    # Through the upper right corner: x right, y down, z forward there.
    side = np.tan(np.deg2rad(camera.fovy_deg / 2)) * (1 - 1 / 64)
    direction = SO3(wxyz).as_matrix() @ np.array([side, -side, 1.0])
    origins, directions = rays(camera.c2w[None], camera.fovy_deg, 64, 64)
    corner = torch.nn.functional.normalize(torch.from_numpy(direction), dim=0)
    assert directions[0, 0, -1].numpy() == pytest.approx(corner.numpy(), abs=1e-5)
    assert origins[0, 0, -1].numpy() == pytest.approx(position, abs=1e-6)


def handle(server, name: str):
    """A node of the scene."""
    return server.scene._handle_from_node_name[name]


def test_a_port_that_is_taken_is_said_at_once(scene, run_folder: RunFolder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ViewDistillError, match=rf"127.0.0.1:{port}: cannot listen there .*choose another --port"):
            scene.serve(run_folder, InputMeta.load(run_folder.input_meta), "127.0.0.1", port)


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.host.invalid", "a..b", "x" * 300])
def test_a_host_of_another_machine_is_said_at_once(scene, host: str):
    start = time.monotonic()
    with pytest.raises(ViewDistillError, match="cannot listen there"):
        scene.require_free(host, 8080)
    assert time.monotonic() - start < 6


def test_a_look_up_that_hangs_is_given_up(scene, monkeypatch: pytest.MonkeyPatch):
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(60) and [])
    monkeypatch.setattr(scene, "LOOKUP_SECONDS", 0.1)
    with pytest.raises(ViewDistillError, match=r"no answer about this host within 0\.1 s"):
        scene.require_free("slow", 8080)
    released.set()
