import torch

from viewdistill.diffusion.foreground import mask_over_white


def disc(radius: float = 0.6) -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    return x**2 + y**2 < radius**2


def test_an_object_on_white_is_found_exactly() -> None:
    inside = disc()
    image = torch.where(inside, torch.tensor([0.9, 0.5, 0.9])[:, None, None], torch.ones(3, 1, 1))
    assert torch.equal(mask_over_white(image[None])[0], inside.float())


def test_the_ripple_of_the_ground_is_no_object() -> None:
    ripple = 1 - 0.05 * torch.rand(2, 3, 16, 16)
    assert mask_over_white(ripple).sum() == 0


def test_white_labels_within_the_object_belong_to_it() -> None:
    image = torch.ones(3, 32, 32) * ~(disc() & ~disc(0.3))
    assert torch.equal(mask_over_white(image[None])[0], disc().float())


def test_a_bay_that_is_open_to_the_ground_does_not() -> None:
    image = torch.ones(3, 16, 16)
    image[:, 4:12, 4:12] = 0.2
    image[:, 4:8, 6:10] = 1
    mask = mask_over_white(image[None])[0]
    assert mask[5, 8] == 0
    assert mask.sum() == 64 - 16


def test_specks_are_dropped_and_second_parts_kept() -> None:
    image = torch.ones(3, 32, 32)
    image[:, 4:24, 4:24] = 0.3  # 400 pixels
    image[:, 28, 28] = 0.3
    image[:, 27:31, 4:9] = 0.3  # 20 pixels, above a fiftieth
    mask = mask_over_white(image[None])[0]
    assert mask[28, 28] == 0
    assert mask.sum() == 420


def test_each_image_has_a_mask_of_its_own() -> None:
    image = torch.ones(2, 3, 8, 8)
    image[1, :, 2:5, 2:5] = 0
    assert mask_over_white(image).sum((1, 2)).tolist() == [0, 9]
