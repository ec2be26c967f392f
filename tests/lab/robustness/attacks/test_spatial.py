"""Rotations and shifts: the grid, and the worst of it for each image."""

import torch
from torchvision.transforms.functional import affine

from attacked_networks import trained
from windowconv.lab.robustness.attacks.measure import attack_images
from windowconv.lab.robustness.attacks.spatial import transformations
from windowconv.lab.robustness.attacks.suites import Trial


def test_the_grid_grows_with_the_budget() -> None:
    assert transformations(30, 30, 1, 3) == [(0.0, a, b) for a in (-3, 0, 3) for b in (-3, 0, 3) if (a, b) != (0, 0)]
    assert transformations(3, 8, 3, 3) == [(-3.0, 0, 0), (3.0, 0, 0)]  # a shift below half a pixel is none
    assert len(transformations(30, 32, 7, 3)) == 7 * 9 - 1


def test_an_image_falls_to_any_transformation_of_the_grid() -> None:
    target, images, labels = trained()
    clean, broken, _ = attack_images(target, Trial("spatial", 60, (20.0,)), images, labels)
    worst = ~clean
    for angle, down, right in transformations(20, 8, 7, 3):
        moved = affine(images, angle, [right, down], 1.0, [0.0], interpolation=_bilinear()).clamp(0, 1)
        worst |= target.predict(moved) != labels
    assert torch.equal(broken[0], worst)
    assert worst.sum() > (~clean).sum()


def _bilinear() -> object:
    from torchvision.transforms import InterpolationMode

    return InterpolationMode.BILINEAR
