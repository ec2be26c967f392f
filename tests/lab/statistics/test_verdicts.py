"""The rule: closed cases, the number of seeds that would settle a study, and how often the rule errs."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import linregress, t

from windowconv.errors import InputError
from windowconv.lab.statistics.verdicts import Effect, association_effect, paired_effect, verdict

D = 0.3


def with_interval(low: float, high: float, n: int = 8) -> Effect:
    """An effect whose 95 % interval is this one."""
    half = (high - low) / 2
    return Effect((low + high) / 2, half * math.sqrt(n) / float(t.ppf(0.975, n - 1)), n)


@pytest.mark.parametrize(
    ("low", "high", "answer", "small"),
    [
        (0.1, 0.9, "holds", False),
        (0.31, 0.5, "holds", False),
        (0.01, 0.29, "holds", True),
        (-0.1, 0.29, "does not hold", False),
        (-0.9, -0.1, "does not hold", False),
        (-0.1, 0.31, "not settled", False),
        (-2.0, 3.0, "not settled", False),
    ],
)
def test_the_rule(low: float, high: float, answer: str, small: bool) -> None:
    found = verdict(with_interval(low, high), D)
    assert (found.answer, found.small) == (answer, small)
    assert (found.seeds is None) == (answer != "not settled")
    assert ("smaller than the smallest" in str(found)) == small


def test_ends_that_touch() -> None:
    assert verdict(Effect(0.0, 0.0, 8), D).answer == "does not hold"  # from 0 to 0: not above 0, and below d
    assert verdict(Effect(D, 0.0, 8), D).answer == "holds"
    assert not verdict(Effect(D, 0.0, 8), D).small


@pytest.mark.parametrize(("mean", "sd"), [(0.2, 0.5), (0.05, 0.5), (-0.1, 1.0), (0.15, 0.3), (2.0, 9.0)])
def test_so_many_seeds_would_settle_it_and_one_fewer_would_not(mean: float, sd: float) -> None:
    found = verdict(Effect(mean, sd, 4), D)
    assert found.answer == "not settled"
    assert found.seeds is not None
    assert verdict(Effect(mean, sd, found.seeds), D).answer != "not settled"
    assert verdict(Effect(mean, sd, found.seeds - 1), D).answer == "not settled"
    assert str(found.seeds) in str(found)


def test_too_few_seeds_settle_nothing() -> None:
    found = verdict(paired_effect([5.0]), D)
    assert (found.answer, found.seeds) == ("not settled", None)
    assert "needs more seeds" in str(found)
    assert "more than 100,000 seeds" in str(verdict(Effect(0.15, 1000.0, 4), D))


@pytest.mark.parametrize("smallest", [0.0, -1.0, math.nan, math.inf])
def test_the_smallest_effect_is_positive(smallest: float) -> None:
    with pytest.raises(InputError, match=r"smallest=.*; allowed: a finite number above 0"):
        verdict(Effect(1.0, 1.0, 8), smallest)


@pytest.mark.parametrize("differences", [[], [math.nan], [[1.0]]])
def test_differences_are_finite_numbers(differences: list[float]) -> None:
    with pytest.raises(InputError, match="one finite number a seed"):
        paired_effect(differences)


def test_how_often_the_rule_errs() -> None:
    rng = np.random.default_rng(0)

    def share(true: float, answer: str) -> float:
        draws = rng.normal(true, 0.4, (3000, 8))
        return float(np.mean([verdict(paired_effect(row), D).answer == answer for row in draws]))

    error = 4 * math.sqrt(0.025 / 3000)
    assert share(0.0, "holds") == pytest.approx(0.025, abs=error)
    assert share(D, "does not hold") <= 0.025 + error
    assert share(1.0, "holds") > 0.99
    assert share(-1.0, "does not hold") > 0.99


def test_an_association_in_one_arm_is_the_regressions() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(5, 2, 9)
    y = 3 * x + rng.normal(0, 1, 9)
    found = association_effect({"a": x.tolist()}, {"a": y.tolist()})
    line: Any = linregress(x, y)
    scale = x.std(ddof=1)
    half = float(t.ppf(0.975, 7)) * line.stderr
    assert found.mean == pytest.approx(line.slope * scale)
    assert found.interval == pytest.approx(((line.slope - half) * scale, (line.slope + half) * scale))


def test_what_arms_differ_in_is_no_association() -> None:
    rng = np.random.default_rng(4)
    x = {arm: (10 * i + rng.normal(0, 1, 8)).tolist() for i, arm in enumerate("abc")}
    y = {arm: (50 * i + rng.normal(0, 1, 8)).tolist() for i, arm in enumerate("abc")}  # of pooled runs: r = 0.99
    found = association_effect(x, y)
    assert found.interval is not None
    assert abs(found.mean) < 1
    assert found.interval[0] < 0 < found.interval[1]


def test_associations_need_runs_that_fit() -> None:
    with pytest.raises(InputError, match="the same arms, each with the same number of seeds"):
        association_effect({"a": [1.0, 2.0]}, {"b": [1.0, 2.0]})
    with pytest.raises(InputError, match="the same arms"):
        association_effect({"a": [1.0, 2.0]}, {"a": [1.0]})
    with pytest.raises(InputError, match="does not vary within any arm"):
        association_effect({"a": [1.0] * 4}, {"a": [1.0, 2.0, 3.0, 4.0]})
    assert association_effect({"a": [1.0, 2.0]}, {"a": [1.0, 3.0]}).interval is None
