"""Networks of the lifting: one for the reference latent, one that completes the volume."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

GROUPS = 8
"""Default number of groups of the group normalisations."""


class ResidualBlock(nn.Module):
    """Two normalised convolutions of width 3 that start as the identity.

    Args:
        convolution: ``nn.Conv2d`` or ``nn.Conv3d``.
        width: Channels.
        groups: Of the normalisations.
    """

    def __init__(self, convolution: type[nn.Conv2d] | type[nn.Conv3d], width: int, groups: int = GROUPS) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(groups, width), convolution(width, width, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(groups, width), convolution(width, width, 3, padding=1)
        start_at_zero(self.conv2)

    def forward(self, x: Float[Tensor, "batch width ..."]) -> Float[Tensor, "batch width ..."]:
        """Apply the block."""
        return x + self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))


class AttentionBlock(nn.Module):
    """Attention of every cell to all cells and to the tokens, then a feed-forward layer; starts as the identity.

    Args:
        width: Channels.
        token_width: Channels of the tokens.
    """

    def __init__(self, width: int, token_width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.tokens = nn.Linear(token_width, width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
        start_at_zero(self.attention.out_proj)
        start_at_zero(cast(nn.Linear, self.feed_forward[-1]))

    def forward(
        self, x: Float[Tensor, "batch width ..."], tokens: Float[Tensor, "batch tokens token_width"]
    ) -> Float[Tensor, "batch width ..."]:
        """Apply the block to all cells of an image or a volume."""
        cells = x.flatten(2).transpose(1, 2)
        queries = self.norm1(cells)
        seen = torch.cat([queries, self.tokens(tokens)], 1)
        cells = cells + self.attention(queries, seen, seen, need_weights=False)[0]
        cells = cells + self.feed_forward(self.norm2(cells))
        return cells.transpose(1, 2).reshape(x.shape)


class ReferenceEncoder(nn.Module):
    """Features of the reference latent: at its own resolution, and as tokens at half of it.

    Args:
        latent_channels: Of the autoencoder.
        latent_size: Side of its latents.
        width: Channels of the features.
        token_width: Channels of the tokens.
        features: Channels that are unprojected.
        blocks: Attention blocks over the tokens.
    """

    def __init__(
        self, latent_channels: int, latent_size: int, width: int, token_width: int, features: int, blocks: int
    ) -> None:
        super().__init__()
        side = latent_size // 2
        self.conv_in = nn.Conv2d(latent_channels, width, 3, padding=1)
        self.down = nn.Conv2d(width, token_width, 3, stride=2, padding=1)
        self.position = nn.Parameter(0.02 * torch.randn(1, token_width, side, side))
        self.attention = nn.ModuleList([AttentionBlock(token_width, token_width) for _ in range(blocks)])
        self.coarse = nn.Sequential(ResidualBlock(nn.Conv2d, token_width), ResidualBlock(nn.Conv2d, token_width))
        self.up = nn.Conv2d(token_width, width, 1)
        self.fine = nn.Sequential(ResidualBlock(nn.Conv2d, width), ResidualBlock(nn.Conv2d, width))
        self.conv_out = nn.Conv2d(width, features, 1)

    def forward(
        self, latent: Float[Tensor, "batch c h w"]
    ) -> tuple[Float[Tensor, "batch features h w"], Float[Tensor, "batch tokens token_width"]]:
        """Return features and tokens."""
        x = self.conv_in(latent)
        coarse = self.down(x) + self.position
        for block in self.attention:
            coarse = block(coarse, coarse.flatten(2).transpose(1, 2)[:, :1])
        coarse = self.coarse(coarse)
        x = x + F.interpolate(self.up(coarse), scale_factor=2, mode="bilinear")
        return self.conv_out(self.fine(x)), coarse.flatten(2).transpose(1, 2)


class Bottleneck(nn.Module):
    """Residual attention blocks at a width of their own; their sum starts at zero.

    Args:
        width: Channels of the input.
        inner_width: Channels of the blocks.
        token_width: Channels of the tokens.
        blocks: Their number.
    """

    def __init__(self, width: int, inner_width: int, token_width: int, blocks: int) -> None:
        super().__init__()
        self.conv_in, self.conv_out = nn.Conv3d(width, inner_width, 1), nn.Conv3d(inner_width, width, 1)
        self.attention = nn.ModuleList([AttentionBlock(inner_width, token_width) for _ in range(blocks)])
        start_at_zero(self.conv_out)

    def forward(
        self, x: Float[Tensor, "batch width n n n"], tokens: Float[Tensor, "batch tokens token_width"]
    ) -> Float[Tensor, "batch width n n n"]:
        """Return the input plus the blocks' output."""
        inner = self.conv_in(x)
        for block in self.attention:
            inner = block(inner, tokens)
        return x + self.conv_out(inner)


