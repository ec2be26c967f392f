"""The tests over seeds agree with counting, with cases that can be done by hand, and with simulation."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windowconv.errors import InputError
from windowconv.lab.statistics import significance
from windowconv.lab.statistics.significance import SignFlip, holm, sign_flip

Values = list[float]


def test_one_seed_tests_nothing() -> None:
    assert sign_flip([4.0], [3.0]) == SignFlip(1.0, 1.0, True)


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


def test_sums_that_differ_by_rounding_alone_are_equal() -> None:
    assert sum([0.1, 0.2, -0.3]) != 0  # but for rounding, it is
    assert sign_flip([0.1, 0.2, -0.3], [0.0] * 3).p == 1.0
    assert sign_flip([0.3 - 0.2, 0.1, 0.1], [0.0] * 3).p == 0.25
    assert sign_flip([1e6 + 0.1, 1e6 + 0.2, 1e6 - 0.3], [1e6] * 3).p == 1.0


def test_many_seeds_take_random_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).normal(0.4, 1, 14).tolist()
    exact = sign_flip(values, [0.0] * 14)
    monkeypatch.setattr(significance, "EXACT_SEEDS", 13)
    significance._p_value.cache_clear()
    more = sign_flip(values, [0.0] * 14)
    assert (exact.exact, more.exact) == (True, False)
    assert more.p == pytest.approx(exact.p, abs=4 * math.sqrt(exact.p / 200_000))
    assert more.floor == 1 / 200_000
    significance._p_value.cache_clear()
    assert sign_flip(values, [0.0] * 14) == more  # the same seed, the same signs
    significance._p_value.cache_clear()


def test_holm_by_hand() -> None:
    found = holm({"a": 0.02, "b": 0.01, "c": 0.5, "d": 0.9})
    assert found == pytest.approx({"a": 0.06, "b": 0.04, "c": 1.0, "d": 1.0})
    assert list(found) == ["a", "b", "c", "d"]
    assert holm({}) == {}
    with pytest.raises(InputError, match=r"p_values\['a'\]=1.5; allowed: 0 to 1"):
        holm({"a": 1.5})


def test_sign_flips_and_holm_err_as_rarely_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gc.collect", lambda: 0)  # statsmodels calls it each time, which takes a tenth of a second
    rng = np.random.default_rng(1)
    p = np.array([sign_flip(row.tolist(), [0.0] * 8).p for row in rng.standard_t(2, (4000, 8))])
    for alpha in (0.01, 0.05, 0.2):
        assert np.mean(p <= alpha) <= alpha + 4 * math.sqrt(alpha / 4000)
    adjusted = [min(holm(dict(enumerate(row))).values()) for row in rng.uniform(size=(4000, 6)).tolist()]
    assert np.mean(np.array(adjusted) <= 0.05) == pytest.approx(1 - (1 - 0.05 / 6) ** 6, abs=4 * math.sqrt(0.05 / 4000))
