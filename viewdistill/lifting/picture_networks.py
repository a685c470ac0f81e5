"""Networks of the lifting for pictures: features to unproject, fine cells of colours, corrections."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from viewdistill.lifting.networks import ResidualBlock, start_at_zero, twice

DENSITY_GAIN = 2.0
"""Gain on the density of fine cells: surfaces become sharper, and rays skip more of space."""


class PictureEncoder(nn.Module):
    """Features of the reference picture at half its resolution, for details that the latent has lost.

    Args:
        features: Channels that are unprojected.
        width: Channels in between.
    """

    def __init__(self, features: int, width: int = 32) -> None:
        super().__init__()
        self.conv_in, self.block = nn.Conv2d(3, width, 4, stride=2, padding=1), ResidualBlock(nn.Conv2d, width)
        self.conv_out = nn.Conv2d(width, features, 1)

    def forward(self, picture: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch features h w"]:
        """Return the features of a picture in [0, 1]."""
        return self.conv_out(self.block(F.silu(self.conv_in(picture * 2 - 1))))


class VolumeRefiner(nn.Module):
    """Cells half as wide for rendering colours, from a completed volume and the picture's features.

    Args:
        full: Channels of the completed volume's features.
        fine_channels: Channels that were unprojected at twice its resolution.
        out_channels: Of the fine cells; to the first, a density, `DENSITY_GAIN` times the completed one is added.
        width: Channels in between.
    """

    def __init__(self, full: int, fine_channels: int, out_channels: int, width: int = 16) -> None:
        super().__init__()
        self.up = nn.Conv3d(full, 8 * width, 1)
        self.conv_in, self.conv = nn.Conv3d(fine_channels, width, 1), nn.Conv3d(width, width, 3, padding=1)
        self.conv_out = nn.Conv3d(width, out_channels, 1)
        start_at_zero(self.conv_out)

    def forward(
        self,
        full: Float[Tensor, "batch full n n n"],
        fine: Float[Tensor, "batch fine_channels m m m"],
        density: Float[Tensor, "batch 1 n n n"],
    ) -> Float[Tensor, "batch out_channels m m m"]:
        """Return fine cells."""
        batch, n = len(full), full.shape[-1]
        cells = self.up(full).reshape(batch, -1, 2, 2, 2, n, n, n).permute(0, 1, 5, 2, 6, 3, 7, 4)
        x = F.silu(cells.reshape(batch, -1, 2 * n, 2 * n, 2 * n) + self.conv_in(fine))
        x = x.contiguous(memory_format=torch.channels_last_3d)
        out = self.conv_out(F.silu(x + self.conv(x)))
        return torch.cat([out[:, :1] + DENSITY_GAIN * twice(density), out[:, 1:]], 1)


class PictureHead(nn.Module):
    """Corrections of the mean latent and of the render, from the render and the composited features; zero at first.

    Args:
        channels: Of the composited features.
        latent_channels: Of the autoencoder.
        scale: Pixels of the render per pixel of the features.
        width: Channels in between.
    """

    def __init__(self, channels: int, latent_channels: int, scale: int, width: int = 96) -> None:
        super().__init__()
        self.scale, self.latent_channels = scale, latent_channels
        self.conv_in = nn.Conv2d(channels + 4 * scale**2, width, 3, padding=1)
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.conv_out = nn.Conv2d(width, latent_channels + 3 * scale**2, 1)
        start_at_zero(self.conv_out)

    def forward(
        self, composited: Float[Tensor, "batch channels h w"], render: Float[Tensor, "batch 4 height width"]
    ) -> tuple[Float[Tensor, "batch c h w"], Float[Tensor, "batch 3 height width"]]:
        """Return the corrections of the mean latent and of rgb."""
        x = torch.cat([composited, F.pixel_unshuffle(render, self.scale)], 1)
        x = self.conv_out(F.silu(self.conv(F.silu(self.conv_in(x)))))
        return x[:, : self.latent_channels], F.pixel_shuffle(x[:, self.latent_channels :], self.scale)
