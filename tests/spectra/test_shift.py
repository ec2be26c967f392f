"""Consistency under shifts: networks that cannot, or must, tell them apart; Wilson's interval against SciPy's."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch import nn
from torch.nn import functional as F

from windowconv.errors import InputError
from windowconv.spectra.shift import _effective, _pairs, _shifted, shift_consistency, wilson

IMAGES = torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def small(stride: int = 1) -> nn.Module:
    torch.manual_seed(3)
    layer = nn.Conv2d(3, 8, 3, stride=stride, padding=1, padding_mode="circular")
    return nn.Sequential(layer, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))


class Corner(nn.Module):
    """Class 1 where the upper left pixel is the larger of the first two channels."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.scale * x[:, :2, 0, 0]


def test_circular_convolutions_do_not_see_circular_shifts():
    found = shift_consistency(small(), IMAGES, pairs=3, max_shift=7)
    assert (found.share, found.agreements, found.pairs, found.images, found.max_shift) == (1, 120, 120, 40, 7)
    assert found.high == pytest.approx(1)


@pytest.mark.parametrize("border", ["circular", "reflect", "zeros"])
def test_shifts_against_padding_and_cutting(border):
    by = torch.tensor([[0, 0], [2, -3], [-3, 1]])
    got = _shifted(IMAGES[:3], by, 3, border)
    for image, (down, right), shifted in zip(IMAGES, by.tolist(), got, strict=False):
        if border == "circular":
            expected = torch.roll(image, (down, right), (1, 2))
        else:
            padded = F.pad(image, [3] * 4, mode={"zeros": "constant"}.get(border, border))
            expected = padded[:, 3 - down : 19 - down, 3 - right : 19 - right]
        assert torch.equal(shifted, expected)


def test_share_is_that_of_a_plain_loop():
    found = shift_consistency(Corner(), IMAGES, pairs=2, max_shift=3, seed=5)
    agree = 0
    for first, second in _pairs(np.random.default_rng(5), 40, 2, 3):
        for image, one, other in zip(IMAGES, first.tolist(), second.tolist(), strict=True):
            classes = [image[:2, -down, -right].argmax() for down, right in (one, other)]
            agree += int(classes[0] == classes[1])
    assert found.agreements == agree
    assert 0 < agree < 80


def test_pairs_are_different_shifts_drawn_evenly():
    ((first, second),) = _pairs(np.random.default_rng(0), 20000, 1, 1)
    assert (first != second).any(1).all()
    for shifts in (first, second):
        values, counts = np.unique(shifts.numpy(), axis=0, return_counts=True)
        assert len(values) == 9
        assert counts.min() > 20000 / 9 * 0.93
        assert counts.max() < 20000 / 9 * 1.07


def test_batches_do_not_matter_but_the_seed_does():
    net = small(stride=4)
    results = [
        shift_consistency(net, IMAGES, pairs=2),
        shift_consistency(net, IMAGES, pairs=2, batch_size=7),
        shift_consistency(net, [(IMAGES[:9], torch.zeros(9)), (IMAGES[9:], torch.zeros(31))], pairs=2),
    ]
    assert results[0] == results[1] == results[2]
    assert len({shift_consistency(Corner(), IMAGES, seed=seed).agreements for seed in range(5)}) > 1
    assert net.training


@pytest.mark.parametrize(("successes", "n"), [(0, 12), (5, 12), (12, 12), (941, 1000)])
def test_wilson_against_scipy(successes, n):
    expected = binomtest(successes, n).proportion_ci(method="wilson")
    assert wilson(successes / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_pairs_of_one_image_that_always_agree_count_once():
    same = torch.tensor([0.0, 1.0] * 10)  # each image's share over 5 pairs
    assert _effective(same, 0.5, 100) == pytest.approx(0.25 / (same.var().item() / 20))
    assert _effective(same, 0.5, 100) == pytest.approx(19)
    assert _effective(torch.ones(20), 1.0, 100) == 20
    assert _effective(same, 0.5, 20) == 20
    assert _effective(torch.full((20,), 0.5), 0.5, 100) == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_shift": 0}, "max_shift=0; .* 16x16"),
        ({"max_shift": 8}, "max_shift=8"),
        ({"pairs": 0}, "pairs=0"),
        ({"border": "same"}, "border='same'"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(InputError, match=message):
        shift_consistency(small(), IMAGES, **options)


def test_a_model_that_puts_out_maps_is_refused():
    with pytest.raises(InputError, match="one score per class"):
        shift_consistency(nn.Conv2d(3, 1, 1), IMAGES)


@pytest.mark.parametrize("border", ["circular", "reflect", "zeros"])
def test_signals_of_one_axis_are_images_of_one_row(border):
    """A network that reads the place of a peak: by its class, the shifts can be counted."""

    class Place(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x):
            return self.scale * x[:, 0]

    signals = torch.zeros(40, 1, 16)
    signals[:, :, 8] = 1
    found = shift_consistency(Place(), signals, max_shift=3, pairs=5, border=border)
    assert (found.pairs, found.agreements) == (200, 0)  # two different shifts are never the same place
    blind = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(1, 3))
    assert shift_consistency(blind, signals).share == 1
