"""Where a kernel's energy lies, against closed forms."""

import math

import pytest
import torch

from windowconv.errors import InputError
from windowconv.spectra.taps import central_energy, edge_energy, effective_side, participation_ratio


def geometric(a: float, taps: int) -> torch.Tensor:
    """A kernel whose tap at distance n has the energy a^n."""
    n = (torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2).abs()
    return a ** (n / 2)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("size", [3, 4, 7])
def test_a_flat_kernel_counts_taps(axes: int, size: int):
    flat = torch.full((2, 3, *[size] * axes), -0.3)
    sides, held = central_energy(flat)
    assert sides.tolist() == list(range(2 - size % 2, size + 1, 2))
    for row in held:
        torch.testing.assert_close(row, (sides / size) ** axes)
    assert participation_ratio(flat).tolist() == pytest.approx([size**axes] * 2)
    assert edge_energy(flat).tolist() == pytest.approx([1 - ((size - 2) / size) ** axes] * 2)
    assert effective_side(flat).tolist() == [size, size]


@pytest.mark.parametrize("a", [0.1, 0.5])
def test_a_geometric_kernel(a: float):
    m = 6
    row = geometric(a, 2 * m + 1)
    square = torch.outer(row, row)[None, None]

    def within(h: int) -> float:
        return (1 + a - 2 * a ** (h + 1)) / (1 - a)

    sides, held = central_energy(square)
    expected = [(within(h) / within(m)) ** 2 for h in range(m + 1)]
    assert held[0].tolist() == pytest.approx(expected)
    assert edge_energy(square).item() == pytest.approx(1 - expected[m - 1])
    first = next(2 * h + 1 for h in range(m + 1) if expected[h] >= 0.95)
    assert effective_side(square).item() == first
    assert effective_side(square, expected[2]).item() == sides[2] == 5
    fourth = (1 + a**2 - 2 * a ** (2 * m + 2)) / (1 - a**2)
    assert participation_ratio(square).item() == pytest.approx((within(m) ** 2 / fourth) ** 2)


def test_channels_add_in_energy():
    weight = torch.zeros(1, 2, 3)
    weight[0, 0, 0], weight[0, 1, 1] = 3, -1
    assert edge_energy(weight).item() == pytest.approx(0.9)
    assert participation_ratio(weight).item() == pytest.approx(100 / 82)


def test_no_axis_of_one_tap_has_an_edge():
    assert edge_energy(torch.ones(1, 1, 1, 5)).item() == pytest.approx(0.4)
    assert effective_side(torch.ones(1, 1, 1, 5)).item() == 5


def test_scale_makes_no_difference():
    kernel = torch.rand(2, 2, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for scale in (1e-100, 1e100):
        torch.testing.assert_close(participation_ratio(scale * kernel), participation_ratio(kernel))


def test_a_kernel_of_zeros_has_none():
    zero = torch.zeros(1, 2, 3, 3)
    for measure in (effective_side, participation_ratio, edge_energy):
        assert math.isnan(measure(zero).item())


@pytest.mark.parametrize("share", [0, -0.1, 1.1, math.nan])
def test_other_shares_are_refused(share: float):
    with pytest.raises(InputError, match=f"share={share}; allowed: above 0, at most 1"):
        effective_side(torch.ones(1, 1, 3), share)


@pytest.mark.parametrize("measure", [central_energy, effective_side, participation_ratio, edge_energy])
def test_bad_weights_are_refused(measure):
    with pytest.raises(InputError, match=r"weight\.shape="):
        measure(torch.ones(3, 3))
    with pytest.raises(InputError, match="weight has 1 NaN"):
        measure(torch.tensor([[[1.0, math.nan]]]))
