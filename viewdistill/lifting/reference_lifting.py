"""Lifting of the reference view into a volume that any camera can view, for small view-conditioned priors.

Zero-1-to-3 learns the whole of "turn the camera" from pairs of views. At the size of the embedded prior, attention does
not get there: after 350,000 pairs it places silhouettes roughly and colours hardly. Here the camera is not learned. The
reference latent is unprojected onto a coarse grid around the object, a small 3D UNet completes it (gravity is down the
same axis for every object, which a picture alone does not show), and the volume is composited along the rays of the
target camera. The result is aligned with the target view, and the diffusion UNet takes it beside the noisy latent
and the reference latent, as GeNVS (Chan et al. 2023) does with features of a pixelNeRF.

World frame of the volume: z up, the reference camera at azimuth 0; see `viewdistill.cameras`.
"""

from collections.abc import Sequence

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from jaxtyping import Float
from torch import Tensor, nn

from viewdistill.cameras import DISTANCE, FOVY_ZERO123, look_at, rays
from viewdistill.lifting.averaging import LiftedReference, average, render_references
from viewdistill.lifting.cells import (
    before_camera,
    cell_centres,
    describe_places,
    outside_autocast,
    unproject,
)
from viewdistill.lifting.networks import GROUPS, ReferenceEncoder, VolumeUNet
from viewdistill.lifting.picture_compositing import CELL_CHANNELS, render_colors
from viewdistill.lifting.picture_networks import PictureEncoder, PictureHead, VolumeRefiner
from viewdistill.lifting.volume_compositing import composite_volume

ELEVATION_MEAN, ELEVATION_SPREAD = 25.0, 26.0
"""Mean and standard deviation of the training elevations, degrees; estimates are normalised with them."""


