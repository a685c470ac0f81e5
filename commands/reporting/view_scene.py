"""The scene of the live viewer: the mesh, and images at the cameras that they were seen from."""

import socket
import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
import viser
from jaxtyping import Float
from viser.transforms import SO3

from datamodules.posed_views import CAMERAS_FILE, ViewCamera, load_cameras
from datamodules.runs.run_folder import InputMeta, RunFolder
from viewdistill.errors import ViewDistillError
from viewdistill.files import read_bytes
from viewdistill.mesh.claims import MeshLimits, check_claims
from viewdistill.mesh.export import WORLD_TO_FILE
from viewdistill.pictures import read_picture

FRUSTUM_SCALE = 0.18
"""Length of a frustum, world units."""

LOOKUP_SECONDS = 5.0
"""Longest wait for the name of a host."""

OPENGL_TO_OPENCV = np.diag([1.0, -1.0, -1.0])
"""viser's cameras look along +z with y down."""


def serve(folder: RunFolder, meta: InputMeta, host: str, port: int) -> viser.ViserServer:
    """Start a server that shows the complete stages of a run.

    Args:
        folder: The run.
        meta: Description of its input.
        host: Address to listen on.
        port: Port; 0 takes any free one.

    Returns:
        The running server; `viser.ViserServer.stop` ends it.

    Raises:
        ViewDistillError: The server cannot listen there, or a file of a complete stage is damaged.
    """
    require_free(host, port)
    server = viser.ViserServer(host=host, port=port, label=f"ViewDistill: {meta.name}", verbose=False)
    try:
        build_scene(server, folder, meta)
    except BaseException:
        server.stop()
        raise
    return server


def require_free(host: str, port: int) -> None:
    """Check that a server can listen at an address: viser would take another port, or fail in its own thread.

    Raises:
        ViewDistillError: The host is not this machine's, or the port is in use or reserved.
    """
    try:
        family, kind, protocol, _, address = resolved(host, port)
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except (OSError, UnicodeError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ViewDistillError(
            f"{host}:{port}: cannot listen there ({reason}); choose another --port, or a --host of this machine"
        ) from error


def resolved(host: str, port: int) -> tuple[int, int, int, str, Any]:
    """Look an address up, and give up after `LOOKUP_SECONDS`.

    Raises:
        OSError: There is no such host, or no answer in time.
    """
    answers: list[tuple[int, int, int, str, Any]] = []
    problems: list[Exception] = []

    def look_up() -> None:
        try:
            answers.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE))
        except (OSError, UnicodeError) as error:
            problems.append(error)

    # In a thread, since the system's own look-up of names can take minutes and cannot be interrupted.
    looking = threading.Thread(target=look_up, daemon=True)
    looking.start()
    looking.join(LOOKUP_SECONDS)
    if problems:
        raise problems[0]
    if not answers:
        raise TimeoutError(f"no answer about this host within {LOOKUP_SECONDS:g} s")
    return answers[0]


def build_scene(server: viser.ViserServer, folder: RunFolder, meta: InputMeta) -> None:
    """Add the mesh, the input, refined views, renders and novel views; of the last three, the first one is visible.

    Raises:
        ViewDistillError: A file of a complete stage is damaged.
    """
    server.scene.set_up_direction("+z")
    camera = ViewCamera.of_input(meta)
    eye = camera.c2w[:3, 3].numpy()
    # From beside and above the input camera, so that its frustum does not hide the object.
    server.initial_camera.position = tuple(1.6 * eye + [0.0, 0.6, 0.4])
    server.initial_camera.look_at = (0.0, 0.0, 0.0)
    if folder.record("mesh").is_file():
        add_mesh(server, folder.glb)
    add_view(server, "/input", folder.rgba, camera, (200, 80, 40))
    kinds = {"refined": folder.refined_views, "renders": folder.raw_views, "novel": folder.novel_views}
    complete = {name: views for name, views in kinds.items() if (views / CAMERAS_FILE).is_file()}
    for name, views in complete.items():
        server.scene.add_frame(f"/{name}", show_axes=False, visible=name == next(iter(complete)))
        for path, view_camera in load_cameras(views):
            add_view(server, f"/{name}/{path.stem}", path, view_camera, (60, 110, 170))


def add_mesh(server: viser.ViserServer, path: Path) -> None:
    """The textured mesh, turned from the file's axes into those of the world.

    Raises:
        ViewDistillError: The file is missing or damaged, or claims more than its size.
    """
    limits = MeshLimits()
    check_claims(path, limits)
    content = read_bytes(path, "run `viewdistill mesh` again", limits.megabytes * 10**6)
    server.scene.add_glb("/mesh", content, wxyz=SO3.from_matrix(WORLD_TO_FILE.T).wxyz)


def add_view(server: viser.ViserServer, name: str, path: Path, camera: ViewCamera, color: tuple[int, int, int]) -> None:
    """An image at its camera; a click takes the view there.

    Raises:
        ViewDistillError: The image is damaged.
    """
    pixels = np.asarray(read_picture(path, "RGBA", "run its stage again"))
    wxyz, position = viser_pose(camera.c2w)
    frustum = server.scene.add_camera_frustum(
        name,
        fov=float(np.deg2rad(camera.fovy_deg)),
        aspect=pixels.shape[1] / pixels.shape[0],
        scale=FRUSTUM_SCALE,
        image=pixels,
        format="png",
        color=color,
        wxyz=wxyz,
        position=position,
    )

    @frustum.on_click
    def _(event: Any) -> None:
        event.client.camera.wxyz = wxyz
        event.client.camera.position = position


def viser_pose(c2w: Float[torch.Tensor, "4 4"]) -> tuple[np.ndarray, np.ndarray]:
    """Rotation as a quaternion (w, x, y, z) and position of a camera, in viser's axes."""
    matrix = c2w.double().numpy()
    return SO3.from_matrix(matrix[:3, :3] @ OPENGL_TO_OPENCV).wxyz, matrix[:3, 3]