class VolumeUNet(nn.Module):
    """Completes an unprojected volume, at three resolutions with attention at the coarsest.

    Args:
        in_channels: Of the unprojected volume.
        out_channels: Of the completed one.
        widths: Channels at full, half and quarter resolution.
        token_width: Channels of the reference's tokens.
        resolution: Cells along each axis.
        blocks: Attention blocks over the cells at quarter resolution.
        groups: Of the normalisations at full and half resolution.
        bottleneck: Width and number of further attention blocks there.
        fine_channels: Of the volume unprojected at twice the resolution; 0 for none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        widths: Sequence[int],
        token_width: int,
        resolution: int,
        blocks: int,
        groups: int = GROUPS,
        bottleneck: tuple[int, int] = (0, 0),
        fine_channels: int = 0,
    ) -> None:
        super().__init__()
        full, half, quarter = widths
        side = resolution // 4
        self.conv_in, self.fine_in = nn.Conv3d(in_channels, full, 1), nn.Conv3d(full, full, 3, padding=1)
        self.down1 = nn.Conv3d(full, half, 3, stride=2, padding=1)
        self.block1 = ResidualBlock(nn.Conv3d, half, groups)
        self.down2, self.block2 = nn.Conv3d(half, quarter, 3, stride=2, padding=1), ResidualBlock(nn.Conv3d, quarter)
        self.position = nn.Parameter(0.02 * torch.randn(1, quarter, side, side, side))
        self.attention = nn.ModuleList([AttentionBlock(quarter, token_width) for _ in range(blocks)])
        self.bottleneck = Bottleneck(quarter, bottleneck[0], token_width, bottleneck[1]) if bottleneck[1] else None
        self.block3 = ResidualBlock(nn.Conv3d, quarter)
        self.up1, self.block4 = nn.Conv3d(quarter + half, half, 1), ResidualBlock(nn.Conv3d, half, groups)
        self.up2, self.fine_out = nn.Conv3d(half + full, full, 1), nn.Conv3d(full, full, 3, padding=1)
        self.conv_out = nn.Sequential(nn.GroupNorm(groups, full), nn.SiLU(), nn.Conv3d(full, out_channels, 1))
        self.unprojected = nn.Conv3d(fine_channels, full, 2, stride=2) if fine_channels else None

    def forward(
        self,
        x: Float[Tensor, "batch in_channels n n n"],
        tokens: Float[Tensor, "batch tokens token_width"],
        fine: Float[Tensor, "batch fine_channels m m m"] | None = None,
    ) -> tuple[Float[Tensor, "batch out_channels n n n"], Float[Tensor, "batch full n n n"]]:
        """Return the completed volume, and the features it was read from.

        Args:
            x: The unprojected volume.
            tokens: Of the reference.
            fine: The volume unprojected at twice the resolution, if any.
        """
        x = self.conv_in(x).contiguous(memory_format=torch.channels_last_3d)
        if self.unprojected is not None and fine is not None:
            x = x + self.unprojected(fine)
        full = x + F.silu(self.fine_in(F.silu(x)))
        half = self.block1(self.down1(full))
        quarter = self.block2(self.down2(half)) + self.position
        for block in self.attention:
            quarter = block(quarter, tokens)
        if self.bottleneck is not None:
            quarter = self.bottleneck(quarter, tokens)
        quarter = self.block3(quarter)
        half = self.block4(joined(self.up1, quarter, half))
        full = joined(self.up2, half, full)
        full = full + F.silu(self.fine_out(F.silu(full)))
        return self.conv_out(full), full


def joined(
    layer: nn.Conv3d, coarse: Float[Tensor, "batch c n n n"], fine: Float[Tensor, "batch d m m m"]
) -> Float[Tensor, "batch out m m m"]:
    """Convolve, with width 1, an upsampled volume concatenated with another one.

    The convolution is linear, so it may come before the interpolation, where it costs an eighth.
    """
    of_coarse, of_fine = layer.weight.split([coarse.shape[1], fine.shape[1]], 1)
    return twice(F.conv3d(coarse, of_coarse)) + F.conv3d(fine, of_fine, layer.bias)


def twice(x: Float[Tensor, "batch c n n n"]) -> Float[Tensor, "batch c m m m"]:
    """Return a volume at twice its resolution."""
    return F.interpolate(x, scale_factor=2, mode="trilinear")


def start_at_zero(layer: Any) -> None:
    """Make a layer give zeros until it is trained."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
