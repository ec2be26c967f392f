"""Effects over seeds agree with statsmodels' regression; the seed is the unit."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import t
from statsmodels.regression.linear_model import OLS

from windowconv.errors import InputError
from windowconv.lab.statistics.effects import association_effect, paired_effect


@pytest.mark.parametrize("differences", [[], [math.nan], [[1.0]]])
def test_differences_are_finite_numbers(differences: list[float]) -> None:
    with pytest.raises(InputError, match="one finite number a seed"):
        paired_effect(differences)


@pytest.mark.parametrize(("arms", "seeds"), [(1, 9), (5, 8), (3, 6)])
def test_an_association_is_the_regressions_with_the_jackknife_over_seeds(arms: int, seeds: int) -> None:
    rng = np.random.default_rng(arms)
    x = rng.normal(5, 2, (arms, seeds))
    y = 3 * x + rng.normal(0, 1, seeds) + rng.normal(0, 1, (arms, seeds))
    found = association_effect(_named(x), _named(y))
    arm, seed = np.indices((arms, seeds))
    dummies = (arm.ravel()[:, None] == np.arange(arms)).astype(float)

    def slope(kept: np.ndarray) -> float:
        """Of a regression with an intercept for each arm."""
        model: Any = OLS(y.ravel()[kept], np.column_stack([x.ravel(), dummies])[kept]).fit()
        return model.params[0]

    whole = slope(np.ones(arms * seeds, bool))
    changes = np.array([slope(seed.ravel() != left_out) - whole for left_out in range(seeds)])
    error = np.sqrt((seeds - 1) / seeds * (changes**2).sum())
    scale = np.sqrt(x.var(1, ddof=1).mean())
    half = float(t.ppf(0.975, seeds - 1)) * error
    assert found.mean == pytest.approx(whole * scale)
    assert found.interval == pytest.approx(((whole - half) * scale, (whole + half) * scale))


def test_batches_that_seeds_share_are_no_evidence() -> None:
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(400):
        shared = rng.normal(0, 1, (2, 10))  # what a seed's batches do to x and y of every arm alike
        x, y = (part + rng.normal(0, 0.3, (5, 10)) for part in shared)
        low, high = association_effect(_named(x), _named(y)).interval or (0, 0)
        wrong += not low <= 0 <= high
    assert wrong / 400 < 0.1  # with all 50 runs as if they were independent it would be about 0.4


def _named(values: np.ndarray) -> dict[str, list[float]]:
    return dict(zip("abcde", values.tolist(), strict=False))


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
