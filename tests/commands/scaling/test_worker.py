"""What becomes of a job that cannot be done: it is told in one line, and what was complete stays."""

from dataclasses import replace
from pathlib import Path

import pytest

from commands.pipeline.recipe import Recipe
from commands.scaling.batch import digests
from commands.scaling.images import ImageFile
from commands.scaling.worker import Job, make_object
from datamodules.runs.run_folder import RunFolder, read_json
from tests.commands.scaling.tiny_batch import write_images


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """Of a batch whose field stage finds no prior; what a worker does to its process is undone."""
    for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "HF_HUB_DISABLE_PROGRESS_BARS"):
        monkeypatch.setenv(variable, "1")
    monkeypatch.chdir(tmp_path)
    images = write_images(tmp_path / "images", "a")
    recipe = Recipe("debug", source="field", options=(("field", ("--model.guidance.view_prior=no/such/prior",)),))
    image = ImageFile.read("a", images / "a.png")
    return Job(image, recipe, digests(recipe), str(tmp_path / "out"), str(tmp_path), threads=1)


def test_a_stage_that_fails_leaves_those_before_it_complete(job: Job) -> None:
    folder = RunFolder(Path(job.out) / "a")
    first = make_object(job)
    assert first.stages == ("input",)
    assert first.error is not None
    assert "no/such/prior" in first.error
    assert read_json(folder.root / "objects.json")["stages"].keys() == {"input"}
    written = folder.rgba.stat().st_mtime_ns
    again = make_object(job)
    assert (again.stages, again.error) == ((), first.error)
    assert folder.rgba.stat().st_mtime_ns == written
    # Another image under the same name: its input is made anew.
    other = replace(job.image, content=job.image.content + b"more")
    assert make_object(replace(job, image=other)).stages == ("input",)


def test_an_image_that_cannot_be_read_leaves_nothing(job: Job) -> None:
    outcome = make_object(replace(job, image=replace(job.image, content=b"no picture")))
    assert outcome.stages == ()
    assert outcome.error is not None
    assert "not an image" in outcome.error
    assert not Path(job.out).exists()


def test_a_machine_with_other_priors_or_configurations_refuses(job: Job) -> None:
    outcome = make_object(replace(job, digests={**job.digests, "mesh": "of another version"}))
    assert outcome.error is not None
    assert "install the same version on all machines" in outcome.error
    assert not Path(job.out).exists()


def test_the_limit_of_memory_travels_with_the_job(job: Job) -> None:
    outcome = make_object(replace(job, memory_limit=2 * 10**8))
    assert outcome.error is not None
    assert "input: needs about 0.8 GB of memory, and 0.2 GB are the limit (--memory-limit)" in outcome.error
