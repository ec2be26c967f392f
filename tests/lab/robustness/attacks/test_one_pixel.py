"""One pixel: what it changes, what evolution finds, and the toolbox's own beside it."""

import pytest
import torch

from attacked_networks import Linear, near_grey, trained
from windowconv.lab.robustness.attacks.gradient_attacks import generate
from windowconv.lab.robustness.attacks.one_pixel import ONE_PIXEL
from windowconv.lab.robustness.attacks.target import Target, art_attacks
from windowconv.lab.robustness.sample import seeded


@pytest.mark.parametrize("pixels", [1, 3])
def test_it_changes_so_many_pixels_and_no_more(pixels: int) -> None:
    target, images, labels = trained()
    with seeded(0):
        found = ONE_PIXEL.craft(target, images, labels, pixels, {"population": 20, "generations": 3})
    changed = ((found - images).abs().amax(1) > 0).flatten(1).sum(1)
    fooled = target.predict(found) != labels
    assert changed.max() <= pixels
    assert (changed[~fooled] == 0).all()  # what deceives nobody comes back as it was
    assert found.min() >= 0
    assert found.max() <= 1


def test_evolution_finds_what_trying_everything_finds() -> None:
    shape = (1, 10, 10)
    model = Linear(2, shape)
    target, images = Target(model, 2, shape), (0.5 + 4 * (near_grey(40, shape) - 0.5)).clamp(0, 1)
    labels = target.predict(images)
    with seeded(1):
        found = ONE_PIXEL.craft(target, images, labels, 1, {"population": 100, "generations": 40})
    fooled = target.predict(found) != labels
    weight = (model.score.weight[1] - model.score.weight[0]).double()
    flat = images.flatten(1).double()
    margin = flat @ weight + (model.score.bias[1] - model.score.bias[0]).double()
    towards = torch.where(labels == 1, -1.0, 1.0).double()  # the best of one pixel is black or white
    gain = torch.maximum(towards[:, None] * weight * (1 - flat), -towards[:, None] * weight * flat).amax(1)
    possible = gain > margin.abs()
    assert 10 < possible.sum() < 40
    assert not fooled[~possible].any()
    assert fooled[possible].double().mean() > 0.9


def test_it_deceives_no_fewer_images_than_the_toolboxs_with_as_many_tries() -> None:
    target, images, labels = trained()
    right = target.predict(images) == labels
    images, labels = images[right][:20], labels[right][:20]
    with seeded(0):
        ours = ONE_PIXEL.craft(target, images, labels, 1, {"population": 80, "generations": 9})
        theirs = generate(art_attacks().PixelAttack(target.art, th=1, es=1, max_iter=1), images, labels, 4)
    counts = [int((target.predict(found) != labels).sum()) for found in (ours, theirs)]
    assert counts[0] >= counts[1] - 1
