"""The detectable effect: statsmodels' power analysis as the reference, and a simulation."""

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from windowconv.errors import InputError
from windowconv.lab.statistics.effects import Effect, paired_effect
from windowconv.lab.statistics.power import detectable_effect


@pytest.mark.parametrize(
    ("n", "alpha", "power"), [(6, 0.05, 0.8), (8, 0.05 / 3, 0.8), (10, 0.05, 0.9), (30, 0.01, 0.5)]
)
def test_the_power_at_the_detectable_effect_is_the_one_asked_for(n: int, alpha: float, power: float) -> None:
    found = detectable_effect(Effect(0.1, 0.25, n), n, alpha, power)
    assert found is not None
    # statsmodels counts findings on the wrong side too, which are next to none
    assert TTestPower().power(found / 0.25, n, alpha, alternative="two-sided") == pytest.approx(power, abs=1e-4)


def test_a_simulation_agrees() -> None:
    found = detectable_effect(Effect(0.0, 0.4, 8), 8)
    assert found is not None
    draws = np.random.default_rng(0).normal(found, 0.4, (4000, 8))
    seen = [(paired_effect(row.tolist()).interval or (0, 0))[0] > 0 for row in draws]
    assert np.mean(seen) == pytest.approx(0.8, abs=0.02)


def test_too_few_seeds_see_nothing() -> None:
    assert detectable_effect(Effect(0.1, None, 1), 1) is None
    assert detectable_effect(Effect(0.1, 0.2, 2), 1) is None
    two = detectable_effect(Effect(0.1, 0.2, 2), 2)
    assert two is not None
    assert two > 20 * 0.2 / 2
    assert detectable_effect(Effect(0.1, 0.0, 8), 8) == 0.0


@pytest.mark.parametrize(("alpha", "power"), [(0.0, 0.8), (1.0, 0.8), (0.05, 0.4), (0.05, 1.0)])
def test_what_is_no_test_is_refused(alpha: float, power: float) -> None:
    with pytest.raises(InputError, match="allowed"):
        detectable_effect(Effect(0.1, 0.2, 8), 8, alpha, power)
