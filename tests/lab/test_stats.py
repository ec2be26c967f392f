"""Statistics over seeds agree with SciPy's and with cases that can be done by hand."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_rel

from windowconv.errors import InputError
from windowconv.lab.stats import PairedDifference, Spread, paired_difference, spread


@pytest.mark.parametrize("n", [2, 3, 5, 20])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_the_interval_is_scipys(n: int, level: float) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.normal(90, 1, n), rng.normal(89, 1, n)
    ours = paired_difference(a.tolist(), b.tolist(), level)
    theirs = ttest_rel(a, b).confidence_interval(level)
    assert ours.n == n
    assert ours.mean == pytest.approx((a - b).mean(), abs=1e-12)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-10)


def test_two_pairs_by_hand() -> None:
    # differences 1 and 3: mean 2, sd sqrt 2, so sd / sqrt n = 1 and the half width is t(1) = tan(.475 pi)
    ours = paired_difference([11.0, 23.0], [10.0, 20.0])
    half = math.tan(0.475 * math.pi)
    assert (ours.mean, ours.low, ours.high) == pytest.approx((2.0, 2 - half, 2 + half))


def test_equal_differences_have_an_interval_of_no_width() -> None:
    assert paired_difference([2.0, 3.0, 4.0], [1.0, 2.0, 3.0]) == PairedDifference(1.0, 1.0, 1.0, 3)


def test_one_seed_has_neither_spread_nor_interval() -> None:
    assert spread([4.0]) == Spread(4.0, None, 1)
    assert paired_difference([4.0], [3.0]) == PairedDifference(1.0, None, None, 1)


def test_the_spread_is_the_samples() -> None:
    values = [1.0, 2.0, 4.0, 9.0]
    assert spread(values) == Spread(4.0, pytest.approx(np.std(values, ddof=1)), 4)


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, math.inf], [[1.0, 2.0]]])
def test_what_is_not_a_finite_number_a_seed_is_refused(values: list[float]) -> None:
    for call in (lambda: spread(values), lambda: paired_difference(values, values)):
        with pytest.raises(InputError, match="one finite number a seed"):
            call()


def test_pairs_need_the_same_seeds() -> None:
    with pytest.raises(InputError, match="values has 2 seeds, baseline 1"):
        paired_difference([1.0, 2.0], [1.0])
