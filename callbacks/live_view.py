"""Live view of a field in a browser during the fit; every viewer has a camera of their own."""

import importlib.util
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from pytorch_lightning import Callback, LightningModule, Trainer

from lightning_modules.fitted_field import FittedField
from viewdistill.cameras import DISTANCE
from viewdistill.errors import ViewDistillError
from viewdistill.pictures import to_bytes


class LiveView(Callback):
    """Renders the field from every viewer's camera, every few steps, without affecting the fit.

    Args:
        host: Address to listen on; by default this machine only.
        port: Port; the next free one if it is in use.
        every: Steps between pictures.
        size: Height of a picture, pixels; the browser enlarges it.

    Raises:
        ViewDistillError: viser is not installed.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 8080, every: int = 5, size: int = 96) -> None:
        if importlib.util.find_spec("viser") is None:
            raise ViewDistillError("the live viewer needs viser; run `pip install -e '.[view]'`")
        self.host, self.port = host, port
        self.every, self.size = every, size
        self.server: Any = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the server and print its address."""
        if not trainer.is_global_zero:
            return
        # Imported here because viser is an extra.
        import viser

        try:
            self.server = viser.ViserServer(host=self.host, port=self.port, label="ViewDistill", verbose=False)
        except OSError as error:
            raise ViewDistillError(f"{self.host}:{self.port}: cannot listen there ({error})") from error
        self.server.scene.set_up_direction("+z")
        # From beside the input camera: opposite it, the priors have invented everything.
        self.server.initial_camera.position = (1.2 * DISTANCE, 0.8 * DISTANCE, 0.6 * DISTANCE)
        self.server.initial_camera.look_at = (0.0, 0.0, 0.0)
        print(f"the field, live: http://{self.host}:{self.server.get_port()}", flush=True)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Send the current field to all viewers."""
        if self.server is None or trainer.global_step % self.every:
            return
        for client in self.server.get_clients().values():
            client.scene.set_background_image(self.picture(pl_module, client.camera), format="jpeg")

    def picture(self, field: Any, camera: Any) -> UInt8[np.ndarray, "height width 3"]:
        """Render the field from a browser's camera, at the aspect of the browser's window.

        Args:
            field: A `lightning_modules.fitted_field.FittedField`.
            camera: viser's: ``wxyz`` and ``position`` of a camera that looks along +z with y down, ``fov`` (radians,
                vertical) and ``aspect``.
        """
        fitted: FittedField = field
        views = fitted.render_views(camera_to_world(camera)[None], float(np.rad2deg(camera.fov)), self.size)
        return reshaped(to_bytes(views.rgb[0]), float(camera.aspect))

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the server."""
        self.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the server."""
        self.close()

    def close(self) -> None:
        """Close the server, if it is open."""
        if self.server is not None:
            self.server.stop()
            self.server = None


def camera_to_world(camera: Any) -> Float[torch.Tensor, "4 4"]:
    """Convert viser's camera to ours, which looks along -z with y up."""
    # Imported here because viser is an extra.
    from viser.transforms import SO3

    c2w = torch.eye(4)
    c2w[:3, :3] = torch.from_numpy(SO3(np.asarray(camera.wxyz)).as_matrix() @ np.diag([1.0, -1.0, -1.0]))
    c2w[:3, 3] = torch.from_numpy(np.asarray(camera.position))
    return c2w


def reshaped(square: UInt8[np.ndarray, "size size 3"], aspect: float) -> UInt8[np.ndarray, "size width 3"]:
    """Pad a square picture with white columns, or crop it, to an aspect."""
    size = len(square)
    width = max(2, round(size * aspect))
    shown = np.full((size, width, 3), 255, np.uint8)
    common = min(size, width)
    source, target = (size - common) // 2, (width - common) // 2
    shown[:, target : target + common] = square[:, source : source + common]
    return shown
