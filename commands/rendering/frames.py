"""Frames along a camera path: pictures with depth and normals, of the mesh or of a fitted field."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from commands.requirements import require
from datamodules.posed_views import AXES, CAMERAS_FILE, FORMAT, ViewCamera, clear_views, straight_rgba, view_name
from datamodules.runs.run_folder import RunFolder, write_json
from datamodules.transforms import save_transforms
from lightning_modules.fitted_field import FittedField
from lightning_modules.radiance_field import load_field
from lightning_modules.surface import load_surface
from viewdistill.cameras import rays
from viewdistill.files import atomic_path
from viewdistill.mesh.loading import load_mesh
from viewdistill.mesh.raster import render_mesh
from viewdistill.pictures import write_picture

What = Literal["mesh", "field", "surface"]
"""Subject of a render: the textured mesh, the radiance field, the signed distance field."""

SOLID = 0.5
"""Smallest opacity of a field's pixel with depth and a normal."""

LARGEST_COUNT = 65535
"""Largest count of a 16-bit depth map."""


@dataclass(frozen=True)
class Seen:
    """Picture of one camera."""

    rgba: UInt8[np.ndarray, "size size 4"]
    """Straight alpha."""
    depth: Float[np.ndarray, "size size"]
    """Depth along the viewing axis, world units; 0 for no surface."""
    normals: Float[np.ndarray, "size size 3"]
    """Unit normals in world space, turned towards the camera; 0 for no surface."""


def seen_by(
    folder: RunFolder, what: What, cameras: Sequence[ViewCamera], size: int, device: torch.device
) -> Iterator[Seen]:
    """Render camera after camera.

    Args:
        folder: The run.
        what: Result to render.
        cameras: The cameras.
        size: Side of the pictures, pixels.
        device: Device for fields; meshes are rendered on the CPU.

    Raises:
        ViewDistillError: Its stage is not complete, or one of its files is damaged.
    """
    require(folder, what)
    return mesh_frames(folder, cameras, size) if what == "mesh" else field_frames(folder, what, cameras, size, device)


def mesh_frames(folder: RunFolder, cameras: Sequence[ViewCamera], size: int) -> Iterator[Seen]:
    """Render the run's GLB in its own colours."""
    mesh = load_mesh(folder.glb).textured
    assert mesh is not None, "the mesh stage writes textured meshes"
    for camera in cameras:
        view = render_mesh(mesh, camera.c2w[None], camera.fovy_deg, size)
        rgb, alpha = torch.from_numpy(view.rgb[0]), torch.from_numpy(view.alpha[0])
        yield Seen(straight_rgba(rgb, alpha), view.depth[0], view.normals[0])


def field_frames(
    folder: RunFolder, what: What, cameras: Sequence[ViewCamera], size: int, device: torch.device
) -> Iterator[Seen]:
    """Render a fitted field; normals are those of its depth map."""
    field: FittedField = (load_field if what == "field" else load_surface)(folder, device)
    for camera in cameras:
        view = field.render_views(camera.c2w[None], camera.fovy_deg, size)
        opacity = view.opacity[0].cpu()
        _, directions = rays(camera.c2w[None], camera.fovy_deg, size, size)
        distance = view.depth[0].cpu() / opacity.clamp_min(1e-6)
        solid = opacity > SOLID
        points = camera.c2w[:3, 3] + distance[..., None] * directions[0]
        normals = normals_of(points, directions[0]) * solid[..., None]
        depth = distance * -(directions[0] @ camera.c2w[:3, 2]) * solid
        yield Seen(straight_rgba(view.rgb[0].cpu(), opacity), depth.numpy(), normals.numpy())


def normals_of(
    points: Float[Tensor, "height width 3"], directions: Float[Tensor, "height width 3"]
) -> Float[Tensor, "height width 3"]:
    """Unit normals of the surface through the points of neighbouring pixels, turned against the rays.

    Args:
        points: World space.
        directions: Of the rays that met them.
    """
    down, right = torch.gradient(points, dim=(0, 1))
    normals = torch.nn.functional.normalize(torch.linalg.cross(right, down), dim=-1)
    return torch.where((normals * directions).sum(-1, keepdim=True) > 0, -normals, normals)


def write_frames(folder: Path, frames: Iterator[Seen], cameras: Sequence[ViewCamera]) -> list[np.ndarray]:
    """Write frames as a folder of posed views with depth, normals and ``transforms.json``.

    Depth maps are 16 bits with the scale that ``cameras.json`` names; normals n are 8 bits, (n + 1) / 2.

    Args:
        folder: Folder to write to; existing views are replaced.
        frames: One per camera.
        cameras: The cameras.

    Returns:
        The frames over white, 8 bits, for a video.
    """
    clear_views(folder)
    scale = (max(camera.distance for camera in cameras) + 2) / LARGEST_COUNT
    shown: list[np.ndarray] = []
    for index, seen in enumerate(frames):
        name = Path(view_name(index)).stem
        write_picture(folder / f"{name}.png", seen.rgba)
        counts = (seen.depth / scale).round().clip(0, LARGEST_COUNT).astype(np.uint16)
        with atomic_path(folder / f"{name}_depth.png") as partial:
            Image.fromarray(counts).save(partial)
        normals = ((seen.normals + 1) / 2 * 255).round().astype(np.uint8) * (seen.depth > 0)[..., None]
        write_picture(folder / f"{name}_normals.png", normals.astype(np.uint8))
        alpha = seen.rgba[..., 3:] / 255
        shown.append((seen.rgba[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8))
    views = [
        {
            "file": view_name(index),
            "depth": f"{Path(view_name(index)).stem}_depth.png",
            "azimuth_deg": camera.azimuth_deg,
            "elevation_deg": camera.elevation_deg,
            "distance": camera.distance,
            "fovy_deg": camera.fovy_deg,
            "c2w": camera.c2w.tolist(),
        }
        for index, camera in enumerate(cameras)
    ]
    write_json(folder / CAMERAS_FILE, {"format": FORMAT, "axes": AXES, "depth_scale": scale, "views": views})
    save_transforms(folder)
    return shown
