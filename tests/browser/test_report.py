"""The report in a real browser, headless: the page and its viewer, offline and without an error."""

import io
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from commands.reporting import report
from datamodules.runs.run_folder import MadeBy, RunFolder
from tests.reported_run import CAPTION, box_mesh, complete_run
from viewdistill.cameras import FOVY_ZERO123, look_at
from viewdistill.mesh.raster import render_mesh
from viewdistill.mesh.textured_mesh import TexturedMesh

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (extra `dev`)")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SOFTWARE_WEBGL = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


class ReportPage:
    """A report that is open in a browser, with what the browser complained about and fetched."""

    def __init__(self, page, path: Path) -> None:
        self.page, self.path = page, path
        self.problems: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.problems.append(message.text))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self) -> None:
        """Load the page, and wait until the mesh is drawn."""
        self.page.goto(self.path.as_uri())
        self.wait_until("window.viewer && window.viewer.ready")

    def wait_until(self, expression: str, seconds: float = 30) -> None:
        """Ask from outside until it holds: Playwright's own wait evaluates inside the page, whose policy forbids it."""
        deadline = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline, f"{expression} did not come true in {seconds} s: {self.problems}"
            time.sleep(0.05)

    def state(self, name: str):
        """What `window.viewer` says."""
        return self.page.evaluate(f"window.viewer.{name}")

    def picture(self) -> np.ndarray:
        """What the canvas shows, RGB, after the next frame."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        screenshot = Image.open(io.BytesIO(self.page.locator("#viewer").screenshot())).convert("RGB")
        # Square but for a row at the edge, where the canvas does not start at a whole pixel.
        side = min(screenshot.size)
        return np.asarray(screenshot).astype(int)[:side, :side]


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Headless Chromium that draws in software."""
    with playwright.sync_playwright() as driver:
        own = Path(driver.chromium.executable_path)
        found = next(filter(None, map(shutil.which, BROWSERS)), None) or (own.is_file() and str(own))
        if not found:
            pytest.skip("no Chromium: install the system's, or run `playwright install chromium`")
        browser = driver.chromium.launch(executable_path=found, args=[*SOFTWARE_WEBGL, "--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def mesh() -> TexturedMesh:
    return box_mesh()


@pytest.fixture
def opened(browser, mesh: TexturedMesh, run_folder: RunFolder) -> Iterator[ReportPage]:
    """The report of a complete run, open."""
    complete_run(run_folder, mesh)
    report.run(report.Request(run_folder=run_folder.root))
    context = browser.new_context(viewport={"width": 900, "height": 1200}, color_scheme="light")
    shown = ReportPage(context.new_page(), run_folder.report)
    shown.open()
    yield shown
    context.close()


def agreement(picture: np.ndarray, shown: ReportPage, mesh: TexturedMesh) -> tuple[float, float]:
    """Overlap (IoU) of the viewer's silhouette with that of our renderer, and the mean difference of their colours."""
    angles = (torch.tensor(float(shown.state(name))) for name in ("azimuth", "elevation", "distance"))
    view = render_mesh(mesh, look_at(*angles)[None], FOVY_ZERO123, len(picture))
    expected = view.alpha[0] > 0.5
    found = np.abs(picture - picture[5, 5]).sum(-1) > 30
    both = expected & found
    difference = np.abs(picture / 255 - view.rgb[0])[both].mean()
    return both.sum() / (expected | found).sum(), float(difference)


def test_the_mesh_is_shown_as_our_renderer_shows_it_and_turns(opened: ReportPage, mesh: TexturedMesh):
    assert opened.state("triangles") == len(mesh.faces)
    assert [opened.state(name) for name in ("azimuth", "elevation", "distance")] == [0, 20, 1.5]
    start = opened.picture()
    overlap, difference = agreement(start, opened, mesh)
    assert overlap > 0.97
    assert difference < 0.03

    # A drag to the left takes the camera to the right.
    box = opened.page.locator("#viewer").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    opened.page.mouse.move(x, y)
    opened.page.mouse.down()
    opened.page.mouse.move(x - 60, y + 20, steps=4)
    opened.page.mouse.up()
    assert opened.state("azimuth") == pytest.approx(30)
    assert opened.state("elevation") == pytest.approx(30)
    turned = opened.picture()
    assert np.abs(turned - start).mean() > 5
    overlap, difference = agreement(turned, opened, mesh)
    assert overlap > 0.97
    assert difference < 0.03

    opened.page.mouse.wheel(0, 100)
    opened.wait_until("window.viewer.distance > 1.6")
    assert agreement(opened.picture(), opened, mesh)[0] > 0.97
    opened.page.locator("#viewer").press("Home")
    # Without the corners, which the mark of the focused element touches.
    assert np.array_equal(opened.picture()[8:-8, 8:-8], start[8:-8, 8:-8])
    assert opened.problems == []


def test_looks_and_keys(opened: ReportPage):
    pictures = {"Texture": opened.picture()}
    for look in ("Shape", "Wireframe"):
        opened.page.get_by_role("button", name=look).click()
        pictures[look] = opened.picture()
        assert opened.page.get_by_role("button", name=look).get_attribute("aria-pressed") == "true"
    assert np.abs(pictures["Shape"] - pictures["Texture"]).mean() > 5
    assert np.abs(pictures["Wireframe"] - pictures["Shape"]).mean() > 5
    canvas = opened.page.locator("#viewer")
    for key in ("1", "ArrowRight", "ArrowUp", "-"):
        canvas.press(key)
    assert (opened.state("mode"), opened.state("azimuth"), opened.state("elevation")) == ("texture", 10, 30)
    assert opened.state("distance") > 1.5
    assert opened.problems == []


def test_the_page_needs_nothing_else_and_runs_nothing_foreign(opened: ReportPage):
    assert opened.page.get_by_text(CAPTION).is_visible()
    assert opened.page.evaluate("window.hacked") is None
    assert opened.page.title() == "a<b> · ViewDistill"
    broken = "[...document.images].filter((image) => !image.complete || !image.naturalWidth).length"
    assert opened.page.evaluate(broken) == 0
    assert opened.page.evaluate("document.images.length") == 14
    schemes = [url for url in opened.requests if not url.startswith("data:")]
    assert schemes == [opened.path.as_uri()]
    # Nothing sticks out at the side of a telephone.
    for width in (1280, 390, 320):
        opened.page.set_viewport_size({"width": width, "height": 700})
        assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    background = "getComputedStyle(document.body).backgroundColor"
    light = opened.page.evaluate(background)
    opened.page.emulate_media(color_scheme="dark")
    assert opened.page.evaluate(background) != light
    assert opened.problems == []


def test_the_keyboard_reaches_all_that_can_be_used_in_reading_order(opened: ReportPage):
    reached: list[str] = []
    for _ in range(40):
        opened.page.keyboard.press("Tab")
        reached.append(opened.page.evaluate("document.activeElement.innerText || document.activeElement.tagName"))
        assert opened.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "hidden"
    wanted = ["CANVAS", "Texture", "Shape", "Wireframe", "Input camera", "INPUT", "field", "surface"]
    places = [next(i for i, text in enumerate(reached) if text.startswith(name)) for name in wanted]
    assert places == sorted(places)
    # Open where the run keeps no command that makes all of it.
    assert opened.page.get_by_text("viewdistill surface").is_visible()
    opened.page.get_by_text("Stage by stage").focus()
    opened.page.keyboard.press("Enter")
    assert not opened.page.get_by_text("viewdistill surface").is_visible()
    assert opened.problems == []


def test_the_command_that_makes_it_again_is_shown_first(browser, mesh: TexturedMesh, run_folder: RunFolder):
    complete_run(run_folder, mesh)
    MadeBy(["viewdistill", "object", "--", "a<b>.png"]).save(run_folder.command)
    report.run(report.Request(run_folder=run_folder.root))
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    shown = ReportPage(context.new_page(), run_folder.report)
    shown.open()
    assert shown.page.get_by_text("viewdistill object -- 'a<b>.png'").is_visible()
    assert not shown.page.get_by_text("viewdistill surface").is_visible()
    assert shown.problems == []
    context.close()
