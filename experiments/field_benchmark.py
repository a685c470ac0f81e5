"""How good are the fields? Guidance methods side by side, on objects that no prior was trained on, with exact truth.

    python -m experiments.field_benchmark --objects 12 --methods usd sds none
    python -m experiments.field_benchmark --skip 12 --objects 4 --methods usd sds csd --scales 1 3 7.5 --out runs/tuning

The second command is how the scales were chosen: on other objects, with the same effort for every method.
Each object is seen once, as input; each method fits a field and makes a mesh with the shipped settings. Views of the
field are compared with renders of the object from 15 cameras it was not seen from (PSNR, SSIM over white), the mesh
with the object's exact shape (Volume IoU, Chamfer distance; protocol `surface`, no alignment). Finished runs are not
repeated. Options that are not listed below go to `viewdistill field`.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from datamodules.run_folder import RunFolder, read_json, write_json
from lightning_modules.radiance_field import load_field
from viewdistill.cameras import FOVY_ZERO123
from viewdistill.mesh.contact_sheet import grid
from viewdistill.mesh.export import load_geometry
from viewdistill.metrics.geometry import geometry_scores
from viewdistill.metrics.images import over_white, psnr, ssim
from viewdistill.objects.generator import TEST_SEEDS, generate
from viewdistill.objects.preview import poses
from viewdistill.objects.render import render

VIEWS = 15
"""Novel views of an object: azimuths 22.5 degrees apart, the input's own azimuth left out."""

VIEW_ELEVATION = 20.0
"""Elevation of the novel views, degrees."""

VIEW_SIZE = 64
"""Side of the compared pictures, pixels: the nano prior's."""


@dataclass(frozen=True)
class Case:
    """One object and the camera of its input view."""

    seed: int
    """Seed of the procedural object."""
    azimuth: float
    """Azimuth of the input camera in the object's own frame, degrees; a run calls it 0."""
    elevation: float
    """Elevation of the input camera, degrees."""

    @classmethod
    def of(cls, seed: int) -> "Case":
        """The input camera of an object: somewhere before its front, from eye level to 30 degrees above."""
        rng = np.random.default_rng([seed, 3])
        return cls(seed, round(float(rng.uniform(-40, 40)), 1), round(float(rng.uniform(0, 30)), 1))

    def views(self, azimuths: list[float], elevations: list[float], size: int) -> Tensor:
        """Renders over white [V, 3, size, size] from cameras given in the frame of the run."""
        c2w = poses([self.azimuth + a for a in azimuths], elevations)
        rgba = render(generate(self.seed), c2w, FOVY_ZERO123, size, supersample=4).rgba
        return over_white(torch.from_numpy(rgba).permute(0, 3, 1, 2).float() / 255)

    def shape(self) -> tuple[np.ndarray, np.ndarray]:
        """Vertices in the frame of the run, and faces."""
        angle = np.deg2rad(-self.azimuth)
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        obj = generate(self.seed)
        return obj.vertices @ turn.T, obj.faces


def write_input(case: Case, folder: Path) -> Path:
    """Render the input view of a case with the description the input stage reads."""
    path = folder / f"{case.seed}.png"
    folder.mkdir(parents=True, exist_ok=True)
    obj = generate(case.seed)
    c2w = poses([case.azimuth], [case.elevation])
    Image.fromarray(render(obj, c2w, FOVY_ZERO123, 256, supersample=4).rgba[0]).save(path)
    description = {"elevation_deg": case.elevation, "framing": "kept", "caption": obj.caption, "seed": case.seed}
    write_json(path.with_suffix(".json"), description)
    return path


@dataclass(frozen=True)
class Arm:
    """One way to fit a field."""

    method: str
    """Guidance method."""
    scale: float | None = None
    """Guidance scale; the configuration's where it is None."""

    def __str__(self) -> str:
        return self.method if self.scale is None else f"{self.method} s={self.scale:g}"

    @property
    def options(self) -> list[str]:
        """Options of `viewdistill field`."""
        scale = [] if self.scale is None else [f"--model.guidance.scale={self.scale}"]
        return [f"--model.guidance.method={self.method}", *scale]