class ReferenceLifting(ModelMixin, ConfigMixin):
    """Turns a reference latent into features aligned with a target view.

    The elevation of the reference camera is needed, but not part of Zero-1-to-3's relative pose; `estimate_elevation`
    estimates an unknown one.

    Args:
        latent_channels: Of the autoencoder.
        latent_size: Side of its latents; also that of the features.
        channels: Channels of the volume besides its density.
        encoder_width: Channels of the reference's features.
        token_width: Channels of its tokens.
        unprojected_channels: Channels that are unprojected, besides the latent itself.
        encoder_blocks: Attention blocks over the tokens.
        volume_widths: Channels of the 3D UNet at full, half and quarter resolution.
        volume_blocks: Attention blocks at quarter resolution.
        resolution: Cells along each axis of the volume.
        radius: Half the side of the volume, world units.
        samples: Samples along a ray.
        fovy: Vertical field of view of all cameras, degrees.
        distance: Distance of the reference camera, world units.
        groups: Of the normalisations of the 3D UNet at full and half resolution.
        bottleneck: Width and number of further attention blocks at quarter resolution.
        picture_size: Side of the reference picture, pixels, whose colours are rendered; 0 for features only.
        picture_channels: Channels of the picture that are unprojected.
        picture_samples: Samples along a ray when colours are rendered.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 4,
        latent_size: int = 16,
        channels: int = 24,
        encoder_width: int = 64,
        token_width: int = 128,
        unprojected_channels: int = 24,
        encoder_blocks: int = 1,
        volume_widths: Sequence[int] = (24, 48, 96),
        volume_blocks: int = 2,
        resolution: int = 16,
        radius: float = 0.62,
        samples: int = 16,
        fovy: float = FOVY_ZERO123,
        distance: float = DISTANCE,
        groups: int = GROUPS,
        bottleneck: Sequence[int] = (0, 0),
        picture_size: int = 0,
        picture_channels: int = 16,
        picture_samples: int = 32,
    ) -> None:
        super().__init__()
        self.picture_size, self.picture_samples = picture_size, picture_samples
        self.latent_size, self.channels, self.resolution, self.samples = latent_size, channels, resolution, samples
        self.radius, self.fovy, self.distance = radius, fovy, distance
        self.encoder = ReferenceEncoder(
            latent_channels, latent_size, encoder_width, token_width, unprojected_channels, encoder_blocks
        )
        geometry = 3 + 3 + 1 + 1  # place in the world, place before the camera, sine of the elevation, radius
        self.volume_unet = VolumeUNet(
            unprojected_channels + latent_channels + geometry,
            channels + 1,
            volume_widths,
            token_width,
            resolution,
            volume_blocks,
            groups,
            (bottleneck[0], bottleneck[1]),
            picture_channels if picture_size else 0,
        )
        self.colour = nn.Linear(2 * latent_channels, channels)
        tokens = (latent_size // 2) ** 2
        self.elevation = nn.Sequential(
            nn.LayerNorm(token_width), nn.Linear(token_width, 16), nn.Flatten(),
            nn.Linear(16 * tokens, 64), nn.SiLU(), nn.Linear(64, 1),
        )  # fmt: skip
        composited = channels + 2  # opacity, and depth less the camera's distance
        self.out_channels = latent_channels + composited
        """Channels of the features of a view: its mean latent, the composited volume, opacity, relief."""
        self.latent_head = nn.Sequential(
            nn.Conv2d(composited, 64, 3, padding=1), nn.SiLU(), nn.Conv2d(64, latent_channels, 3, padding=1)
        )
        self.linear_head = nn.Conv2d(composited, latent_channels, 1)
        if picture_size:
            self.picture_encoder = PictureEncoder(picture_channels)
            self.refiner = VolumeRefiner(volume_widths[0], picture_channels, CELL_CHANNELS)
            self.picture_head = PictureHead(composited, latent_channels, picture_size // latent_size)

    def estimate_elevation(self, latent: Float[Tensor, "batch c h w"]) -> Float[Tensor, " batch"]:
        """Return the elevation of the camera that took a view, from its unscaled latent; degrees."""
        return self._elevation_of(self.encoder(latent)[1])

    def volume(
        self,
        latent: Float[Tensor, "batch c h w"],
        elevation: Float[Tensor, " batch"],
        picture: Float[Tensor, "batch 3 height width"] | None = None,
    ) -> LiftedReference:
        """Return the completed volume.

        Args:
            latent: Posterior mode of the reference view, unscaled.
            elevation: Of its camera, degrees.
            picture: The view itself, rgb in [0, 1], for a lifting with a ``picture_size``.

        Raises:
            ValueError: The lifting needs the picture and none is given.
        """
        return self.volume_and_elevation(latent, elevation, picture)[0]

    def volume_and_elevation(
        self,
        latent: Float[Tensor, "batch c h w"],
        elevation: Float[Tensor, " batch"],
        picture: Float[Tensor, "batch 3 height width"] | None = None,
    ) -> tuple[LiftedReference, Float[Tensor, " batch"]]:
        """Return the volume and the estimated elevation, which training needs too."""
        features, tokens = self.encoder(latent)
        elevation = elevation.float()
        points = cell_centres(self.resolution, self.radius, latent.device)
        local = before_camera(points, self._reference_camera(elevation))
        seen = self._unproject(torch.cat([features, latent], 1), local)
        places = describe_places(points, local, elevation, self.radius).to(seen)
        fine = None
        if self.picture_size:
            if picture is None:
                raise ValueError("this lifting takes colours from the picture: give the picture beside its latent")
            fine_points = cell_centres(2 * self.resolution, self.radius, latent.device)
            fine_local = before_camera(fine_points, self._reference_camera(elevation))
            fine = self._unproject(self.picture_encoder(picture.to(latent)), fine_local)
        completed, full = self.volume_unet(torch.cat([seen, places], 1), tokens, fine)
        volume = completed.permute(0, 2, 3, 4, 1)
        # The latents themselves, at the cell and on average, go around the UNet: it need not learn to pass colours on.
        at_cell = seen[:, -latent.shape[1] :].permute(0, 2, 3, 4, 1)
        average = latent.mean((2, 3))[:, None, None, None].expand_as(at_cell)
        colour = self.colour(torch.cat([at_cell, average], -1))
        volume = torch.cat([volume[..., :1], volume[..., 1:] + colour], -1)
        colors = None
        if fine is not None:
            colors = self.refiner(full, fine, completed[:, :1]).permute(0, 2, 3, 4, 1)
        return LiftedReference(volume, colors, picture), self._elevation_of(tokens)

    @outside_autocast
    def averaged(
        self, references: Sequence[LiftedReference], azimuth: Float[Tensor, " r"], elevation: Float[Tensor, " r"]
    ) -> LiftedReference:
        """One volume of several references of one object, for `look` with the first one's elevation.

        Args:
            references: From `volume`, of one picture each.
            azimuth: Of their cameras from the first one's, degrees.
            elevation: Of their cameras, degrees.
        """
        cameras = look_at(azimuth.float(), elevation.float(), torch.full_like(elevation.float(), self.distance))
        return average(references, azimuth, cameras, self.radius)

    def look(
        self,
        lifted: LiftedReference,
        elevation: Float[Tensor, " batch"],
        relative_pose: Float[Tensor, "batch views 4"],
    ) -> Float[Tensor, "batch views out h w"]:
        """Return features of the views of other cameras; `mean_view` and `opacity` pick two parts of them.

        Args:
            lifted: From `volume`.
            elevation: Of the reference cameras, degrees.
            relative_pose: T of the target cameras, see `viewdistill.cameras.relative_pose`.
        """
        return self.look_and_render(lifted, elevation, relative_pose)[0]

    def mean_picture(
        self,
        lifted: LiftedReference,
        elevation: Float[Tensor, " batch"],
        relative_pose: Float[Tensor, "batch views 4"],
    ) -> Float[Tensor, "batch views 3 height width"]:
        """Return the target views on average, over white, of a lifting with a ``picture_size``.

        Parts visible in the reference keep its details. Arguments are those of `look`.

        Raises:
            ValueError: The lifting renders no pictures.
        """
        pictures = self.look_and_render(lifted, elevation, relative_pose)[1]
        if pictures is None:
            raise ValueError("this lifting renders no pictures: its picture_size is 0")
        return pictures[:, :, :3].clamp(0, 1)

    def look_and_render(
        self,
        lifted: LiftedReference,
        elevation: Float[Tensor, " batch"],
        relative_pose: Float[Tensor, "batch views 4"],
    ) -> tuple[Float[Tensor, "batch views out h w"], Float[Tensor, "batch views 7 height width"] | None]:
        """Return features of the views, and their pictures: rgb, then rgb and opacity as rendered; for training."""
        batch, views = relative_pose.shape[:2]
        c2w = self._wanted_cameras(elevation, relative_pose)
        composited = self._composite(lifted, c2w).to(self.dtype)
        mean = self.latent_head(composited) + self.linear_head(composited)
        if lifted.colors is None:
            return torch.cat([mean, composited], 1).unflatten(0, (batch, views)), None
        render = self._render(lifted, elevation, c2w).to(composited)
        of_latent, of_rgb = self.picture_head(composited, render)
        pictures = torch.cat([render[:, :3] + of_rgb, render], 1)
        looks = torch.cat([mean + of_latent, composited], 1)
        return looks.unflatten(0, (batch, views)), pictures.unflatten(0, (batch, views))

    @outside_autocast
    def _composite(self, lifted: LiftedReference, c2w: Tensor) -> Float[Tensor, "rows composited h w"]:
        """Return features, opacity and relief along the rays of the latents' pixels."""
        batch, size = len(lifted.features), self.latent_size
        origins, directions = (line.reshape(batch, -1, 3) for line in rays(c2w, self.fovy, size, size))
        sums = composite_volume(lifted.features.float(), origins, directions, self.radius, self.samples)
        features, opacity, depth = sums.split([self.channels, 1, 1], -1)
        composited = torch.cat([features, opacity, depth - opacity * self.distance], -1)
        return composited.reshape(len(c2w), size, size, -1).permute(0, 3, 1, 2).contiguous()

    @outside_autocast
    def _render(self, lifted: LiftedReference, elevation: Tensor, c2w: Tensor) -> Float[Tensor, "rows 4 height width"]:
        """Return rgb over white, and opacity."""
        assert lifted.colors is not None
        assert lifted.picture is not None
        batch, size = len(lifted.features), self.picture_size
        origins, directions = (line.reshape(batch, -1, 3) for line in rays(c2w, self.fovy, size, size))
        render = render_colors if lifted.cameras is None else render_references
        cameras = self._reference_camera(elevation.float()) if lifted.cameras is None else lifted.cameras
        found = render(
            lifted.colors.float(), lifted.picture.float(), cameras, origins, directions, self.radius, self.fovy,
            self.picture_samples,
        )  # fmt: skip
        over_white = found[..., :3] + (1 - found[..., 3:])
        return torch.cat([over_white, found[..., 3:]], -1).reshape(-1, size, size, 4).permute(0, 3, 1, 2)

    def mean_view(self, features: Float[Tensor, "batch out h w"]) -> Float[Tensor, "batch c h w"]:
        """Return the mean scaled latent of a view, given the reference, from its features."""
        return features[:, : self.linear_head.out_channels]

    def opacity(self, features: Float[Tensor, "batch out h w"]) -> Float[Tensor, "batch 1 h w"]:
        """Return the silhouette of a view from its features."""
        return features[:, -2:-1]

    @outside_autocast
    def _elevation_of(self, tokens: Tensor) -> Tensor:
        return self.elevation(tokens.to(self.dtype))[:, 0] * ELEVATION_SPREAD + ELEVATION_MEAN

    def _unproject(self, maps: Float[Tensor, "batch c h w"], local: Tensor) -> Float[Tensor, "batch c n n n"]:
        return unproject(maps, local, self.distance, self.fovy)

    def _reference_camera(self, elevation: Float[Tensor, " batch"]) -> Float[Tensor, "batch 4 4"]:
        return look_at(torch.zeros_like(elevation), elevation, torch.full_like(elevation, self.distance))

    @outside_autocast
    def _wanted_cameras(self, elevation: Tensor, relative_pose: Tensor) -> Float[Tensor, "rows 4 4"]:
        polar, sine, cosine, farther = relative_pose.float().flatten(0, 1).unbind(-1)
        wanted = elevation.float().repeat_interleave(relative_pose.shape[1]) - torch.rad2deg(polar)
        return look_at(torch.rad2deg(torch.atan2(sine, cosine)), wanted, self.distance + farther)
