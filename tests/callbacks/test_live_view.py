"""The field in a browser while it is fitted: what is shown, and that nothing else changes."""

import importlib.util
import math
import urllib.request
from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from callbacks.live_view import LiveView, camera_to_world, reshaped
from viewdistill.cameras import look_at, rays
from viewdistill.errors import ViewDistillError

pytest.importorskip("viser", reason="viser is not installed (extra `view`)")


def viser_camera(c2w: torch.Tensor, aspect: float = 1.0) -> SimpleNamespace:
    """What viser says of a browser's camera: it looks along +z with y down."""
    from viser.transforms import SO3

    rotation = c2w[:3, :3].double().numpy() @ np.diag([1.0, -1.0, -1.0])
    return SimpleNamespace(
        wxyz=SO3.from_matrix(rotation).wxyz, position=c2w[:3, 3].numpy(), fov=math.radians(40), aspect=aspect
    )


class Toy(pl.LightningModule):
    """A field that is fitted in no time, and shows the directions it was looked at from as colours."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.asked: list[tuple[float, int]] = []

    def training_step(self, batch, batch_idx):
        return (self.weight - torch.rand(1)).square().sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def render_views(self, c2w, fovy, size):
        self.asked.append((fovy, size))
        directions = rays(c2w, fovy, size, size)[1].view(1, size, size, 3)
        return SimpleNamespace(rgb=(directions + 1) / 2)


@pytest.fixture
def browser():
    """Someone who looks from the given camera."""
    shown: list[np.ndarray] = []
    scene = SimpleNamespace(set_background_image=lambda image, format: shown.append(image))
    client = SimpleNamespace(camera=viser_camera(look_at(*torch.tensor([30.0, 20.0, 1.5]))), scene=scene)
    return client, shown


def fit(*watchers: LiveView, steps: int = 10) -> Toy:
    pl.seed_everything(0, verbose=False)
    toy = Toy()
    trainer = pl.Trainer(
        max_steps=steps,
        callbacks=list(watchers),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    trainer.fit(toy, torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(100))))
    return toy


def test_everyone_is_shown_the_field_every_few_steps_and_the_fit_is_the_same(browser, capsys, monkeypatch):
    client, shown = browser
    live = LiveView(port=8090, every=5, size=16)
    addresses: list[int] = []

    def start(trainer, module):
        LiveView.on_fit_start(live, trainer, module)
        address = f"http://127.0.0.1:{live.server.get_port()}"
        assert address in capsys.readouterr().out
        with urllib.request.urlopen(address, timeout=10) as answer:
            addresses.append(answer.status)
        monkeypatch.setattr(live.server, "get_clients", lambda: {0: client})

    monkeypatch.setattr(live, "on_fit_start", start)
    watched = fit(live)
    assert addresses == [200]
    assert len(shown) == 2
    assert watched.asked == [(pytest.approx(40), 16)] * 2
    assert live.server is None
    assert torch.equal(watched.weight, fit().weight)
    # The middle of the picture looks at the origin from the browser's place.
    forward = -look_at(*torch.tensor([30.0, 20.0, 1.5]))[:3, 2]
    middle = shown[-1][7:9, 7:9].mean((0, 1)) / 255 * 2 - 1
    assert middle == pytest.approx(forward.numpy(), abs=0.02)


def test_an_error_closes_the_server(monkeypatch):
    live = LiveView(port=8090)
    monkeypatch.setattr(Toy, "training_step", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit(live)
    assert live.server is None


def test_cameras_are_those_of_the_browser():
    c2w = look_at(*torch.tensor([-70.0, 35.0, 1.5]))
    assert torch.allclose(camera_to_world(viser_camera(c2w)), c2w, atol=1e-6)


@pytest.mark.parametrize(("aspect", "columns"), [(1.5, (1, 5)), (0.5, (0, 2)), (1.0, (0, 4))])
def test_pictures_take_the_shape_of_the_window(aspect: float, columns: tuple[int, int]):
    square = np.arange(4, dtype=np.uint8)[None, :, None].repeat(4, 0).repeat(3, 2)
    shown = reshaped(square, aspect)
    first, last = columns
    assert shown.shape == (4, round(4 * aspect), 3)
    assert (shown[0, first:last, 0] == (square[0, :, 0] if aspect >= 1 else square[0, 1:3, 0])).all()
    assert (np.delete(shown[0, :, 0], range(first, last)) == 255).all()


def test_without_viser_it_is_one_line_with_the_command(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ViewDistillError, match=r"pip install -e '\.\[view\]'"):
        LiveView()
