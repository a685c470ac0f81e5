"""A step of nano-Zero123's and of its lifting's training with the shipped sizes: rates, and what the optimiser takes.

"Before" is the step of the first release: 32 views, AdamW, bfloat16 wherever oneDNN accepts it.
"""

import statistics
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_modules.priors.lifting import Lifting
from lightning_modules.priors.trained_prior import CLIPPED_NORM, TrainedPrior
from lightning_modules.priors.view_synthesis import ViewSynthesis
from tests.benchmarks.pairs import note, only_when_timing, seconds
from viewdistill.precision import fast_bfloat16
from viewdistill.resources import REPOSITORY

CPU = torch.device("cpu")
NANO = REPOSITORY / "priors" / "nano"
GOAL = 2.5
"""Times the samples per second of the first release."""
GOAL_OF_OPTIMISER = 9
"""A tenth of the whole step."""


def groups(references: int, views: int) -> dict[str, Tensor]:
    """A batch of `datamodules.objects.rendered_objects.ViewGroups`, of noise."""
    torch.manual_seed(0)
    pose = torch.randn(references, views, 4) * 0.3
    return {
        "image": torch.rand(references, 3, 64, 64),
        "image_latent": torch.randn(references, 4, 16, 16),
        "elevation": 40 * torch.rand(references),
        "pose": pose,
        "latents": torch.randn(references * views, 4, 16, 16),
        "target_image": torch.rand(references * views, 3, 64, 64),
        "opacity": torch.rand(references * views, 1, 64, 64),
        "azimuth": 360 * torch.rand(references),
        "occupancy": torch.rand(references, 32, 32, 32).round(),
    }


def view_synthesis() -> ViewSynthesis:
    """nano-Zero123 with the shipped lifting, ready to be trained."""
    zero123 = NANO / "zero123"
    unet = str(NANO / "stable-diffusion" / "unet")
    return ViewSynthesis(unet, str(zero123 / "lifting"), str(zero123 / "vae"))


class Step:
    """Steps as the trainer takes them, without the trainer.

    Args:
        module: What is trained.
        optimizer: Its optimiser.
        loss: Of a step.
        bfloat16: Compute the loss under autocast.
    """

    def __init__(
        self, module: TrainedPrior, optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor], bfloat16: bool
    ) -> None:
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.average = [p.detach().clone() for p in self.parameters]
        self.optimizer, self.loss, self.bfloat16 = optimizer, loss, bfloat16

    def gradients(self) -> None:
        """Forwards and backwards."""
        self.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            loss = self.loss()
        loss.backward()

    def update(self) -> None:
        """Clip, step, average."""
        torch.nn.utils.clip_grad_norm_(self.parameters, CLIPPED_NORM)
        self.optimizer.step()
        lists: Any = torch
        lists._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1e-3)

    def __call__(self) -> None:
        self.gradients()
        self.update()


def now(references: int = 32, views: int = 4) -> Step:
    """The step of nano-Zero123 as shipped."""
    module, batch = view_synthesis(), groups(references, views)
    return Step(module, module.optimizer(), lambda: module.loss(batch, False).mean(), fast_bfloat16(CPU))


def before(bfloat16: bool) -> Step:
    """The step of the first release, in the number format that it would choose or in another."""
    module, batch = view_synthesis(), groups(8, 4)
    networks = module.decayed([*module.unet.parameters(), *module.image_encoder.parameters()])
    projection = {"params": list(module.clip_camera_projection.parameters()), "weight_decay": 0.0}
    optimizer = torch.optim.AdamW([*networks, projection], lr=6e-4, betas=(0.9, 0.99), fused=True)
    return Step(module, optimizer, lambda: module.loss(batch, False).mean(), bfloat16)


def lifting() -> Step:
    """The step of the lifting as shipped, with few references."""
    module, batch = Lifting(str(NANO / "zero123" / "vae")), groups(8, 8)
    batch["latents"] = batch["latents"][:16]
    return Step(
        module, module.optimizer(), lambda: torch.stack([*module.losses(batch).values()]).sum(), fast_bfloat16(CPU)
    )


def test_nano_zero123_against_the_first_release(request: pytest.FixtureRequest) -> None:
    only_when_timing(request)
    chosen = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # also where bfloat16 is emulated
    steps = {"now": now(), "then": before(chosen), "then, same format": before(fast_bfloat16(CPU))}
    for step in steps.values():
        step()
    rounds = [{name: (128 if name == "now" else 32) / seconds(step) for name, step in steps.items()} for _ in range(3)]
    rates = {name: statistics.median(rates[name] for rates in rounds) for name in steps}
    ratio = statistics.median(rates["now"] / rates["then"] for rates in rounds)
    kind = "bf16" if fast_bfloat16(CPU) else "fp32, for bf16 is slow here"
    print(f"nano-Zero123, samples/s on {torch.get_num_threads()} threads ({kind}): {rates}")
    note(f"nano-Zero123's training ({kind}) against the first release's", ratio, GOAL)


@pytest.mark.parametrize("make", [now, lifting])
def test_the_optimisers_part_of_a_step(make: Callable[[], Step], request: pytest.FixtureRequest) -> None:
    only_when_timing(request)
    step = make()
    step()
    whole = sorted((seconds(step.gradients), seconds(step.optimizer.step)) for _ in range(3))[1]
    print(f"{make.__name__}: {whole[0]:.2f} s of gradients, {whole[1]:.2f} s of optimiser")
    note(f"the optimiser's step against the gradients, {make.__name__}", whole[0] / whole[1], GOAL_OF_OPTIMISER)


def test_steps_change_the_weights() -> None:
    """What is timed is training: with small batches, every network of both moves and stays finite."""
    for step in (now(2, 1), lifting()):
        first = [p.detach().clone() for p in step.parameters]
        step()
        step()
        assert all(torch.isfinite(p).all() for p in step.parameters)
        moved = sum(not torch.equal(p, q) for p, q in zip(step.parameters, first, strict=True))
        assert moved > 0.8 * len(first)  # blocks that start as the identity wake one after the other
