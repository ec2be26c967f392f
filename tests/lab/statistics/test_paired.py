"""Statistics over seeds agree with SciPy's, with cases that can be done by hand, and with simulation."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_rel

from windowconv.errors import InputError
from windowconv.lab.statistics.paired import (
    PairedDifference,
    Spread,
    bootstrap_difference,
    paired_difference,
    spread,
)
from windowconv.lab.statistics.significance import sign_flip

Values = list[float]


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
    assert bootstrap_difference([2.0] * 20, [1.0] * 20) == PairedDifference(1.0, 1.0, 1.0, 20)


def test_one_seed_has_neither_spread_nor_interval() -> None:
    assert spread([4.0]) == Spread(4.0, None, 1)
    assert paired_difference([4.0], [3.0]) == PairedDifference(1.0, None, None, 1)


def test_the_spread_is_the_samples() -> None:
    values = [1.0, 2.0, 4.0, 9.0]
    assert spread(values) == Spread(4.0, pytest.approx(np.std(values, ddof=1)), 4)


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, math.inf], [[1.0, 2.0]]])
def test_what_is_not_a_finite_number_a_seed_is_refused(values: Values) -> None:
    for call in (
        lambda: spread(values),
        lambda: paired_difference(values, values),
        lambda: bootstrap_difference(values, values),
        lambda: sign_flip(values, values),
    ):
        with pytest.raises(InputError, match="one finite number a seed"):
            call()


def test_pairs_need_the_same_seeds() -> None:
    for call in (paired_difference, sign_flip, bootstrap_difference):
        with pytest.raises(InputError, match="values has 2 seeds, baseline 1"):
            call([1.0, 2.0], [1.0])


def test_a_bootstrap_needs_twenty_seeds() -> None:
    with pytest.raises(InputError, match=r"seeds=19; a bootstrap needs 20 or more; allowed with fewer: the t interval"):
        bootstrap_difference([1.0] * 19, [0.0] * 19)


def test_the_t_interval_covers_what_it_says() -> None:
    rng = np.random.default_rng(0)
    for n in (3, 8):
        draws = rng.normal(0.2, 1, (3000, n))
        found = [paired_difference(row.tolist(), [0.0] * n) for row in draws]
        covered = np.mean([f.low <= 0.2 <= f.high for f in found if f.low is not None and f.high is not None])
        assert covered == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 3000))


@pytest.mark.slow
def test_the_bootstrap_covers_what_it_says_nearly() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(0.2, 1, (300, 20))
    found = [bootstrap_difference(row.tolist(), [0.0] * 20) for row in draws]
    covered = np.mean([f.low <= 0.2 <= f.high for f in found if f.low is not None and f.high is not None])
    assert 0.89 <= covered <= 0.98  # of 20 normal values, about 0.93
