"""Curves as SVG, the mesh's arrays, and what the page makes of words that look like markup."""

import base64
import io
import json
import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from viewdistill.errors import ViewDistillError
from viewdistill.mesh.export import WORLD_TO_FILE, InputCamera, save_glb
from viewdistill.mesh.textured_mesh import TexturedMesh
from viewdistill.report.curve_plot import curve_svg, running_mean
from viewdistill.report.mesh_data import viewer_mesh
from viewdistill.report.page import Gallery, Page, PictureColumn, Plot, ReportedStage, Score, render_page

FOUL = "</script><script>alert(1)</script> & \"'"


def heights(svg: str, style: str) -> list[float]:
    """Ordinates of a line, from the top."""
    root = ElementTree.fromstring(svg)
    line = next(element for element in root.iter() if element.get("class") == style)
    return [float(point.split(",")[1]) for point in line.attrib["points"].split()]


def test_a_curve_spans_its_plot_between_its_extremes():
    svg = curve_svg("loss", [10, 20, 30], [4.0, 1.0, 2.5])
    assert heights(svg, "values") == [8, 112, 60]
    assert [element.text for element in ElementTree.fromstring(svg) if element.text] == ["4", "1", "10", "30"]


def test_a_wide_range_of_positive_values_is_logarithmic():
    svg = curve_svg("loss", [0, 1, 2], [100.0, 10.0, 1.0])
    assert heights(svg, "values") == [8, 60, 112]
    assert ">log<" in svg


@pytest.mark.parametrize(
    "values",
    [[1.0], [3.0, 3.0], [math.nan, 2.0, math.inf], [-1e308, 1e308], [0.0, 1e-300], [1e-300, 1.0, 1e300]],
    ids=str,
)
def test_odd_values_are_drawn_within_the_plot(values: list[float]):
    svg = curve_svg(FOUL, list(range(len(values))), values)
    assert ElementTree.fromstring(svg).get("aria-label") == FOUL
    assert all(8 <= height <= 112 for style in ("values", "mean") for height in heights(svg, style))


def test_nothing_finite_is_no_picture():
    assert curve_svg("loss", [1], [math.nan]) == ""


def test_large_values_have_short_labels():
    labels = [e.text for e in ElementTree.fromstring(curve_svg("cost", [1, 2], [1234.5, 1e7])) if e.text]
    assert labels == ["1e+07", "1,234", "log", "1", "2"]


def test_the_running_mean_of_a_constant_is_that_constant():
    assert running_mean([2.0] * 5) == pytest.approx([2.0] * 5)
    assert running_mean([0.0, 1.0])[1] == pytest.approx(1 / 1.9)


def test_the_viewer_gets_the_arrays_of_the_file(tmp_path: Path):
    vertices = np.array([[0.1, 0.2, 0.3], [0.5, 0.2, 0.3], [0.1, 0.7, 0.4]], np.float32)
    texture = np.zeros((4, 4, 3), np.uint8)
    texture[0] = (255, 0, 0)  # the top row, v = 1
    uvs = np.array([[0, 0], [1, 0], [0, 0.75]], np.float32)
    normals = np.tile(np.array([0, 0, 1], np.float32), (3, 1))
    mesh = TexturedMesh(vertices, np.array([[0, 1, 2]]), uvs, texture, normals)
    save_glb(mesh, tmp_path / "a.glb", InputCamera(20.0))
    found = viewer_mesh(tmp_path / "a.glb", InputCamera(20.0, 5.0, 1.7, 40.0))

    def array(name: str, kind: str) -> np.ndarray:
        return np.frombuffer(base64.b64decode(found[name]), kind)

    assert array("positions", "<f4").reshape(-1, 3) == pytest.approx(vertices @ WORLD_TO_FILE.T)
    assert array("normals", "<f4").reshape(-1, 3) == pytest.approx(normals @ WORLD_TO_FILE.T)
    assert array("uvs", "<f4").reshape(-1, 2) == pytest.approx(np.array([[0, 1], [1, 1], [0, 0.25]]))
    assert array("faces", "<u4").tolist() == [0, 1, 2]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["texture"].split(",")[1]))))
    assert np.array_equal(picture, texture)
    assert found["camera"] == {"azimuth": 5.0, "elevation": 20.0, "distance": 1.7, "fovy": 40.0}


def test_a_damaged_mesh_is_named(tmp_path: Path):
    (tmp_path / "a.glb").write_bytes(b"glTF")
    with pytest.raises(ViewDistillError, match=r"a\.glb: cannot be read as a textured mesh"):
        viewer_mesh(tmp_path / "a.glb", InputCamera(20.0))


def test_every_word_is_escaped():
    stage = ReportedStage(FOUL, 1.0, 2.0, FOUL, FOUL, FOUL, (Plot(FOUL, 1.0, curve_svg(FOUL, [1], [1.0])),))
    gallery = Gallery(FOUL, FOUL, (PictureColumn(FOUL, ("data:image/png;base64,",)),))
    facts = {FOUL: FOUL}
    page = Page(FOUL, FOUL, FOUL, facts, (FOUL,), (FOUL,), (gallery,), (stage,), {"texture": FOUL}, facts)
    text = render_page(page)
    assert "alert(1)</script>" not in text
    assert text.count("alert(1)") >= 20
    block = re.search(r'<script type="application/json" id="mesh">(.*?)</script>', text, re.DOTALL)
    assert block is not None
    assert json.loads(block[1]) == {"texture": FOUL}
    assert text.count("<script") == 2


def test_a_page_without_mesh_has_no_script():
    page = Page("robot", "", "1.0", {}, (), ("mesh",), (), (), None, {})
    text = render_page(page)
    assert "<script" not in text
    assert "Not made yet." in text
    assert "Not run: mesh." in text


def test_video_scores_turntable_and_commands_are_shown_where_they_are():
    views = tuple(PictureColumn(f"azimuth {angle}°", ("data:,", "data:,")) for angle in (0, 90))
    galleries = (Gallery("Input", ""), Gallery("Refined views", "", views, turn=True))
    page = Page("robot", "", "0", {}, (), (), galleries, (), None, {})
    assert "<video" not in render_page(page)
    score = Score("PSNR, dB", FOUL, "21.5", "20 is rough, 30 is close")
    full = render_page(replace(page, video="data:video/mp4;base64,AA", scores=(score,), commands=("viewdistill a <b",)))
    assert '<video controls loop muted playsinline preload="metadata"' in full
    assert '<td class="number">21.5</td><td>20 is rough, 30 is close</td>' in full
    assert '<div class="gallery turn">' in full
    assert full.count("<script") == 1  # the slider's
    assert "viewdistill a &lt;b" in full
    assert FOUL not in full
