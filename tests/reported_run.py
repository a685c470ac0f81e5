"""A run folder whose stages are all there, small and made by hand, for tests of what shows runs."""

import numpy as np
import torch
import trimesh
from PIL import Image

from datamodules.posed_views import ViewCamera, save_cameras, save_view
from datamodules.runs.curves import CurveRow, save_rows
from datamodules.runs.run_folder import InputMeta, RunFolder, write_json
from viewdistill.mesh.baking import texture_mesh
from viewdistill.mesh.export import InputCamera, save_glb
from viewdistill.mesh.textured_mesh import TexturedMesh

CAPTION = 'a <script>window.hacked = true</script> & "quoted" box'
"""Words that a page must show as they are."""


def box_mesh() -> TexturedMesh:
    """A box 0.4 wide, 0.6 deep and 0.8 high: red in front (+x), green on top, blue elsewhere."""

    def color(points: torch.Tensor) -> torch.Tensor:
        red, green, blue = torch.eye(3)
        sides = torch.where(points[:, :1] > 0.29, red, blue)
        return torch.where(points[:, 2:] > 0.39, green, sides)

    box = trimesh.creation.box(extents=(0.6, 0.4, 0.8)).subdivide().subdivide()
    return texture_mesh(np.array(box.vertices), np.array(box.faces), color, 128)


def complete_run(folder: RunFolder, mesh: TexturedMesh) -> None:
    """Fill the run of the `run_folder` fixture, whose input stage is complete, with the other stages' files."""
    meta = InputMeta("a<b>", 20.0, "kept", "a<b>.png", caption=CAPTION, class_word="box", elevation_source="estimate")
    meta.save(folder.input_meta)
    cameras = [ViewCamera(azimuth, 10.0) for azimuth in (0.0, 120.0, 240.0)]
    for index, grey in enumerate((60, 120, 180)):
        for views, blue in ((folder.novel_views, 0), (folder.raw_views, 100), (folder.refined_views, 200)):
            save_view(views, index, np.full((16, 16, 4), (grey, grey, blue, 255), np.uint8))
    for views in (folder.novel_views, folder.raw_views, folder.refined_views):
        save_cameras(views, cameras)
    for stage in ("field", "specialize_1", "specialize_2", "surface"):
        save_rows(folder.curves(stage), [CurveRow(step, {"loss": 2.0**-step, "opacity": 0.4}) for step in range(9)])
        folder.config(stage).write_text(f"seed_everything: 0\nmodel:\n  run: {folder.root}\n  rate: 0.1\n")
    for stage in ("specialize_1", "specialize_2"):
        Image.new("RGB", (64, 32), "white").save(folder.samples(stage))
    (folder.stage("field") / "views").mkdir()
    Image.new("RGB", (64, 32), "grey").save(folder.stage("field") / "views" / "step_000020.png")
    save_glb(mesh, folder.glb, InputCamera(elevation=20.0))
    Image.new("RGB", (64, 32), "grey").save(folder.contact_sheet)
    figures = {"source": "surface", "watertight": False, "vertices": len(mesh.vertices), "faces": len(mesh.faces)}
    figures["texels_from_views"] = 0.25
    for stage in ("field", "novel_views", "class_images", "specialize_1", "specialize_2", "views", "surface", "mesh"):
        metrics = {"metrics": {"loss": 0.125, "opacity": 0.4}}
        own = figures if stage == "mesh" else metrics if folder.curves(stage).is_file() else {}
        record = {"stage": stage, "seconds": 12.5, "peak_memory_mb": 1500.0, "files": {}, "figures": own}
        write_json(folder.record(stage), record)
