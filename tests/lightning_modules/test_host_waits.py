"""How often a step of the field makes the program wait for its device: counted on a CPU, on the way a GPU takes."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from callbacks.finite_guard import FiniteGuard
from datamodules.runs.run_folder import RunFolder
from lightning_modules.field_settings import LossWeights
from lightning_modules.guidance_settings import GuidanceSettings
from lightning_modules.radiance_field import RadianceField
from tests.tiny_field import EVERYTHING, INPUT_TERMS, fit, guidance, module
from viewdistill.rendering import compositing

SIZED_BY_VALUES = ("nonzero", "masked_select", "_unique2", "unique_consecutive")
"""Operations whose result has a size that only the device knows."""


class Waits(TorchDispatchMode):
    """Where a GPU would be waited for: values that become Python's, and results of unknown size."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._overloadpacket.__name__
        indices = args[1] if name in ("index", "index_put", "index_put_") else ()
        by_mask = any(isinstance(i, Tensor) and i.dtype in (torch.bool, torch.uint8) for i in indices)
        counted = name == "repeat_interleave" and (kwargs or {}).get("output_size") is None
        if name == "_local_scalar_dense" or name in SIZED_BY_VALUES or by_mask or counted:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


class Lists(TorchFunctionMode):
    """Whole tensors that become Python's, which no operation shows."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self.seen = seen

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if (name := getattr(func, "__name__", "")) in ("tolist", "numpy"):
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


class CountedSteps(pl.Callback):
    """Counts the waits of each step, from the batch's arrival to the step of the optimiser."""

    def __init__(self) -> None:
        self.steps: list[list[str]] = []
        self.modes: list[Any] = []

    def on_train_batch_start(self, *_: Any) -> None:
        waits = Waits()
        self.modes = [waits, Lists(waits.seen)]
        for mode in self.modes:
            mode.__enter__()

    def on_train_batch_end(self, *_: Any) -> None:
        for mode in reversed(self.modes):
            mode.__exit__(None, None, None)
        self.steps.append(self.modes[0].seen)


def waits_of(settings: GuidanceSettings, weights: LossWeights, folder: RunFolder, patched: Any) -> list[str]:
    """Those of a step between two updates of the occupancy grid."""
    # the sums and kernels of a GPU, on this CPU's tensors
    patched.setattr(compositing, "_for_numba", lambda _: False)
    model: RadianceField = module(settings, weights)
    model.renderer.occupancy._asked_for = "torch"  # pyright: ignore[reportPrivateUsage]
    model.density_field.grid._asked_for = "torch"  # pyright: ignore[reportPrivateUsage]
    model.density_field.grid._choose_backend()  # pyright: ignore[reportPrivateUsage]
    counted = CountedSteps()
    fit(model, folder, 3, watchers=[counted, FiniteGuard()])
    assert counted.steps[1] == counted.steps[2]
    return counted.steps[2]


MARCH = ["nonzero", "_local_scalar_dense", "nonzero"]
"""The rays that meet the box, the longest of them, the samples in occupied cells."""
CULL = ["_local_scalar_dense", "nonzero"]
"""The longest ray, for the transmittance, and the samples that are kept."""
COMPOSITE = ["_local_scalar_dense"]
"""The longest ray, whose logarithm is the number of strides of a sum along rays; likewise backwards."""
RENDER = [*MARCH, *CULL, *COMPOSITE]
SCORES = ["_local_scalar_dense"]
"""The share of all scores' entries that is not finite."""
GUARD = ["tolist"]
"""All losses, the largest gradient and the opacity, read together."""


def test_a_step_without_priors(run_folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = waits_of(GuidanceSettings(method="none"), INPUT_TERMS, run_folder, monkeypatch)
    assert seen == 2 * RENDER + 2 * COMPOSITE + GUARD


def test_a_step_with_all_terms(run_folder: RunFolder, tiny_prior_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a prior, nor a parameter of the optimiser, nor a figure that is not logged at this step is waited for."""
    seen = waits_of(guidance(tiny_prior_folder, "usd"), EVERYTHING, run_folder, monkeypatch)
    assert seen == 3 * RENDER + SCORES + 3 * COMPOSITE + GUARD