def fit(case: Case, arm: Arm, root: Path, settings: list[str]) -> RunFolder:
    """Run the stages of one object under one arm, each unless it is complete; the log lies beside them."""
    folder = RunFolder(root / str(arm) / str(case.seed))
    commands = {
        "input": ["input", str(write_input(case, root / "inputs")), "--out", str(folder.root)],
        "field": ["field", str(folder.root), *arm.options, *settings],
        "mesh": ["mesh", str(folder.root)],
    }
    folder.root.mkdir(parents=True, exist_ok=True)
    with (folder.root / "log.txt").open("a") as log:
        for stage, command in commands.items():
            if not folder.record(stage).exists():
                command = [str(Path(sys.executable).with_name("viewdistill")), *command]
                subprocess.run(command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    return folder


def evaluate(case: Case, folder: RunFolder) -> dict[str, float]:
    """Scores of one finished run, and of the input view copied to every camera."""
    azimuths, elevations = [360 / (VIEWS + 1) * (k + 1) for k in range(VIEWS)], [VIEW_ELEVATION] * VIEWS
    truth = case.views(azimuths, elevations, VIEW_SIZE)
    source = case.views([0.0], [case.elevation], VIEW_SIZE)
    views = load_field(folder).render_views(
        torch.from_numpy(poses(azimuths, elevations)).float(), FOVY_ZERO123, VIEW_SIZE
    )
    prediction = views.rgb.permute(0, 3, 1, 2)
    shape, true_shape = load_geometry(folder.glb), case.shape()
    geometry = geometry_scores(*shape, *true_shape) if folder.record("mesh").exists() else None
    pictures = [[image.permute(1, 2, 0).numpy() for image in row] for row in (truth, prediction)]
    Image.fromarray(grid(pictures, row_labels=("truth", "field"))).save(folder.root / "novel_views.png")
    return {
        "psnr": float(psnr(prediction, truth).mean()),
        "ssim": float(ssim(prediction, truth).mean()),
        "psnr_copy_input": float(psnr(source.expand_as(truth), truth).mean()),
        "volume_iou": geometry.volume_iou if geometry else 0.0,
        "chamfer": geometry.chamfer if geometry else float("nan"),
        "field_seconds": float(read_json(folder.record("field"))["seconds"]),
    }


def run_case(case: Case, arm: Arm, root: Path, settings: list[str]) -> dict[str, object]:
    """Fit and evaluate, once; what was measured stays beside the run."""
    path = root / str(arm) / str(case.seed) / "scores.json"
    if not path.exists():
        folder = fit(case, arm, root, settings)
        if not folder.record("mesh").exists():
            return {"method": str(arm), **asdict(case), "failed": True}
        write_json(path, {"method": str(arm), **asdict(case), **evaluate(case, folder)})
    return json.loads(path.read_text())


def table(rows: list[dict[str, object]]) -> str:
    """Means by method as a Markdown table."""
    names = ("psnr", "psnr_copy_input", "ssim", "volume_iou", "chamfer", "field_seconds")
    lines = [f"| method | objects | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
    for method in dict.fromkeys(row["method"] for row in rows):
        done = [row for row in rows if row["method"] == method and not row.get("failed")]
        means = [np.mean([float(str(row[name])) for row in done]) if done else float("nan") for name in names]
        lines.append(f"| {method} | {len(done)} | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    return "\n".join(lines)


def main() -> None:
    """Command line of this experiment."""
    parser = argparse.ArgumentParser(description="Compare guidance methods on held-out objects with exact truth.")
    parser.add_argument("--objects", type=int, default=12, help="how many test objects")
    parser.add_argument("--skip", type=int, default=0, help="how many test objects to leave out before them")
    parser.add_argument("--methods", nargs="+", default=["usd", "sds", "none"], help="guidance methods")
    parser.add_argument("--scales", nargs="+", type=float, default=[None], help="guidance scales; the configuration's")
    parser.add_argument("--out", type=Path, default=Path("runs/field-benchmark"), help="folder of all runs")
    parser.add_argument("--jobs", type=int, default=2, help="fits side by side, one thread each")
    arguments, settings = parser.parse_known_args()
    cases = [Case.of(seed) for seed in TEST_SEEDS[arguments.skip :][: arguments.objects]]
    arms = [Arm(method, scale) for method in arguments.methods for scale in arguments.scales]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        jobs = [(case, arm) for case in cases for arm in arms]
        rows = list(pool.map(lambda job: run_case(job[0], job[1], arguments.out, settings), jobs))
    write_json(arguments.out / "scores.json", rows)
    text = table(rows)
    (arguments.out / "table.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
