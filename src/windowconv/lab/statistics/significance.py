"""Tests over seeds: the sign-flip test, and Holm's adjustment for several of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from windowconv.errors import InputError, require
from windowconv.lab.statistics.effects import paired

EXACT_SEEDS = 20
"""All 2^n choices of signs are tried up to this many seeds; 2^20 take some seconds."""
DRAWS = 199_999
"""Random choices of signs above `EXACT_SEEDS`."""
BATCH = 10_000
"""Choices of signs at a time, to bound the memory."""


@dataclass(frozen=True)
class SignFlip:
    """The result of a two-sided sign-flip test.

    Attributes:
        p: the p-value.
        floor: the smallest p-value that this number of seeds can give.
        exact: whether all choices of signs were tried.
    """

    p: float
    floor: float
    exact: bool


def sign_flip(values: Sequence[float], baseline: Sequence[float], seed: int = 0) -> SignFlip:
    """The two-sided sign-flip test: the share of all choices of the differences' signs whose mean is as far from 0.

    It assumes only that a difference is as likely to be positive as negative where there is no effect. With n seeds the
    p-value is at least 2 / 2^n: 0.0625 with 5, so that five seeds never reach 0.05, and 0.0078 with 8. Above 20 seeds
    random signs are tried instead of all.

    Args:
        values, baseline: one number a seed, in the same order.
        seed: of the random signs.

    Raises:
        InputError: lengths that differ, no value, or one that is not a finite number.

    Source: Fisher, "The Design of Experiments", 1935, section 21.

    >>> sign_flip([1.0, 2.0, 3.0, 4.0, 5.0], [0.0] * 5)
    SignFlip(p=0.0625, floor=0.0625, exact=True)
    """
    difference = tuple(paired(values, baseline).tolist())
    n = len(difference)
    exact = n <= EXACT_SEEDS
    return SignFlip(_p_value(difference, seed) if n > 1 else 1.0, 2.0 ** (1 - n) if exact else 1 / (1 + DRAWS), exact)


@lru_cache(maxsize=256)  # a report asks more than once, and 20 seeds take seconds
def _p_value(difference: tuple[float, ...], seed: int) -> float:
    from scipy.stats import permutation_test  # slow to import

    choices = np.inf if len(difference) <= EXACT_SEEDS else DRAWS
    options = {"n_resamples": choices, "batch": BATCH, "rng": np.random.default_rng(seed)}
    # of one sample, SciPy permutes the signs
    found = permutation_test((difference,), _distance, permutation_type="samples", alternative="greater", **options)
    return float(found.pvalue)


def _distance(differences: np.ndarray, axis: int) -> np.ndarray:
    """The mean's distance from 0, plus a constant: SciPy takes values as equal by their ratio, and those that differ by
    the rounding of the differences alone must be."""
    return np.abs(differences.mean(axis)) + np.abs(differences).mean(axis)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's adjusted p-values: comparing each with 0.05 keeps the chance of any false finding below 0.05.

    The i-th smallest of m p-values becomes the largest of p(j) (m - j + 1) for j up to i, at most 1.

    Args:
        p_values: by the comparison's name.

    Raises:
        InputError: a p-value outside [0, 1].

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    for name, p in p_values.items():
        if not 0 <= p <= 1:
            raise InputError(f"p_values[{name!r}]={p}; allowed: 0 to 1")
    if not p_values:
        return {}
    multitest = require("statsmodels.stats.multitest", "lab")  # slow to import
    adjusted = multitest.multipletests(list(p_values.values()), method="holm")[1]
    return dict(zip(p_values, adjusted.tolist(), strict=True))
