"""Posed pictures of any origin as the input and the refined views of a run.

Cameras of a run look at the origin with z up and have square pixels around their axis (`datamodules.posed_views`). Any
picture of a pinhole camera can be converted to such a camera at the same place: turning a camera about its centre and
changing its lens maps its picture by a homography (Hartley & Zisserman 2004, section 8.4.2), independent of depth.

The world is moved and scaled: the origin becomes the point nearest to all optical axes, and the object, whose size
follows from its silhouettes, fits into the surface's cube. It is turned about z so that the first camera has azimuth 0.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

from datamodules.posed_views import ViewCamera, clear_views, save_cameras, save_view
from datamodules.runs.run_folder import InputMeta, RunFolder
from datamodules.transforms import PosedPicture
from viewdistill.cameras import spherical_from_c2w
from viewdistill.errors import ViewDistillError
from viewdistill.input.cut_out import CutOut, load_cut_out
from viewdistill.pictures import straight_color, to_bytes, write_picture

OBJECT_RADIUS = 0.5
"""Radius of the object after scaling, world units; equals that of framed objects."""

FILLED = 0.85
"""Extent of the object in a view, as a share of its half side."""

LARGEST_SIDE = 512
"""Largest side of the views, pixels."""

LARGEST_ANGLE = 60.0
"""Largest accepted angle between the object's middle and its silhouette, seen from a camera, degrees."""


@dataclass(frozen=True)
class ImportedView:
    """A picture converted to a camera of the run."""

    rgba: UInt8[np.ndarray, "side side 4"]
    """Straight alpha."""
    camera: ViewCamera
    """Camera that looks at the origin."""


def import_views(folder: RunFolder, pictures: list[PosedPicture], source: Path) -> list[str]:
    """Write posed pictures as the input view (the first one) and the refined views (all) of a run.

    Args:
        folder: The run.
        pictures: The pictures.
        source: Their source, for the run's description.

    Returns:
        Notes on the pictures.

    Raises:
        ViewDistillError: A picture cannot be used, or the cameras do not look at one object.
    """
    cut_outs = [load_cut_out(picture.path) for picture in pictures]
    views = rectified(pictures, [found.rgba for found in cut_outs])
    clear_views(folder.refined_views)
    for index, view in enumerate(views):
        save_view(folder.refined_views, index, view.rgba)
    save_cameras(folder.refined_views, [view.camera for view in views])
    write_picture(folder.rgba, views[0].rgba)
    input_meta(folder, views[0].camera, cut_outs[0], source).save(folder.input_meta)
    return [
        f"{picture.path.name}: {note}" for picture, cut in zip(pictures, cut_outs, strict=True) for note in cut.notes
    ]


def input_meta(folder: RunFolder, camera: ViewCamera, cut_out: CutOut, source: Path) -> InputMeta:
    """Return the description of the first picture as the input view."""
    return InputMeta(
        folder.root.absolute().name,
        camera.elevation_deg,
        "kept",
        str(source),
        distance=camera.distance,
        fovy_deg=camera.fovy_deg,
        mask_source=cut_out.mask_source,
        elevation_source="option",
        notes=cut_out.notes,
    )


def rectified(pictures: list[PosedPicture], rgba: list[UInt8[np.ndarray, "_ _ 4"]]) -> list[ImportedView]:
    """Convert pictures to cameras that look at the origin.

    Args:
        pictures: Cameras in their own world.
        rgba: Their pixels, straight alpha.

    Raises:
        ViewDistillError: The cameras do not look at one object.
    """
    middle = common_point(np.stack([picture.c2w for picture in pictures]))
    cameras = [moved(picture.c2w, middle, 1.0, 0.0) for picture in pictures]
    placed = list(zip(pictures, cameras, rgba, strict=True))
    angles = [silhouette_angle(picture, camera, pixels[..., 3] > 127) for picture, camera, pixels in placed]
    for picture, angle in zip(pictures, angles, strict=True):
        if angle > math.radians(LARGEST_ANGLE):
            raise ViewDistillError(f"{picture.path}: its camera does not look at the others' object; remove it")
    radius = max(
        float(np.linalg.norm(c2w[:3, 3])) * math.sin(angle) for c2w, angle in zip(cameras, angles, strict=True)
    )
    first = math.degrees(math.atan2(cameras[0][1, 3], cameras[0][0, 3]))
    side = min(LARGEST_SIDE, max(max(pixels.shape[:2]) for pixels in rgba))
    return [
        warped(picture, pixels, moved(picture.c2w, middle, OBJECT_RADIUS / radius, -first), angle, side)
        for picture, pixels, angle in zip(pictures, rgba, angles, strict=True)
    ]


