"""What is done to every image: the Makefile's stages and commands, and what tells that results still hold."""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Literal

import pytest

from commands.scaling import batch as batch_module
from commands.scaling.batch import Batch, content_identity
from commands.stages.configuration import REPOSITORY

Source = Literal["surface", "field"]


def make_says(runs: Path, *arguments: str) -> str:
    """What make would do for an example, with all it knows about its rules."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "-n", "-p", "object", "IMG=examples/mug.png", f"RUNS={runs}", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    ).stdout


def stage_of(arguments: list[str]) -> str:
    """The stage that arguments of `viewdistill` complete."""
    number = next((a.removeprefix("--stage=") for a in arguments if a.startswith("--stage=")), "")
    return arguments[0].replace("-", "_") + (f"_{number}" if number else "")


@pytest.mark.parametrize("source", ["surface", "field"])
def test_stages_commands_and_order_are_those_of_the_makefile(tmp_path: Path, source: Source) -> None:
    more = {"FIELD": "--trainer.max_steps 7", "SPECIALIZE_2": "--seed 5", "MESH": "--faces 9"}
    said = make_says(
        tmp_path, "PRESET=debug", "SEED=3", f"SOURCE={source}", *(f"{name}={value}" for name, value in more.items())
    )
    batch = Batch("debug", 3, source, tuple((name.lower(), tuple(value.split())) for name, value in more.items()))
    lines = [shlex.split(line) for line in said.splitlines() if line.startswith(".venv/bin/viewdistill ")]
    commands = {stage_of(arguments): arguments for _, *arguments in lines if arguments[0] != "summary"}
    run = tmp_path / "mug"
    assert commands == {
        stage: [text.replace(f"{REPOSITORY}/", "") for text in batch.command(stage, Path("examples/mug.png"), run)]
        for stage in batch.stages
    }

    needs: dict[str, set[str]] = {}
    for line in said.splitlines():
        target, _, prerequisites = line.partition("/stage.json: ")
        if prerequisites and target.startswith(f"{run}/") and " " not in target:
            records = [word for word in prerequisites.split() if word.endswith("/stage.json")]
            needs[target.removeprefix(f"{run}/")] = {Path(record).parent.name for record in records}
    assert {stage: needs[stage] for stage in batch.stages} == {stage: set(batch.needs(stage)) for stage in batch.stages}
    done: set[str] = set()
    for stage in batch.stages:
        assert done.issuperset(batch.needs(stage)), stage
        done.add(stage)


def changed_stages(first: Batch, second: Batch) -> set[str]:
    """Stages whose results do not hold for another batch."""
    image = (b"picture", None)
    before, after = (batch.keys(batch.digests(), image) for batch in (first, second))
    return {stage for stage in after if before.get(stage) != after[stage]}


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (Batch(options=(("input", ("--elevation=5",)),)), {"input"}),
        (Batch(options=(("field", ("--trainer.max_steps=7",)),)), {"field"}),
        (Batch(options=(("class_images", ("--count=7",)),)), {"class_images"}),
        (Batch(options=(("mesh", ("--faces=9",)),)), {"mesh"}),
        (Batch(seed=4), set(Batch().stages) - {"input", "mesh", "report"}),
        (Batch(preset="debug"), set(Batch().stages) - {"input", "mesh", "report"}),
        (Batch(source="field"), {"mesh"}),
    ],
)
def test_a_change_reaches_its_stages_and_what_follows(change: Batch, first: set[str]) -> None:
    expected: set[str] = set()
    for stage in change.stages:
        if stage in first or expected.intersection(change.needs(stage)):
            expected.add(stage)
    assert changed_stages(Batch(), change) == expected
    assert changed_stages(change, change) == set()


def test_an_image_and_its_description_reach_everything() -> None:
    batch = Batch()
    digests = batch.digests()
    keys = [batch.keys(digests, image) for image in ((b"a", None), (b"b", None), (b"a", b"{}"), (b"", b"a"))]
    for stage in batch.stages:
        assert len({key[stage] for key in keys}) == 4, stage


def test_weights_count_by_content_and_not_by_place_or_time(tmp_path: Path) -> None:
    def digest(place: Path) -> str:
        changed = ("field", ("--model.guidance.view_prior", str(place)))
        return Batch(options=(changed,), source="field").digests()["field"]

    prior = tmp_path / "prior"
    prior.mkdir()
    (prior / "weights.safetensors").write_bytes(b"one")
    before = digest(prior)
    os.utime(prior / "weights.safetensors", (1, 1))
    assert digest(prior) == before
    (prior / "weights.safetensors").write_bytes(b"two")
    assert digest(prior) != before


def test_very_large_files_are_known_by_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(100))
    whole = content_identity(path)
    monkeypatch.setattr(batch_module, "LARGE_FILE", 100)
    monkeypatch.setattr(batch_module, "BLOCK", 10)
    found = {whole}
    for position in (0, 50, 99):
        content = bytearray(100)
        content[position] = 1
        path.write_bytes(content)
        found.add(content_identity(path))
    path.write_bytes(bytes(101))
    found.add(content_identity(path))
    assert len(found) == 5
