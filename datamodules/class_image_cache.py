"""Requests for images of a class that are missing from the cache."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from datamodules.class_images import ClassImages, folder_name
from datamodules.prompts import Prompts, check_template
from datamodules.runs.run_folder import InputMeta, RunFolder
from datamodules.sampled_images import SampledImages
from viewdistill.diffusion.fingerprints import fingerprint
from viewdistill.diffusion.loading import locate
from viewdistill.diffusion.prior_files import TEXT_COMPONENTS


class ClassImageBatch(NamedTuple):
    """Images to sample."""

    indices: Int[Tensor, " images"]
    """Indices of the images; they seed the noise."""
    prompt: str
    """Like "a {class}"."""


class ClassImageCache(SampledImages):
    """Images of one object's class, in the cache shared by all objects.

    Args:
        run_folder: Folder of the object, ``runs/<object>``.
        template: Prompt with ``{}`` for the class word; the specialisation uses the same.
        count: Images per class.
        images_per_batch: Images sampled together.
        cache: Folder of the cache.
    """

    def __init__(self, run_folder: str, template: str, count: int, images_per_batch: int, cache: str) -> None:
        super().__init__(count, images_per_batch)
        check_template(template)
        self.run_folder = RunFolder(Path(run_folder))
        self.template = template
        self.cache = Path(cache)

    def setup(self, stage: str) -> None:
        """Find the images of the class missing from the cache.

        Raises:
            ViewDistillError: The input stage is not complete.
        """
        class_word = InputMeta.load(self.run_folder.input_meta).class_word
        assert self.trainer is not None, "the trainer's model decides the folder"
        folder = self.cache / self.key(self.trainer.lightning_module.hparams) / folder_name(class_word)
        self.images = ClassImages(Prompts(self.template, class_word), folder, self.count)
        super().setup(stage)

    def key(self, sampler: Mapping[str, Any]) -> str:
        """Return the cache folder's name: a digest of everything that determines the images.

        Args:
            sampler: Settings of the sampling module, with the folder of its ``prior``; the folder's content counts, not
                its place.
        """
        prior = fingerprint(locate(Path(sampler["prior"]), TEXT_COMPONENTS))
        decides = {**sampler, "prior": {name: value for name, value in prior.items() if name != "prior"}}
        decides |= {"template": self.template, "count": self.count, "images_per_batch": self.images_per_batch}
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def paths(self) -> Sequence[Path]:
        """Files of all images; known from `setup` on."""
        return self.images.paths

    def batch(self, indices: list[int]) -> ClassImageBatch:
        """Return the request for some of the images."""
        return ClassImageBatch(torch.tensor(indices), self.images.prompts.of_class)
