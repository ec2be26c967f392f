"""How small an effect a number of seeds can see."""

from __future__ import annotations

import math

from windowconv.errors import InputError
from windowconv.lab.statistics.effects import Effect

POWER = 0.8
LARGEST = 1e6
"""Effects are looked for up to so many standard errors."""


def detectable_effect(effect: Effect, n: int, alpha: float = 0.05, power: float = POWER) -> float | None:
    """The effect that a two-sided t test over n seeds finds with this power, at the spread that was seen.

    The statistic of a true effect e follows the noncentral t distribution with noncentrality e sqrt(n) / sd; the
    result is the e for which it exceeds the critical value with probability `power`, on the side of e. Not to be asked
    with the effect that was seen in the place of the spread: "observed power" says no more than the p-value.

    Args:
        effect: for its standard deviation.
        n: number of seeds.
        alpha: of the test, 0 to 1; a family of m tests under Holm has alpha / m at worst.
        power: 0.5 to 1, exclusive.

    Returns:
        In the unit of the effect; None where n seeds allow no test.

    Raises:
        InputError: an alpha or a power outside its range.

    Source: Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, chapter 2.
    """
    from scipy.optimize import brentq
    from scipy.special import nctdtr, stdtrit  # scipy.stats is slow to import

    if not 0 < alpha < 1:
        raise InputError(f"alpha={alpha}; allowed: above 0 and below 1")
    if not 0.5 <= power < 1:
        raise InputError(f"power={power}; allowed: 0.5 or more, below 1")
    degrees = n - 1
    if effect.sd is None or degrees < 1:
        return None
    critical = float(stdtrit(degrees, 1 - alpha / 2))

    def missing(noncentrality: float) -> float:
        return 1 - float(nctdtr(degrees, noncentrality, critical)) - power

    high = critical
    while missing(high) < 0 and high < LARGEST:
        high *= 2
    found: float = brentq(missing, 0, high)  # pyright: ignore[reportAssignmentType]
    return found * effect.sd / math.sqrt(n)
