"""Names of figures, and the view that renders from the input camera are compared with."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules.posed_views import load_cameras
from datamodules.runs.run_folder import RunFolder
from experiments.running.ablate import load_studies
from experiments.running.plan import Planner, Priors, Resolved
from experiments.running.scores import VIEW_SIZE, bias_figures, evaluation_figures, evaluations, write_input_view
from tests.experiments.finished_runs import STUDY, toy_study

EVALUATION = {
    "views": [
        {"of": "field", "protocol": "posed-views", "views": 16, "psnr": {"mean": 20.0}, "ssim": {"mean": 0.9}},
        {"of": "copy of input", "psnr": {"mean": 12.0}, "lpips": {"mean": None, "reason": "no weights"}},
    ],
    "geometry": [{"protocol": "surface", "prediction_points": 5, "chamfer": {"mean": 0.1}}],
    "consistency": [{"of": "views", "reprojection_psnr": {"mean": 25.0}}],
}


def test_figures_of_an_evaluation_have_flat_names_and_missing_ones_a_reason():
    figures, reasons = evaluation_figures(EVALUATION)
    assert figures == {
        "views/field/psnr": 20.0,
        "views/field/ssim": 0.9,
        "views/copy of input/psnr": 12.0,
        "views/copy of input/lpips": None,
        "geometry/surface/chamfer": 0.1,
        "consistency/views/reprojection_psnr": 25.0,
    }
    assert reasons == {"views/copy of input/lpips": "no weights"}


def test_against_the_input_view_only_views_are_scored_under_another_name():
    figures, _ = evaluation_figures(EVALUATION, "input")
    assert set(figures) == {
        "input/field/psnr",
        "input/field/ssim",
        "input/copy of input/psnr",
        "input/copy of input/lpips",
    }


def test_figures_of_a_bias_are_named_by_timestep():
    row = {"timestep": 200, "norm": 0.5, "noise_floor": 0.1, "mean_norm": 0.4, "one_step_psnr": 18, "ddim_psnr": 15.0}
    assert bias_figures({"priors": [{"timesteps": [row]}]}) == {
        "bias/norm/200": 0.5,
        "bias/noise_floor/200": 0.1,
        "bias/one_step_psnr/200": 18.0,
        "bias/ddim_psnr/200": 15.0,
    }


@pytest.mark.parametrize(
    ("study", "expected"),
    [
        ("A1", []),
        ("A2", [("", ["--protocols", "surface", "--field"])]),
        ("A3", [("", ["--protocols", "surface"])]),
        ("A7", [("", ["--protocols", "surface"])]),
    ],
)
def test_what_is_evaluated_follows_from_the_study(
    tmp_path: Path, tiny_prior_folder: Path, resolved: Resolved, study: str, expected: list[tuple[str, list[str]]]
):
    priors = Priors(tiny_prior_folder / "zero123", tiny_prior_folder / "stable-diffusion")
    run = Planner(tmp_path, priors, resolved=resolved).plan(load_studies([study])[0], [1], [0])[0]
    assert evaluations(run) == expected


def test_a_study_says_by_which_protocols_geometry_is_scored(
    tmp_path: Path, tiny_prior_folder: Path, resolved: Resolved
):
    priors = Priors(tiny_prior_folder / "zero123", tiny_prior_folder / "stable-diffusion")
    study = toy_study(tmp_path, f"protocols: [syncdreamer, surface]\n{STUDY}")
    run = Planner(tmp_path, priors, resolved=resolved).plan(study, [1], [0])[0]
    assert evaluations(run) == [("", ["--protocols", "syncdreamer", "surface", "--field"])]


def test_the_input_view_is_over_white_at_the_input_camera(run_folder: RunFolder):
    views = write_input_view(run_folder)
    ((path, camera),) = load_cameras(views)
    assert (camera.azimuth_deg, camera.elevation_deg) == (0.0, 20.0)
    picture = np.asarray(Image.open(path))
    assert picture.shape == (VIEW_SIZE, VIEW_SIZE, 4)
    corner, top, bottom = picture[0, 0], picture[22, 32], picture[42, 32]
    assert corner.tolist() == [255, 255, 255, 255]
    assert top.tolist() == [220, 0, 0, 255]
    assert bottom.tolist() == [0, 0, 200, 255]
