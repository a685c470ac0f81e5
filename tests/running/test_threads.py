"""One and two threads: sums are added up in another order, so bytes may differ; scores hardly do."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from datamodules.cameras import CameraSampler
from datamodules.runs.run_folder import RunFolder
from tests.tiny_field import EVERYTHING, fit, guidance, module
from viewdistill.metrics.images import psnr

STEPS = 60
"""Of each fit."""

TOLERANCE = 0.1
"""Difference of scores that the documentation allows, dB."""


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    """Numbers of threads are those of the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def score(folder: RunFolder, prior: Path, threads: int) -> tuple[float, torch.Tensor]:
    """PSNR of a fitted field's input view against the truth, dB, and the field's grid."""
    torch.set_num_threads(threads)
    model = module(guidance(prior, "usd"), EVERYTHING)
    fit(model, folder, STEPS)
    data = CameraSampler(str(folder.root))
    data.setup("fit")
    rgb, _ = data.input_view.resized(32)
    views = model.render_views(data.input_view.cameras.c2w, data.meta.fovy_deg, 32)
    return float(psnr(views.rgb.movedim(-1, 1), rgb)), model.density_field.grid.params.detach().clone()


def test_scores_agree_between_one_and_two_threads(run_folder: RunFolder, tiny_prior_folder: Path) -> None:
    one, parameters = score(run_folder, tiny_prior_folder, 1)
    again, same = score(run_folder, tiny_prior_folder, 1)
    assert one == again
    assert torch.equal(parameters, same)
    assert one > 10
    two, _ = score(run_folder, tiny_prior_folder, 2)
    print(f"PSNR on one thread {one:.3f} dB, on two {two:.3f} dB")
    assert abs(one - two) <= TOLERANCE
