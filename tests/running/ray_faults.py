"""The head of a Ray cluster dies while objects are made; Ray takes long to start, so this is part of `make test-kills`.

What becomes of a dead worker's object is tested in tests/commands/scaling/test_objects.py.
"""

from pathlib import Path

import psutil
import pytest

from commands.scaling.head import SERVERS
from tests.commands.scaling.tiny_batch import start_objects, write_images
from tests.processes import ended, wait_for


@pytest.mark.parametrize("server", SERVERS)
def test_a_dead_head_ends_it_in_one_line_and_the_same_command_goes_on(
    server: str, tmp_path: Path, tiny_prior_folder: Path
) -> None:
    images, out = write_images(tmp_path / "images", "ab"), tmp_path / "out"
    options = ("--trainer.max_steps=60", "--trainer.limit_val_batches=0")
    with ended(start_objects(images, str(out), tiny_prior_folder, *options)) as process:
        wait_for(lambda: list(out.glob("*/field/last.ckpt")), process)
        children = psutil.Process(process.pid).children(recursive=True)
        next(child for child in children if child.name() == server).kill()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors == (
        f"viewdistill objects: the head of the Ray cluster on this machine has died (its {server} ended); "
        "start the same command again: it goes on\n"
    )
    workers = [child for child in children if child.name().startswith("ray::make_object")]
    assert workers
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    with ended(start_objects(images, str(out), tiny_prior_folder, *options)) as process:
        output, errors = process.communicate(timeout=200)
    assert (process.returncode, errors) == (0, "")
    assert output.count(": complete, ") == 2
    assert any("resuming after step" in path.read_text() for path in out.glob("*/objects.log"))
