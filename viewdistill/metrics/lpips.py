"""LPIPS with VGG-16 (Zhang et al. 2018): distance of two pictures in the features of a classifier.

Features after the five blocks of VGG-16 are normalised to unit length at each place; their squared differences are
weighted by channel with the published heads (version 0.1, shipped with torchmetrics), averaged over the picture and
added.

The network is written out here because torchmetrics builds it with torchvision, whose wheels each demand one version of
torch and would replace the installed build, and which downloads weights without asking or checking. A test compares
both implementations. No package ships the weights; `network` documents their place.
"""

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from viewdistill.errors import ViewDistillError

WEIGHTS_NAME = "vgg16-397923af.pth"
"""torchvision's ImageNet weights of VGG-16; by torch hub's convention, the name ends in the start of the SHA-256."""

BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the convolutions of each block; a max-pooling by 2 stands between blocks."""

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Mean and deviation of ImageNet's colours in [-1, 1], rounded as in LPIPS."""

SMALLEST_SQUARE = 1e-8
"""Added to the squared length of a feature, which may be 0."""


class Lpips(nn.Module):
    """The network, frozen. Its features are numbered as torchvision numbers them, so that the weights fit."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, self.ends = 3, list[int]()
        for index, block in enumerate(BLOCKS):
            layers += [nn.MaxPool2d(2)] if index else []
            for width in block:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            self.ends.append(len(layers) - 1)
        self.features = nn.Sequential(*layers)
        self.heads = nn.ParameterList([torch.zeros(1, block[-1], 1, 1) for block in BLOCKS])
        self.register_buffer("shift", torch.tensor(SHIFT)[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE)[:, None, None], persistent=False)
        self.requires_grad_(False).eval()

    def forward(
        self, first: Float[Tensor, "batch 3 height width"], second: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, " batch"]:
        """Return the distance of each pair of pictures in [0, 1]; 0 for equal ones."""
        total = torch.zeros(len(first))
        x, y = ((picture * 2 - 1 - self.shift) / self.scale for picture in (first, second))
        for index, layer in enumerate(self.features):
            x, y = layer(x), layer(y)
            if index in self.ends:
                head = self.heads[self.ends.index(index)]
                total = total + (head * (_unit(x) - _unit(y)).square()).sum(1).mean((1, 2))
        return total


def _unit(features: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch c h w"]:
    return features / (features.square().sum(1, keepdim=True) + SMALLEST_SQUARE).sqrt()


def network(path: Path | None = None) -> Lpips:
    """Load the network with its weights; nothing is downloaded.

    Args:
        path: File of VGG-16's weights; torchvision's place in torch's hub folder when not given.

    Raises:
        ViewDistillError: The weights are missing, or are not the published ones.
    """
    path = path or Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_NAME
    if not path.is_file():
        raise ViewDistillError(f"no weights of VGG-16 here; put torchvision's {WEIGHTS_NAME} into {path.parent}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not path.stem.rpartition("-")[2] or not digest.startswith(path.stem.rpartition("-")[2]):
        raise ViewDistillError(f"{path}: damaged (its SHA-256 is not the one in its name); fetch it again")
    model = Lpips()
    try:
        weights: Any = torch.load(path, map_location="cpu", weights_only=True)
        own = {name: value for name, value in weights.items() if name.startswith("features.")}
        model.load_state_dict({**own, **published_heads()})
    except Exception as error:  # a refused pickle, another network, another layout: all mean wrong weights
        raise ViewDistillError(f"{path}: not the weights of VGG-16 ({str(error).splitlines()[0]})") from error
    return model


def published_heads() -> dict[str, Tensor]:
    """Return weights of the five heads, by the names of `Lpips`."""
    path = files("torchmetrics") / "functional" / "image" / "lpips_models" / "vgg.pth"
    content: Any = torch.load(Path(str(path)), map_location="cpu", weights_only=True)
    return {f"heads.{index}": content[f"lin{index}.model.1.weight"] for index in range(len(BLOCKS))}


@torch.no_grad()
def lpips(
    model: Lpips, prediction: Float[Tensor, "batch 3 height width"], target: Float[Tensor, "batch 3 height width"]
) -> Float[Tensor, " batch"]:
    """Return LPIPS of each picture, computed one by one to bound the memory.

    Args:
        model: From `network`.
        prediction: Pictures over white in [0, 1], at least 16 pixels per side; values outside are clamped.
        target: The truth over white in [0, 1].
    """
    pairs = zip(prediction.clamp(0, 1).split(1), target.split(1), strict=True)
    return torch.cat([model(*pair) for pair in pairs])
