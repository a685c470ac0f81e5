"""Records and scores that are JSON and yet not what they should be: every reader names the file and the key."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from commands.reporting.comparison import run_figures
from commands.reporting.content import gather
from commands.reporting.score_words import scores
from commands.reporting.summary import write_summary
from datamodules.runs.run_folder import InputMeta, RunFolder, read_json
from tests.reported_run import box_mesh, complete_run
from viewdistill.errors import ViewDistillError

READERS: dict[str, Callable[[RunFolder], Any]] = {
    "summary": write_summary,
    "report": lambda folder: gather(folder, InputMeta.load(folder.input_meta)),
    "compare": run_figures,
}

DAMAGES: list[tuple[Any, str]] = [
    ([], "the document"),
    (None, "the document"),
    ("text", "the document"),
    ({"seconds": None}, "seconds"),
    ({"seconds": "1"}, "seconds"),
    ({"seconds": math.nan}, "seconds"),
    ({"seconds": -1.0}, "seconds"),
    ({"peak_memory_mb": [1]}, "peak_memory_mb"),
    ({"files": ["a"]}, "files"),
    ({"files": {"a": "large"}}, r"files\.a"),
    ({"figures": None}, "figures"),
    ({"figures": {"metrics": []}}, r"figures\.metrics"),
    ({"figures": {"problems": 7}}, r"figures\.problems"),
    ({"figures": {"input_iou": "high"}}, r"figures\.input_iou"),
]


@pytest.mark.parametrize(("damage", "key"), DAMAGES, ids=lambda value: json.dumps(value)[:40])
def test_a_damaged_record_is_named_with_its_key(run_folder: RunFolder, damage: Any, key: str):
    complete_run(run_folder, box_mesh())
    path = run_folder.record("mesh")
    whole = read_json(path)
    path.write_text(json.dumps({**whole, **damage} if isinstance(damage, dict) else damage))
    for read in READERS.values():
        with pytest.raises(ViewDistillError, match=rf"mesh/stage\.json: {key}.*; delete it and run its stage again"):
            read(run_folder)


@pytest.mark.parametrize(
    ("content", "key"), [([], "the document"), ({"views": 7}, "views"), ({"geometry": [7]}, r"geometry\[0\]")]
)
def test_damaged_scores_are_named_with_their_key(run_folder: RunFolder, content: Any, key: str):
    run_folder.evaluation.write_text(json.dumps(content))
    with pytest.raises(ViewDistillError, match=rf"evaluation\.json: {key}.*; run `viewdistill evaluate` again"):
        scores(run_folder)
    run_folder.evaluation.write_text("{}")
    assert scores(run_folder) == ()
