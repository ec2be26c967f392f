"""Whether a difference is too small to matter: equivalence, by two one-sided tests."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from windowconv.errors import InputError, require
from windowconv.lab.statistics.effects import paired


def equivalence(values: Sequence[float], baseline: Sequence[float], margin: float) -> float:
    """The p-value of two one-sided paired t tests: small where the mean difference lies within +- margin.

    It is the larger of the p-values of "the difference is -margin or less" and "it is margin or more". Below 0.05 the
    90 % interval lies within the margin. A difference that is not significant shows no equivalence: this does.

    Args:
        values, baseline: one number a seed, in the same order.
        margin: the smallest difference that matters, in their unit; above 0.

    Raises:
        InputError: lengths that differ, fewer than two seeds, a number that is not finite, a margin not above 0.

    Source: Schuirmann, "A comparison of the two one-sided tests procedure and the power approach", 1987.
    """
    if not (math.isfinite(margin) and margin > 0):
        raise InputError(f"margin={margin}; allowed: a finite number above 0")
    difference = paired(values, baseline)
    if len(difference) < 2:
        raise InputError(f"seeds={len(difference)}; allowed: 2 or more")
    if np.ptp(difference) == 0:
        return 0.0 if abs(difference[0]) < margin else 1.0
    weightstats = require("statsmodels.stats.weightstats", "lab")  # slow to import
    return float(weightstats.ttost_paired(difference, np.zeros(len(difference)), -margin, margin)[0])
