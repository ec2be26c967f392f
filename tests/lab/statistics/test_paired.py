"""Statistics over seeds agree with SciPy's, with cases that can be done by hand, and with simulation."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from windowconv.errors import InputError
from windowconv.lab.statistics.paired import (
    PairedDifference,
    SignFlip,
    Spread,
    bootstrap_difference,
    holm,
    paired_difference,
    sign_flip,
    spread,
)

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
    assert sign_flip([4.0], [3.0]) == SignFlip(1.0, 1.0, True)


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


@pytest.mark.parametrize(("n", "floor"), [(2, 0.5), (5, 0.0625), (8, 0.0078125), (20, 2 / 2**20)])
def test_the_floor_of_the_sign_flips(n: int, floor: float) -> None:
    found = sign_flip([float(i + 1) for i in range(n)], [0.0] * n)
    assert found == SignFlip(floor, floor, True)


@given(st.lists(st.floats(-10, 10).map(lambda x: round(x, 2)), min_size=1, max_size=9))
def test_sign_flips_are_those_counted_one_by_one(values: Values) -> None:
    observed = abs(math.fsum(values))
    counted = [
        abs(math.fsum(s * v for s, v in zip(signs, values, strict=True)))
        for signs in product((1, -1), repeat=len(values))
    ]
    expected = sum(c >= observed - 1e-9 for c in counted) / len(counted)
    assert sign_flip(values, [0.0] * len(values)).p == pytest.approx(expected)


def test_many_seeds_take_random_signs() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(0.4, 1, 20)
    exact = sign_flip(values.tolist(), [0.0] * 20)
    more = sign_flip([*values.tolist(), 0.0], [0.0] * 21)  # a difference of nothing changes no sum
    assert (exact.exact, more.exact) == (True, False)
    assert more.p == pytest.approx(exact.p, abs=4 * math.sqrt(exact.p / 200_000))
    assert more.floor == 1 / 200_000


def test_a_bootstrap_needs_twenty_seeds() -> None:
    with pytest.raises(InputError, match=r"seeds=19; a bootstrap needs 20 or more; allowed with fewer: the t interval"):
        bootstrap_difference([1.0] * 19, [0.0] * 19)


def test_holm_by_hand() -> None:
    assert holm({"a": 0.02, "b": 0.01, "c": 0.5, "d": 0.9}) == {"a": 0.06, "b": 0.04, "c": 1.0, "d": 1.0}
    assert holm({}) == {}
    with pytest.raises(InputError, match=r"p_values\['a'\]=1.5; allowed: 0 to 1"):
        holm({"a": 1.5})


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


def test_sign_flips_and_holm_err_as_rarely_as_they_say() -> None:
    rng = np.random.default_rng(1)
    p = np.array([sign_flip(row.tolist(), [0.0] * 8).p for row in rng.standard_t(2, (4000, 8))])
    for alpha in (0.01, 0.05, 0.2):
        assert np.mean(p <= alpha) <= alpha + 4 * math.sqrt(alpha / 4000)
    adjusted = [min(holm(dict(enumerate(row))).values()) for row in rng.uniform(size=(4000, 6)).tolist()]
    assert np.mean(np.array(adjusted) <= 0.05) == pytest.approx(1 - (1 - 0.05 / 6) ** 6, abs=4 * math.sqrt(0.05 / 4000))
