import numpy as np
from PIL import Image

from commands.generation.examples import EXAMPLES
from datamodules.runs.run_folder import read_json
from experiments.running.cases import Case
from viewdistill.input.framing import SMALLEST_SIDE
from viewdistill.objects.generator import TEST_SEEDS
from viewdistill.resources import REPOSITORY


def test_an_object_is_seen_from_the_same_camera_every_time_and_from_another_than_its_neighbour():
    first, second = (Case.of(seed) for seed in TEST_SEEDS[:2])
    assert first == Case.of(TEST_SEEDS[0])
    assert first != second
    for case in (first, second):
        assert -40 <= case.azimuth <= 40
        assert 0 <= case.elevation <= 30


def test_a_chosen_elevation_leaves_the_azimuth_as_it_was():
    drawn, chosen = Case.of(TEST_SEEDS[0]), Case.of(TEST_SEEDS[0], 60.0)
    assert (chosen.azimuth, chosen.elevation) == (drawn.azimuth, 60.0)


def test_the_view_is_rendered_once_with_what_is_known_beside_it(tmp_path):
    case = Case.of(TEST_SEEDS[0], 20.0)
    case.write(tmp_path)
    path = case.path(tmp_path)
    time = path.stat().st_mtime_ns
    case.write(tmp_path)
    assert path.stat().st_mtime_ns == time
    rgba = np.asarray(Image.open(path))
    assert rgba.shape == (SMALLEST_SIDE, SMALLEST_SIDE, 4)
    assert 0.02 < (rgba[..., 3] > 0).mean() < 0.9
    known = read_json(path.with_suffix(".json"))
    assert (known["elevation_deg"], known["object_azimuth_deg"]) == (20.0, case.azimuth)
    assert (known["framing"], known["seed"]) == ("kept", TEST_SEEDS[0])


def test_an_example_is_seen_from_where_its_shipped_input_was(tmp_path):
    example = EXAMPLES[0]
    case = Case.of_example(example.seed)
    assert case.label == example.name != Case.of(example.seed).label == str(example.seed)
    case.write(tmp_path)
    drawn, shipped = case.path(tmp_path), REPOSITORY / "examples" / f"{example.name}.png"
    known = read_json(shipped.with_suffix(".json"))
    assert read_json(drawn.with_suffix(".json")) == known
    difference = np.asarray(Image.open(drawn)).astype(int) - np.asarray(Image.open(shipped))
    assert (np.abs(difference) <= 1).mean() > 0.999
