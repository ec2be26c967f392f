"""Studies without a claim: arms on the same images over seeds, such as `windowconv compare` runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from windowconv.errors import InputError
from windowconv.lab.config import Training
from windowconv.lab.models.arms import parse_arm
from windowconv.lab.studies.design.design import Design, Variant
from windowconv.lab.studies.design.plan import Plan

NAME = "compare"


def comparison(arms: Sequence[str], rates: Mapping[str, Sequence[float]] | None = None) -> Design:
    """The design that compares arms; the first one is the baseline.

    Args:
        arms: as in `parse_arm`.
        rates: by arm, the learning rates of which its best one is used; the shared one for arms that have none.

    Raises:
        InputError: no arm, the same one twice, or one that does not exist.
    """
    if not arms or len(set(arms)) != len(arms):
        raise InputError(f"arms={list(arms)}; allowed: one or more, each once")
    for arm in arms:
        parse_arm(arm).layer_window()  # whether there is such a window
    rates = rates or {}
    variants = [Variant(arm, tune=("lr", tuple(rates[arm])) if rates.get(arm) else None, label=arm) for arm in arms]
    return Design(NAME, "", "", tuple(variants))


def plan_comparison(
    arms: Sequence[str], data: str, training: Training, seeds: int, rates: Sequence[float] = ()
) -> Plan:
    """The runs that compare arms.

    Args:
        arms: as in `parse_arm`.
        data: the data's name.
        training: what all runs share.
        seeds: runs of each arm.
        rates: learning rates to try for each arm; `training.lr` for all if there are none. One rate for all arms
            favours one of them: a window scales the effective step.

    Raises:
        InputError: as `comparison`; less than one seed; rates without validation images, that are not positive, or
            that come twice.
    """
    if rates and not training.val_fraction:
        raise InputError("lr-search needs --val-fraction, such as 0.1: the test set decides nothing")
    if len(set(rates)) != len(rates) or not all(rate > 0 for rate in rates):
        raise InputError(f"lr-search={list(rates)}; allowed: positive rates, each once")
    return Plan(comparison(arms, dict.fromkeys(arms, rates)), training, seeds, data)
