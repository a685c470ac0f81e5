"""The five lines that an object ends with."""

from pathlib import Path

import pytest

from commands.pipeline.display import Display
from commands.pipeline.outcome import Outcome, tell
from datamodules.runs.run_folder import InputMeta, RunFolder, make_folder


@pytest.mark.parametrize(("seed", "options"), [(None, " --gt MESH"), (3, "")])
def test_the_way_to_scores_is_the_one_that_the_run_takes(
    seed: int | None, options: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path)
    make_folder(folder.input_meta.parent)
    InputMeta("mug", 0.0, "fitted", "mug.png", seed=seed).save(folder.input_meta)
    tell(Outcome(folder, 90.0), Display())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["mesh", "report", "video", "scores", "minutes"]
    assert f"`viewdistill evaluate {tmp_path}{options}`" in lines[3]
    assert lines[4].split() == ["minutes", "1.5"]
