"""A GLB for the report's viewer: plain arrays in base64 and the texture as a data URL."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from viewdistill.errors import ViewDistillError
from viewdistill.mesh.export import InputCamera


def viewer_mesh(path: Path, camera: InputCamera) -> dict[str, Any]:
    """Read a GLB of `viewdistill.mesh.export.save_glb`, in the file's own axes (+Y up, front +Z).

    Args:
        path: The GLB.
        camera: The viewer's initial camera.

    Returns:
        Content of the page's JSON block, see ``viewer.js``: ``positions``, ``normals`` and ``uvs`` (float32; v counted
        from the top of the picture), ``faces`` (uint32), ``texture`` and ``camera`` (degrees, world units).

    Raises:
        ViewDistillError: The file cannot be read, or is not a single textured mesh.
    """
    library: Any = trimesh
    try:
        # Loading as one mesh would replace the file's normals by others, with creases along the texture's seams.
        (mesh,) = library.load_scene(path, process=False).geometry.values()
        uvs = np.array(mesh.visual.uv, dtype=np.float64)
        texture = mesh.visual.material.baseColorTexture.convert("RGB")
    except Exception as problem:  # a loader meets arbitrary bytes, and raises nearly anything over them
        raise ViewDistillError(
            f"{path}: cannot be read as a textured mesh ({problem}); run `viewdistill mesh` again"
        ) from problem
    picture = io.BytesIO()
    texture.save(picture, "PNG")
    return {
        "positions": encode(mesh.vertices, np.float32),
        "normals": encode(mesh.vertex_normals, np.float32),
        "uvs": encode(np.stack([uvs[:, 0], 1 - uvs[:, 1]], 1), np.float32),
        "faces": encode(mesh.faces, np.uint32),
        "texture": data_url(picture.getvalue(), "image/png"),
        "camera": {
            "azimuth": camera.azimuth,
            "elevation": camera.elevation,
            "distance": camera.distance,
            "fovy": camera.fovy,
        },
    }


def encode(array: np.ndarray, dtype: type[np.float32] | type[np.uint32]) -> str:
    """Encode an array as little-endian, row-major bytes in base64."""
    little = np.ascontiguousarray(array, dtype=np.dtype(dtype).newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode()


def data_url(content: bytes, media_type: str) -> str:
    """Return a file's content as a data URL."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
