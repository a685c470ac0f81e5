"""The class-images stage: samples of the text-conditioned prior for a class word. Nothing is fitted."""

import numpy as np
from jaxtyping import UInt8

from datamodules.class_image_cache import ClassImageBatch
from lightning_modules.text_sampling import TextSampler
from viewdistill.pictures import to_bytes


class ClassImageSampler(TextSampler):
    """Samples images of "a {class}" by classifier-free guidance; a callback writes them."""

    def predict_step(self, batch: ClassImageBatch, batch_idx: int) -> UInt8[np.ndarray, "images size size 3"]:
        """Images of the prompt."""
        return to_bytes(self.samples(batch.prompt, batch.indices.tolist()).movedim(1, -1))
