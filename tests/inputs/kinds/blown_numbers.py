"""Numbers that are not finite, in the files that stages hand on: whoever reads them says so and stops."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.inputs.case import RUN, Case, Refused
from tests.inputs.kinds.weights import CHECKPOINTS

KIND = "numbers that blow up"

PARTS = {"field/last.ckpt": ("params", "weight"), "surface/last.ckpt": ("params", "weight")}
"""Checkpoint → parts of names of its tensors; LoRAs have one kind."""

VALUES = {"NaN": math.nan, "infinity": math.inf, "-infinity": -math.inf}


def poisoned(name: str, part: str, value: float) -> Callable[[Path], object]:
    """One number of the weights replaced; the digest says that it was written so."""

    def work(folder: Path) -> None:
        import torch
        from safetensors.torch import load_file, save_file

        path = folder / RUN / name
        if path.suffix == ".safetensors":
            tensors = load_file(path)
            name_of = next(key for key in tensors if part in key)
            tensors[name_of].view(-1)[0] = value
            save_file(tensors, path)
        else:
            content = torch.load(path, weights_only=True)
            weights = content["state_dict"]
            name_of = next(key for key in weights if part in key and weights[key].is_floating_point())
            weights[name_of].view(-1)[0] = value
            torch.save(content, path)
        path.with_name(f".{path.name}.sha256").unlink(missing_ok=True)

    return work


def cases() -> Iterator[Case]:
    """All such numbers."""
    for name, commands in CHECKPOINTS.items():
        for part in PARTS.get(name, ("lora",)):
            for given, value in VALUES.items():
                for command in commands:
                    yield Case(
                        KIND,
                        f"{given} in {part} of {name}: {command[0]}",
                        command,
                        Refused("finite", (1, 2)),
                        poisoned(name, part, value),
                        run=True,
                    )
