"""The rule: closed cases, the number of seeds that would settle a study, and how often the rule errs."""

import math

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from windowconv.errors import InputError
from windowconv.lab.statistics.effects import Effect, paired_effect
from windowconv.lab.statistics.verdicts import verdict, verdicts

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


@pytest.mark.parametrize(("mean", "sd"), [(0.2, 0.5), (0.05, 0.5), (-0.1, 1.0), (0.15, 0.3), (2.0, 9.0), (0.15, 20.0)])
def test_so_many_seeds_would_settle_it_and_one_fewer_would_not(mean: float, sd: float) -> None:
    found = verdict(Effect(mean, sd, 4), D)
    assert found.answer == "not settled"
    assert found.seeds is not None
    assert verdict(Effect(mean, sd, found.seeds), D).answer != "not settled"
    assert verdict(Effect(mean, sd, found.seeds - 1), D).answer == "not settled"
    assert f"about {found.seeds:,} seeds" in str(found)


def test_too_few_seeds_settle_nothing() -> None:
    found = verdict(paired_effect([5.0]), D)
    assert (found.answer, found.seeds) == ("not settled", None)
    assert "needs more seeds" in str(found)
    assert "more than 100,000 seeds" in str(verdict(Effect(0.15, 1000.0, 4), D))


@pytest.mark.parametrize("smallest", [0.0, -1.0, math.nan, math.inf])
def test_the_smallest_effect_is_positive(smallest: float) -> None:
    with pytest.raises(InputError, match=r"smallest=.*; allowed: a finite number above 0"):
        verdict(Effect(1.0, 1.0, 8), smallest)


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


def test_one_claim_of_a_family_is_judged_as_if_alone() -> None:
    rng = np.random.default_rng(3)
    for mean in np.linspace(-0.5, 0.8, 27):
        effect = paired_effect(rng.normal(mean, 0.25, 8).tolist())
        low, high = effect.interval or (0, 0)
        by_interval = "holds" if low > 0 else "does not hold" if high < 0.3 else "not settled"
        assert verdict(effect, 0.3).answer == by_interval


def test_a_family_is_judged_under_holm() -> None:
    rng = np.random.default_rng(4)
    effects = [paired_effect(rng.normal(mean, 0.25, 8).tolist()) for mean in (0.25, 0.35, 1.0, 0.0)]
    p = [ttest_1samp(_values(effect, rng), 0)[1] for effect in effects]
    assert [effect.p_value() for effect in effects] == pytest.approx(p)
    adjusted = multipletests(p, method="holm")[1]
    found = verdicts(effects, 0.3)
    assert [each.adjusted for each in found] == pytest.approx(np.array(adjusted))
    assert [each.answer == "holds" for each in found] == (np.array(adjusted) < 0.05).tolist()
    assert found[2].answer == "holds"
    assert all(each.family == 4 for each in found)


def test_a_claim_that_would_hold_alone_may_not_in_a_family() -> None:
    weak = Effect(0.22, 0.25, 8)
    assert weak.p_value() == pytest.approx(0.0417, abs=1e-3)
    assert verdict(weak, 0.3).answer == "holds"
    alone, *_ = verdicts([weak, Effect(0.0, 0.25, 8), Effect(0.05, None, 1)], 0.3)
    assert alone.answer == "not settled"
    assert alone.seeds is not None
    assert alone.seeds > 8
    assert alone.detectable == pytest.approx(
        float(TTestPower().solve_power(nobs=8, alpha=0.05 / 3, power=0.8)) * 0.25, rel=1e-4
    )


def _values(effect: Effect, rng: np.random.Generator) -> np.ndarray:
    """Numbers with the effect's mean and spread."""
    raw = rng.normal(size=effect.n)
    assert effect.sd is not None
    return effect.mean + effect.sd * (raw - raw.mean()) / raw.std(ddof=1)
