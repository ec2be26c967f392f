"""Two one-sided tests: values against SciPy's one-sided t tests, and the 90 % interval."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from windowconv.errors import InputError
from windowconv.lab.statistics.effects import paired_effect
from windowconv.lab.statistics.equivalence import equivalence


@pytest.mark.parametrize(("mean", "sd", "n"), [(0.05, 0.2, 10), (0.25, 0.1, 6), (-0.4, 0.3, 8), (0.0, 0.5, 3)])
def test_it_is_the_larger_of_two_one_sided_tests(mean: float, sd: float, n: int) -> None:
    difference = np.random.default_rng(n).normal(mean, sd, n)
    low = ttest_1samp(difference, -0.3, alternative="greater")[1]
    high = ttest_1samp(difference, 0.3, alternative="less")[1]
    found = equivalence((90 + difference).tolist(), [90.0] * n, 0.3)
    assert found == pytest.approx(max(low, high), rel=1e-6)
    interval = paired_effect(difference.tolist()).interval_at(0.9)
    assert interval is not None
    assert (found < 0.05) == (interval[0] > -0.3 and interval[1] < 0.3)


def test_differences_that_do_not_vary() -> None:
    assert equivalence([1.0, 1.0], [0.5, 0.5], 0.6) == 0.0
    assert equivalence([1.0, 1.0], [0.5, 0.5], 0.4) == 1.0


@pytest.mark.parametrize(
    ("values", "margin", "message"),
    [([1.0, 2.0], 0.0, "margin=0.0; allowed"), ([1.0], 0.3, "seeds=1; allowed: 2"), ([1.0, float("nan")], 0.3, "nan")],
)
def test_what_cannot_be_tested_is_refused(values: list[float], margin: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        equivalence(values, [0.0] * len(values), margin)
