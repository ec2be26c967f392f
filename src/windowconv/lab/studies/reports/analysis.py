"""The contrasts of a study, measured, and the verdict on its claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from windowconv.lab.evaluations.registry import find_metric
from windowconv.lab.statistics.effects import Effect, association_effect, paired_effect
from windowconv.lab.statistics.equivalence import equivalence
from windowconv.lab.statistics.paired import BOOTSTRAP_SEEDS, PairedDifference, bootstrap_difference
from windowconv.lab.statistics.power import detectable_effect
from windowconv.lab.statistics.significance import SignFlip, holm, sign_flip
from windowconv.lab.statistics.verdicts import ALPHA, Verdict, verdicts
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
        adjusted: Holm's p-value among the contrasts of its kind.
        detectable: the effect that these seeds see with 80 % power, at worst under Holm; None below two seeds.
        verdict: of a primary contrast.
        bootstrap: a second interval, from 20 seeds on.
    """

    contrast: Contrast | Association
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    effect: Effect | None
    test: SignFlip | None = None
    adjusted: float | None = None
    detectable: float | None = None
    verdict: Verdict | None = None
    bootstrap: PairedDifference | None = None


@dataclass(frozen=True)
class EquivalenceResult:
    """A contrast of which it is claimed that there is none.

    Attributes:
        measured: the contrast.
        margin: d, within which a difference does not matter.
        p: of the two one-sided tests, adjusted by Holm over the claims of this kind; None below two seeds.
    """

    measured: ContrastResult
    margin: float
    p: float | None


@dataclass(frozen=True)
class Analysis:
    """All contrasts of a study, and its verdicts.

    Attributes:
        primaries: those that decide, each for itself; empty without a claim.
        secondary: the others.
        equivalent: claims of no difference.
    """

    primaries: tuple[ContrastResult, ...]
    secondary: tuple[ContrastResult, ...]
    equivalent: tuple[EquivalenceResult, ...] = ()

    @property
    def primary(self) -> ContrastResult | None:
        """The first that decides; None without a claim."""
        return self.primaries[0] if self.primaries else None

    @property
    def verdict(self) -> Verdict | None:
        """The primary contrast's; None without a claim, or while no seed has all its runs."""
        return self.primary.verdict if self.primary else None

    @property
    def contrasts(self) -> tuple[ContrastResult, ...]:
        """All differences, those that decide first."""
        return (*self.primaries, *self.secondary)


def analyse(study: StudyFolder) -> Analysis:
    """Measure the contrasts that were named beforehand, on the seeds that are finished."""
    design = study.design
    return Analysis(
        _judged([measure(study, contrast) for contrast in design.primaries], design.smallest),
        _adjusted([measure(study, contrast) for contrast in design.secondary]),
        _equivalences([measure(study, contrast) for contrast in design.equivalent], design.smallest),
    )


def measure(study: StudyFolder, contrast: Contrast | Association) -> ContrastResult:
    """Measure any contrast of a study's variants; one that was not named beforehand is exploratory."""
    return _association(study, contrast) if isinstance(contrast, Association) else _contrast(study, contrast)


def _judged(found: Sequence[ContrastResult], smallest: float) -> tuple[ContrastResult, ...]:
    """The primary contrasts with their verdicts; those without a seed count in the family, and have none."""
    effects = [each.effect or Effect(0.0, None, 0) for each in found]
    if not any(each.effect for each in found):
        return tuple(found)
    judged = verdicts(effects, smallest)
    return tuple(
        each
        if each.effect is None
        else replace(
            each,
            verdict=said,
            adjusted=said.adjusted if len(found) > 1 else None,
            detectable=detectable_effect(each.effect, each.effect.n, ALPHA / len(found)),
        )
        for each, said in zip(found, judged, strict=True)
    )


def _adjusted(found: Sequence[ContrastResult]) -> tuple[ContrastResult, ...]:
    """The secondary contrasts with Holm's p-values of their sign-flip tests."""
    p_values = holm({str(i): each.test.p for i, each in enumerate(found) if each.test})
    return tuple(
        replace(
            each,
            adjusted=p_values.get(str(i)),
            detectable=each.effect and detectable_effect(each.effect, each.effect.n, ALPHA / len(found)),
        )
        for i, each in enumerate(found)
    )


def _equivalences(found: Sequence[ContrastResult], margin: float) -> tuple[EquivalenceResult, ...]:
    p_values = holm(
        {
            str(i): equivalence(each.differences, [0.0] * len(each.differences), margin)
            for i, each in enumerate(found)
            if len(each.differences) > 1
        }
    )
    return tuple(EquivalenceResult(each, margin, p_values.get(str(i))) for i, each in enumerate(found))


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
    return ContrastResult(contrast, seeds, differences, paired_effect(differences), test, bootstrap=again)


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
