"""Effects over seeds agree with SciPy's regression."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import linregress, t

from windowconv.errors import InputError
from windowconv.lab.statistics.effects import association_effect, paired_effect


@pytest.mark.parametrize("differences", [[], [math.nan], [[1.0]]])
def test_differences_are_finite_numbers(differences: list[float]) -> None:
    with pytest.raises(InputError, match="one finite number a seed"):
        paired_effect(differences)


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
