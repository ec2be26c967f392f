"""A contrast as the study that counts most measured it."""

from __future__ import annotations

from collections.abc import Sequence

from windowconv.lab.studies.design.design import Contrast
from windowconv.lab.studies.reports.analysis import ContrastResult, measure
from windowconv.lab.studies.reports.entries import Entry

TITLES = {"fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet": "ImageNet"}
"""Of data sets, in the order in which they are named."""


def best_result(contrast: Contrast, entries: Sequence[Entry]) -> tuple[Entry, ContrastResult] | None:
    """A contrast as the study that counts most measured it; None where none has an interval for it.

    One that decides counts more than one that does not, one that named the contrast more than one that did not, and
    then the one with more seeds.
    """
    found = []
    for entry in entries:
        if {*contrast.variants} <= {variant.name for variant in entry.study.design.variants}:
            named = [each for each in entry.analysis.contrasts if each.contrast == contrast]
            result = named[0] if named else measure(entry.study, contrast)
            if result.effect and result.effect.interval:
                found.append((entry.standing.decides, bool(named), result.effect.n, entry, result))
    return max(found, key=lambda each: each[:3])[3:] if found else None
