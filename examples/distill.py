"""The library alone: a radiance field from one picture by Unbiased Score Distillation, without a framework or files.

python examples/distill.py                                       # examples/robot.png: minutes on a CPU
python examples/distill.py mug.png --steps 600 --out views.png   # any cut-out picture with an alpha channel
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from torch.nn import functional as F

from viewdistill.cameras import DISTANCE, FOVY_ZERO123, look_at, relative_pose
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.fields.density_field import DensityField
from viewdistill.fields.hash_grid import HashGridConfig
from viewdistill.fields.regularizers import sparsity
from viewdistill.guidance import METHODS, Predictors, Query, draw, score_loss
from viewdistill.input.cut_out import load_cut_out
from viewdistill.input.framing import fit_framing
from viewdistill.rendering.volume_renderer import VolumeRenderer

ROOT = Path(__file__).resolve().parent.parent
ELEVATION = 15.0  # of the input camera, degrees


def distill(picture: Path, steps: int, seed: int = 0) -> torch.Tensor:
    """Fit a field to a picture and return four views of it, [4, 3, 64, 64] in [0, 1]."""
    torch.manual_seed(seed)
    view = ViewConditionedPrior.from_folder(ROOT / "priors/nano/zero123")
    text = TextConditionedPrior.from_folder(ROOT / "priors/nano/stable-diffusion")
    size, white = view.image_size, torch.ones(3)

    rgba = torch.from_numpy(fit_framing(load_cut_out(picture).rgba)).permute(2, 0, 1)[None] / 255
    rgba = F.interpolate(rgba, (size, size), mode="bilinear", antialias=True)
    mask = rgba[:, 3:]
    image = rgba[:, :3] * mask + 1 - mask
    predictors = Predictors(view, text, image=image, elevation_deg=ELEVATION)
    usd = replace(METHODS["usd"], guidance_scale=3.0)  # g = w(t) s (ε_Z(y, T) − ε_S(∅))

    field = DensityField(HashGridConfig(n_levels=8, log2_hashmap_size=16, per_level_scale=1.3459), radius=0.65)
    renderer = VolumeRenderer(field, occupancy_resolution=32, n_samples_per_ray=96)
    optimizer = torch.optim.AdamW(field.parameters(), lr=5e-3, betas=(0.9, 0.99), eps=1e-15)
    angles = [torch.tensor([value]) for value in (0.0, ELEVATION, DISTANCE)]  # of the input camera

    for step in range(steps):
        renderer.update_occupancy(step)
        azimuth, elevation = 360 * torch.rand(1), 70 * torch.rand(1) - 10  # all around, -10 to 60 degrees up
        camera = azimuth, elevation, angles[2]
        novel = renderer.render_views(look_at(*camera), FOVY_ZERO123, size, size, white)
        latents = predictors.encode(novel.rgb)
        t, noise = draw(usd.timesteps, latents, step / steps, view.schedule)
        pose = relative_pose(angles[0], angles[1], angles[2], *camera)
        query = Query(latents.detach(), t, noise, view.schedule, usd.branches, pose)
        loss = score_loss(latents, usd.combine(predictors.predict({"novel": query})["novel"]))

        known = renderer.render_views(look_at(*angles), FOVY_ZERO123, size, size, white)
        loss = loss + 500 * F.mse_loss(known.rgb, image) + 100 * F.mse_loss(known.opacity, mask)
        loss = loss + 10 * sparsity(novel.opacity)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    around = look_at(torch.arange(4) * 90.0, torch.full((4,), ELEVATION), torch.full((4,), DISTANCE))
    with torch.no_grad():
        return renderer.eval().render_views(around, FOVY_ZERO123, size, size, white).rgb


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path, nargs="?", default=ROOT / "examples/robot.png")
    parser.add_argument("--steps", type=int, default=300, help="length of the fit (default 300)")
    parser.add_argument("--out", type=Path, default=Path("robot_views.png"), help="the four views, side by side")
    arguments = parser.parse_args()
    views = distill(arguments.picture, arguments.steps)
    pixels = (torch.cat([*views], 2).permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    Image.fromarray(pixels).save(arguments.out)
