"""What ends a stage is what the user is told, whatever cannot be written down about it."""

from pathlib import Path

import pytest

from datamodules.runs.stage_record import ATTEMPT, RECORD, record_stage
from viewdistill.errors import ViewDistillError


@pytest.mark.parametrize("error", [ViewDistillError("last.ckpt: cannot be written"), KeyboardInterrupt()])
def test_a_note_that_cannot_be_written_hides_no_error(tmp_path: Path, error: BaseException) -> None:
    def fail() -> None:
        with record_stage(tmp_path, "toy", key="a"):
            (tmp_path / ATTEMPT).unlink()
            (tmp_path / ATTEMPT / "in the way").mkdir(parents=True)
            raise error

    with pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    assert not (tmp_path / RECORD).exists()
