import math
from typing import cast

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from viewdistill.metrics.images import psnr, ssim
from viewdistill.pictures import over_white


def test_psnr_by_hand():
    target = torch.zeros(2, 3, 4, 4)
    prediction = target.clone()
    prediction[0] += 0.1
    prediction[1, 0, 0, 0] = 0.5
    values = psnr(prediction, target)
    assert values[0].item() == pytest.approx(20.0, abs=1e-4)
    assert values[1].item() == pytest.approx(-10 * math.log10(0.25 / 48), abs=1e-4)


def test_psnr_of_equal_pictures_is_finite_and_values_outside_are_clamped():
    target = torch.ones(1, 3, 4, 4)
    assert psnr(target * 3, target).item() == pytest.approx(100.0)


def test_ssim_is_scikit_images():
    random = np.random.default_rng(0)
    target = random.random((2, 48, 40, 3)).astype(np.float32)
    prediction = np.clip(target + random.normal(scale=[[[[0.1]]], [[[0.4]]]], size=target.shape), 0, 1).astype(
        np.float32
    )
    ours = ssim(torch.from_numpy(prediction).permute(0, 3, 1, 2), torch.from_numpy(target).permute(0, 3, 1, 2))
    for i in range(2):
        # Ours counts every pixel, as the protocol wants; theirs leaves out the border unless asked for the whole map.
        whole = structural_similarity(
            prediction[i],
            target[i],
            data_range=1.0,
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        assert ours[i].item() == pytest.approx(np.asarray(whole[1]).mean(), abs=4e-3)
    assert ours[0] > ours[1] + 0.1


def test_ssim_of_equal_pictures_is_one():
    picture = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert ssim(picture, picture).item() == pytest.approx(1.0, abs=1e-6)


def test_over_white():
    rgba = torch.tensor([0.2, 0.4, 0.6, 0.5]).reshape(1, 4, 1, 1)
    torch.testing.assert_close(over_white(rgba).flatten(), torch.tensor([0.6, 0.7, 0.8]))


def test_the_range_of_the_pictures_is_what_torchmetrics_takes_when_called_without_one():
    """One pair per call, as SyncDreamer's script has it."""
    random = torch.Generator().manual_seed(0)
    first, second = (0.2 + 0.5 * torch.rand(3, 3, 32, 32, generator=random) for _ in range(2))
    pairs = zip(first.split(1), second.split(1), strict=True)
    expected = torch.stack([cast(Tensor, structural_similarity_index_measure(*pair)) for pair in pairs])
    torch.testing.assert_close(ssim(first, second, "pictures"), expected)
    assert (ssim(first, second, "unit") > expected + 0.001).all(), "a larger range forgives more"
    plain = torch.full((1, 3, 16, 16), 0.5)
    assert ssim(plain, plain, "pictures").item() == pytest.approx(1.0)
