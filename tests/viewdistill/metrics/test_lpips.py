import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn
from torchmetrics.functional.image import lpips as library

from viewdistill.errors import ViewDistillError
from viewdistill.metrics.lpips import Lpips, lpips, network


def weights_file(folder: Path, state: dict[str, torch.Tensor]) -> Path:
    """A file named as torch's hub names it: after its own SHA-256."""
    path = folder / "vgg16.pth"
    torch.save(state, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return path.rename(folder / f"vgg16-{digest[:8]}.pth")


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """Random weights, large enough that all five blocks answer."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Lpips()
        for layer in model.features:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.normal_(layer.bias, std=0.1)  # type: ignore[arg-type]
        found = {name: value for name, value in model.state_dict().items() if name.startswith("features.")}
    # The published file holds the classifier too.
    return {**found, "classifier.0.weight": torch.zeros(2, 2)}


def test_agrees_with_torchmetrics(tmp_path: Path, state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch):
    model = network(weights_file(tmp_path, state))
    # torchmetrics takes its layers from torchvision, which is not there: it gets the same ones from here.
    monkeypatch.setattr(library, "_get_tv_model_features", lambda net, pretrained: model.features)
    reference = library._LPIPS(net="vgg")
    random = torch.Generator().manual_seed(1)
    first, second = torch.rand(2, 3, 40, 48, generator=random), torch.rand(2, 3, 40, 48, generator=random)
    expected = reference(first, second, normalize=True).flatten()
    torch.testing.assert_close(lpips(model, first, second), expected)
    assert (expected > 0.01).all()
    torch.testing.assert_close(lpips(model, first, first), torch.zeros(2))


def test_without_weights_the_reason_says_where_they_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    with pytest.raises(ViewDistillError, match=rf"no weights of VGG-16 here.*vgg16-397923af.pth into {tmp_path}"):
        network()


def test_damaged_and_foreign_files_are_refused(tmp_path: Path, state: dict[str, torch.Tensor]):
    path = weights_file(tmp_path, state)
    cut = tmp_path / path.name.replace("vgg16", "cut")
    cut.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ViewDistillError, match="SHA-256"):
        network(cut)
    with pytest.raises(ViewDistillError, match="not the weights of VGG-16"):
        network(weights_file(tmp_path, {"features.0.weight": torch.zeros(1)}))
