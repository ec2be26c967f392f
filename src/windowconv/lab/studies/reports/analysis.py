"""The contrasts of a study, measured, and the verdict on its claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from windowconv.lab.evaluations.registry import find_metric
from windowconv.lab.statistics.effects import Effect, association_effect, paired_effect
from windowconv.lab.statistics.paired import BOOTSTRAP_SEEDS, PairedDifference, bootstrap_difference
from windowconv.lab.statistics.significance import SignFlip, holm, sign_flip
from windowconv.lab.statistics.verdicts import Verdict, verdict
from windowconv.lab.studies.design.design import Association, Contrast
from windowconv.lab.studies.folder import StudyFolder


@dataclass(frozen=True)
class ContrastResult:
    """A contrast, measured.

    Attributes:
        contrast: which.
        seeds: that all its variants have.
        differences: one a seed, positive where the claim says so; empty for an association.
        effect: their mean and interval; None without a seed.
        test: the sign-flip test; None for an association, or below two seeds.
        adjusted: Holm's p-value among the secondary contrasts.
        bootstrap: a second interval, from 20 seeds on.
    """

    contrast: Contrast | Association
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    effect: Effect | None
    test: SignFlip | None = None
    adjusted: float | None = None
    bootstrap: PairedDifference | None = None


@dataclass(frozen=True)
class Analysis:
    """All contrasts of a study, and its verdict.

    Attributes:
        primary: the one that decides; None without a claim.
        secondary: the others.
        verdict: None without a claim, or while no seed has all runs of the primary contrast.
    """

    primary: ContrastResult | None
    secondary: tuple[ContrastResult, ...]
    verdict: Verdict | None

    @property
    def contrasts(self) -> tuple[ContrastResult, ...]:
        """All, the primary one first."""
        return (*(() if self.primary is None else (self.primary,)), *self.secondary)


def analyse(study: StudyFolder) -> Analysis:
    """Measure the contrasts that were named beforehand, on the seeds that are finished."""
    design, primary = study.design, None
    if isinstance(design.primary, Association):
        primary = _association(study, design.primary)
    elif design.primary is not None:
        primary = _contrast(study, design.primary)
    secondary = [_contrast(study, contrast) for contrast in design.secondary]
    adjusted = holm({str(i): found.test.p for i, found in enumerate(secondary) if found.test})
    secondary = [replace(found, adjusted=adjusted.get(str(i))) for i, found in enumerate(secondary)]
    decided = None if primary is None or primary.effect is None else verdict(primary.effect, design.smallest)
    return Analysis(primary, tuple(secondary), decided)


def _contrast(study: StudyFolder, contrast: Contrast) -> ContrastResult:
    values = {name: study.values(study.design.variant(name), contrast.metric) for name in contrast.variants}
    seeds = _common(list(values.values()))
    if not seeds:
        return ContrastResult(contrast, (), (), None)
    sign = 1 if find_metric(contrast.metric).more_is_better else -1

    def mean(names: Sequence[str], seed: int) -> float:
        return sum(values[name][seed] for name in names) / len(names)

    better = [sign * mean(contrast.better, seed) for seed in seeds]
    worse = [sign * mean(contrast.worse, seed) for seed in seeds]
    differences = tuple(a - b for a, b in zip(better, worse, strict=True))
    test = sign_flip(better, worse) if len(seeds) > 1 else None
    again = bootstrap_difference(better, worse) if len(seeds) >= BOOTSTRAP_SEEDS else None
    return ContrastResult(contrast, seeds, differences, paired_effect(differences), test, None, again)


def _association(study: StudyFolder, association: Association) -> ContrastResult:
    """Positive where there is more of the one with less of the other."""
    variants = [study.design.variant(name) for name in association.variants]
    x = [study.values(variant, association.of) for variant in variants]
    y = [study.values(variant, association.metric) for variant in variants]
    seeds = _common([*x, *y])
    if not seeds:
        return ContrastResult(association, (), (), None)
    names = association.variants
    less = {name: [-held[seed] for seed in seeds] for name, held in zip(names, x, strict=True)}
    more = {name: [held[seed] for seed in seeds] for name, held in zip(names, y, strict=True)}
    return ContrastResult(association, seeds, (), association_effect(less, more))


def _common(values: Sequence[dict[int, float]]) -> tuple[int, ...]:
    """The seeds that all of them have."""
    return tuple(sorted(set.intersection(*(set(held) for held in values))))


def baseline_warning(study: StudyFolder) -> str:
    """That the baseline's accuracy is too low for the study to count; empty if it is not."""
    design, data = study.design, study.data
    first = design.variants[0]
    held = list(study.values(first, "accuracy").values())
    if data not in design.least or study.scale == "smoke" or not held:
        return ""
    mean, least = sum(held) / len(held), design.least[data]
    if mean >= least:
        return ""
    return f"{first.name} reaches only {mean:.2f} %; this study was agreed not to count below {least:g} %."