def common_point(c2w: Float[np.ndarray, "views 4 4"]) -> Float[np.ndarray, "3"]:
    """Return the point with the least sum of squared distances from all optical axes.

    Raises:
        ViewDistillError: The axes are parallel, or there are fewer than two.
    """
    axes, centres = c2w[:, :3, 2], c2w[:, :3, 3]
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    normal = across.sum(0)
    if len(c2w) < 2 or np.linalg.cond(normal) > 1e4:
        raise ViewDistillError("posed pictures: all cameras look in one direction; give pictures from several sides")
    return np.linalg.solve(normal, (across @ centres[:, :, None]).sum(0)[:, 0])


def moved(
    c2w: Float[np.ndarray, "4 4"], middle: Float[np.ndarray, "3"], scale: float, turn: float
) -> Float[np.ndarray, "4 4"]:
    """Transform a camera to a world with another origin and unit, turned about z.

    Args:
        c2w: Camera-to-world matrix.
        middle: The new origin.
        scale: New units per old one.
        turn: Degrees.
    """
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    rotation = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    result = np.eye(4)
    result[:3, :3] = rotation @ c2w[:3, :3]
    result[:3, 3] = rotation @ (c2w[:3, 3] - middle) * scale
    return result


def pixel_intrinsics(picture: PosedPicture, width: int, height: int) -> Float[np.ndarray, "3 3"]:
    """Return the camera's intrinsic matrix for a size: from axes x right, y down, z forward to pixels, corner at 0."""
    return np.diag([width, height, 1.0]) @ picture.intrinsics


def silhouette_angle(picture: PosedPicture, c2w: Float[np.ndarray, "4 4"], mask: Bool[np.ndarray, "_ _"]) -> float:
    """Return the largest angle between the direction to the origin and a ray into the silhouette, radians."""
    rows, columns = np.nonzero(mask)
    points = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))])
    local = np.diag([1.0, -1.0, -1.0]) @ np.linalg.inv(pixel_intrinsics(picture, *mask.shape[::-1])) @ points
    local /= np.linalg.norm(local, axis=0)
    towards = -c2w[:3, :3].T @ c2w[:3, 3]
    towards /= np.linalg.norm(towards)
    return float(np.arccos(np.clip(towards @ local, -1, 1)).max(initial=0.0))


def warped(
    picture: PosedPicture,
    rgba: UInt8[np.ndarray, "height width 4"],
    c2w: Float[np.ndarray, "4 4"],
    angle: float,
    side: int,
) -> ImportedView:
    """Convert a picture to a camera at the same place that looks at the origin.

    Args:
        picture: Its camera's lens.
        rgba: The pixels.
        c2w: Its pose in the run's world.
        angle: From `silhouette_angle`; decides the field of view.
        side: Of the result, pixels.
    """
    azimuth, elevation, distance = (float(part) for part in spherical_from_c2w(torch.from_numpy(c2w)))
    camera = ViewCamera(azimuth, elevation, distance, math.degrees(2 * math.atan(math.tan(angle) / FILLED)))
    focal = 0.5 * side / math.tan(math.radians(camera.fovy_deg) / 2)
    lens = np.array([[focal, 0, side / 2], [0, focal, side / 2], [0, 0, 1]])
    flip = np.diag([1.0, -1.0, -1.0])
    turn = flip @ camera.c2w[:3, :3].numpy().T.astype(np.float64) @ c2w[:3, :3] @ flip
    height, width = rgba.shape[:2]
    homography = lens @ turn @ np.linalg.inv(pixel_intrinsics(picture, width, height))
    # OpenCV puts the middle of the first pixel at 0, not at 0.5.
    shift = np.array([[1.0, 0, 0.5], [0, 1.0, 0.5], [0, 0, 1.0]])
    homography = np.linalg.inv(shift) @ homography @ shift
    return ImportedView(resampled(rgba, homography, side), camera)


def resampled(
    rgba: UInt8[np.ndarray, "height width 4"], homography: Float[np.ndarray, "3 3"], side: int
) -> UInt8[np.ndarray, "side side 4"]:
    """Warp a picture by a homography; colour over white and alpha are warped together to avoid dark rims.

    Args:
        rgba: Straight alpha.
        homography: From its pixels to the result's, with the middle of the first pixel at 0.
        side: Of the result, pixels.
    """
    alpha = rgba[..., 3:].astype(np.float32) / 255
    both = np.concatenate([rgba[..., :3] / np.float32(255) * alpha + (1 - alpha), alpha], -1)
    # For a smaller result, pixels are averaged first: bilinear look-up alone would skip some.
    shrink = 1 / np.sqrt(abs(np.linalg.det(homography)) / abs(homography[2, 2]) ** 3)
    if shrink > 1:
        both = cv2.GaussianBlur(both, (0, 0), 0.5 * math.sqrt(shrink**2 - 1) + 1e-3)
    result = cv2.warpPerspective(
        both, homography, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(1, 1, 1, 0)
    )
    color = straight_color(result[..., :3], result[..., 3:])
    return to_bytes(np.concatenate([color, result[..., 3:]], -1))
