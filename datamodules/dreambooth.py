"""Training images of the two DreamBooth stages: instances of the new concept, and negatives that preserve the rest.

Stage 1 teaches [V]: instances "a [V] {class}" are the input image and the novel views, negatives "a {class}" the images
of the class. Stage 2 teaches [S] on top: the instance "a [S] [V] {class}" is the input image alone, negatives
"a [V] {class}" are the novel views, whose flaws thus stay out of [S].
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import pytorch_lightning as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from datamodules.cameras import StepStream
from datamodules.class_images import ClassImages
from datamodules.posed_views import load_views, read_rgba
from datamodules.prompts import Prompts
from datamodules.runs.run_folder import RunFolder
from datamodules.seeding import Purpose, generator_at
from viewdistill.errors import ViewDistillError
from viewdistill.pictures import over_white, read_rgb, resize


class PromptedImages(Dataset[Float[Tensor, "3 size size"]]):
    """Images that share one prompt.

    Args:
        images: In [0, 1], each [1, 3, H, W] of any size; resized to ``size``.
        prompt: Their prompt.
        size: Side of all of them, pixels.
    """

    def __init__(self, images: list[Float[Tensor, "1 3 _ _"]], prompt: str, size: int) -> None:
        # One by one: sizes may differ.
        resized = [resize(x, size).clamp(0, 1) for x in images]
        self.images: Float[Tensor, "images 3 size size"] = torch.cat(resized)
        self.prompt = prompt

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> Float[Tensor, "3 size size"]:
        """Return one image."""
        return self.images[index]


class DreamBoothBatch(NamedTuple):
    """Images of a training step, as indices: their latents are encoded once."""

    instances: Int[Tensor, " instances"]
    """Indices into the instance set."""
    negatives: Int[Tensor, " negatives"]
    """Indices into the negative set."""


class DreamBooth(pl.LightningDataModule):
    """The instance and the negative set of one DreamBooth stage.

    Batch ``i`` is a function of (seed, step i) alone, and the stream starts at the trainer's step.

    Args:
        run_folder: Folder of one object, ``runs/<object>``.
        stage: 1 teaches the object from all sides, 2 the look of the input image.
        identifier: [V] in stage 1, [S] in stage 2: words without a meaning to the prior's text encoder.
        instances_per_step: Instances per batch.
        negatives_per_step: Negatives per batch.
        image_size: Side of the encoded and sampled images, pixels; best the prior's own, less to save memory.
        seed: Seed of the draw.
    """

    def __init__(
        self,
        run_folder: str,
        stage: Literal[1, 2],
        identifier: str,
        instances_per_step: int = 4,
        negatives_per_step: int = 4,
        image_size: int = 64,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not identifier.strip():
            raise ViewDistillError("data.identifier is empty; give a rare word for the new concept")
        if min(instances_per_step, negatives_per_step, image_size) < 1:
            raise ViewDistillError("data: instances_per_step, negatives_per_step and image_size must be at least 1")
        self.run_folder = RunFolder(Path(run_folder))
        self.stage: Literal[1, 2] = stage
        self.identifier = identifier
        self.counts = instances_per_step, negatives_per_step
        self.image_size = image_size
        self.seed = seed

    def setup(self, stage: str) -> None:
        """Read both sets.

        Raises:
            ViewDistillError: An earlier stage is not complete, one of its files is damaged, or [V] and [S] are equal.
        """
        folder, size = self.run_folder, self.image_size
        input_image = over_white(read_rgba(folder.rgba)[None])
        novel_views = [*load_views(folder.novel_views).over_white[:, None]]
        if self.stage == 1:
            known = ClassImages.load(folder)
            class_images = [read_rgb(path)[None] for path in known.paths]
            self.prompts = prompts = replace(known.prompts, object_identifier=self.identifier)
            self.instances = PromptedImages([input_image, *novel_views], prompts.of_object, size)
            self.negatives = PromptedImages(class_images, prompts.of_class, size)
        else:
            before = Prompts.load(folder.prompts("specialize_1"))
            if self.identifier == before.object_identifier:
                raise ViewDistillError(f"data.identifier {self.identifier!r} is already used by stage 1; give another")
            self.prompts = prompts = replace(before, input_identifier=self.identifier)
            self.instances = PromptedImages([input_image], prompts.of_input, size)
            self.negatives = PromptedImages(novel_views, prompts.of_object, size)

    def batch(self, step: int) -> DreamBoothBatch:
        """Return the images of one training step: each set in randomly ordered passes, as in a shuffled loader."""
        sets = zip((self.instances, self.negatives), self.counts, strict=True)
        return DreamBoothBatch(*(self.in_turn(step, len(images), n, number) for number, (images, n) in enumerate(sets)))

    def in_turn(self, step: int, images: int, count: int, number: int) -> Int[Tensor, " count"]:
        """Return one step's indices from a stream with every image of a set once per pass.

        Args:
            step: Step of the fit.
            images: Images in the set.
            count: Images of the set per step.
            number: Number of the set, so that the two have different orders.
        """
        orders: dict[int, list[int]] = {}
        taken: list[int] = []
        for position in range(step * count, (step + 1) * count):
            pass_, place = divmod(position, images)
            if pass_ not in orders:
                generator = generator_at(self.seed, pass_, Purpose.EXAMPLES, process=number)
                orders[pass_] = torch.randperm(images, generator=generator).tolist()
            taken.append(orders[pass_][place])
        return torch.tensor(taken)

    def train_dataloader(self) -> DataLoader[DreamBoothBatch]:
        """Return the infinite stream of batches from the trainer's step on."""
        start = self.trainer.global_step if self.trainer else 0
        return DataLoader(StepStream(self.batch, start), batch_size=None)
