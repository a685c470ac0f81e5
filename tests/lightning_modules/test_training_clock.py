"""The clock of a training that starts from the weights of an earlier one."""

from pathlib import Path
from typing import Any

import pytest

from lightning_modules.priors.autoencoder import Autoencoder
from lightning_modules.priors.trained_prior import TRAINING_FILE
from viewdistill.files import write_json


def test_minutes_are_those_of_this_training(tmp_path: Path) -> None:
    """The rate starts at its peak, however long the earlier training took; records count both."""
    write_json(tmp_path / TRAINING_FILE, {"steps": 9, "samples": 90, "seconds": 6000})
    module = Autoencoder([8, 8, 8], image_size=8, warmup_steps=1, minutes=10.0)
    module.continue_counts(tmp_path)
    assert module.rate_factor(1) == pytest.approx(1)
    checkpoint: dict[str, Any] = {"training": {"steps": 12, "samples": 120, "seconds": 6300}, "global_step": 3}
    module.on_load_checkpoint(checkpoint)
    assert (module.earlier_seconds, module.training_seconds) == (6000, 300)
    assert module.rate_factor(1) == pytest.approx(0.05 + 0.95 / 2)
