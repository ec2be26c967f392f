"""A study as a value: its variants and, if it tests a claim, what was named before any of them ran."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from windowconv.errors import InputError, unknown
from windowconv.lab.config import Training
from windowconv.lab.evaluations.registry import find_evaluation, find_metric
from windowconv.lab.models.arms import parse_arm
from windowconv.lab.recipes import RECIPES
from windowconv.lab.studies.design.tuning import Tuning

SEARCH = "search"
"""The folder of the runs that tune variants."""


@dataclass(frozen=True)
class Variant:
    """One of the things that a study compares: an arm, and what else differs from the shared settings.

    Args:
        arm: as in `parse_arm`.
        changes: of the shared training settings, as pairs of name and value.
        tune: a setting, and the values to try before the variant's own runs: the best one on the validation images is
            used; its study needs `val_fraction`.
        start: an arm whose run of the same seed gives the weights that training starts from, converted so that the
            network computes the same; empty for random weights.
        label: what it is called; made from the rest if empty.
    """

    arm: str
    changes: tuple[tuple[str, Any], ...] = ()
    tune: tuple[str, tuple[float, ...]] | None = None
    start: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        parse_arm(self.arm)
        known = {f.name for f in fields(Training)}
        for name in [*dict(self.changes), *([self.tune[0]] if self.tune else [])]:
            if name not in known:
                raise unknown("setting", name, known)

    @property
    def name(self) -> str:
        """In tables and contrasts: "7x7 depth=6", "7x7 weight-decay tuned", "7x7-hamming from 3x3".

        >>> Variant("7x7", (("depth", 6),)).name
        '7x7 depth=6'
        """
        if self.label:
            return self.label
        words = [self.arm, *(f"{key.replace('_', '-')}={value}" for key, value in self.changes)]
        if self.tune:
            words.append(f"{self.tune[0].replace('_', '-')} tuned")
        if self.start:
            words.append(f"from {self.start}")
        return " ".join(words)

    @property
    def folder(self) -> str:
        """What its run folders are called, before the seed."""
        return re.sub(r"[:= ]", "_", self.name)

    def search_folder(self, value: float) -> str:
        """The folder, within a study's, of the run that tries a value of the tuned setting."""
        assert self.tune
        setting = self.tune[0] if self.label else ""  # else its name has it already
        return f"{SEARCH}/{self.folder}-{setting}{value:g}"


@dataclass(frozen=True)
class Contrast:
    """A paired difference: for each seed, the mean over `better` minus the mean over `worse`; a claim says above 0.

    Args:
        better, worse: variants by name.
        metric: what is compared, see `find_metric`; its sign is turned where less is better.
    """

    better: tuple[str, ...]
    worse: tuple[str, ...]
    metric: str = "accuracy"

    @property
    def variants(self) -> tuple[str, ...]:
        """All that it needs."""
        return (*self.better, *self.worse)

    def __str__(self) -> str:
        def side(names: tuple[str, ...]) -> str:
            return names[0] if len(names) == 1 else f"mean of {', '.join(names)}"

        metric = find_metric(self.metric)
        first, second = (self.better, self.worse) if metric.more_is_better else (self.worse, self.better)
        return f"{metric.title}: {side(first)} minus {side(second)}"


@dataclass(frozen=True)
class Association:
    """Within each variant, over its runs: how much `metric` rises for a decrease in `of`.

    Args:
        of: the metric that varies, in its own standard deviations.
        variants: by name; each one's means are subtracted first.
        metric: what may be associated with it.
    """

    of: str
    variants: tuple[str, ...]
    metric: str = "accuracy"

    def __str__(self) -> str:
        metric, of = find_metric(self.metric).title, find_metric(self.of).title
        return f"{metric} for one standard deviation less of {of}, within a variant"


def arms(*names: str) -> tuple[Variant, ...]:
    """Variants that differ in their arms alone."""
    return tuple(Variant(name) for name in names)


def minus(better: str, worse: str, metric: str = "accuracy") -> Contrast:
    """The contrast of two variants."""
    return Contrast((better,), (worse,), metric)


@dataclass(frozen=True)
class Design:
    """A study, as it stands before any run. Without a claim it compares all variants with the first, and decides
    nothing.

    Args:
        name: after the claim that it tests.
        claim: in words; the verdict is about this sentence. Empty for none.
        recipe: whose settings all share, without its scale ("cifar10" for cifar10-small); empty where a plan has
            settings of its own.
        variants: what is trained; the first one is the baseline of tables.
        primary: the contrast that decides on the claim; None without one.
        secondary: further ones, adjusted for their number; everything else is exploratory.
        smallest: d, the smallest effect of interest, in the primary metric's unit.
        measures: the evaluations of each run after its training, by name, see `find_evaluation`.
        changes: of the recipe's settings, for all variants.
        seeds: runs of each variant, if nothing else is asked for.
        least: the test accuracy (%) that the first variant must reach for the study to count, by data set.
        limits: what the study cannot say, for its report.
        data: whose images, if not the recipe's.
        co_primary: further ones that decide with `primary`, each for itself, under Holm.
        equivalent: contrasts of which it is claimed that there is none, to within `smallest`; of `primary`'s metric.
        tuning: how settings are chosen for each variant before its runs; None for the shared ones.
        any_version: whether runs of different versions of torch may stand side by side.
    """

    name: str
    claim: str
    recipe: str
    variants: tuple[Variant, ...]
    primary: Contrast | Association | None = None
    secondary: tuple[Contrast | Association, ...] = ()
    smallest: float = 0.3
    measures: tuple[str, ...] = ("leakage",)
    changes: tuple[tuple[str, Any], ...] = ()
    seeds: int = 8
    least: Mapping[str, float] = field(default_factory=dict)
    limits: str = ""
    data: str = ""
    co_primary: tuple[Contrast, ...] = ()
    equivalent: tuple[Contrast, ...] = ()
    tuning: Tuning | None = None
    any_version: bool = False

    def __post_init__(self) -> None:
        names = [variant.name for variant in self.variants]
        if not names or len(set(names)) != len(names):
            raise InputError(f"variants={names}; allowed: one or more, each once")
        if bool(self.claim) != (self.primary is not None):
            raise InputError(f"claim={self.claim!r}, primary={self.primary}; allowed: both, or neither")
        for contrast in (*self.contrasts, *self.equivalent):
            for name in contrast.variants:
                if name not in names:
                    raise unknown("variant", name, names)

    @property
    def primaries(self) -> tuple[Contrast | Association, ...]:
        """The contrasts that decide."""
        return (*(() if self.primary is None else (self.primary,)), *self.co_primary)

    @property
    def contrasts(self) -> tuple[Contrast | Association, ...]:
        """All differences that were named beforehand, those that decide first."""
        return (*self.primaries, *self.secondary)

    @property
    def about(self) -> str:
        """The claim, or, without one, what is compared."""
        return self.claim or f"No claim: compares {len(self.variants)} variants with {self.variants[0].name}."

    def variant(self, name: str) -> Variant:
        """The variant of this name; the nearest is suggested if there is none."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise unknown("variant", name, [variant.name for variant in self.variants])

    def on(self, data: str) -> Design:
        """The same study on other images: with that data set's own recipe where there is one, else with this recipe."""
        if f"{data}-small" in RECIPES:
            return replace(self, recipe=data, data="")
        return replace(self, data=data)

    def only(self, names: tuple[str, ...]) -> Design:
        """The study of some of its variants; contrasts of others are left out.

        Raises:
            InputError: an unknown variant, or one that the primary contrast needs is missing.
        """
        kept = tuple(self.variant(name) for name in names)
        needed = () if self.primary is None else self.primary.variants
        missing = [name for name in needed if name not in names]
        if missing:
            raise InputError(f"variants={list(names)} lack {missing[0]!r}, which the primary contrast needs")
        return replace(
            self,
            variants=kept,
            co_primary=tuple(c for c in self.co_primary if set(c.variants) <= set(names)),
            secondary=tuple(c for c in self.secondary if set(c.variants) <= set(names)),
            equivalent=tuple(c for c in self.equivalent if set(c.variants) <= set(names)),
        )

    def changed(self, changes: Mapping[str, Any]) -> Design:
        """The study with other settings for all its runs."""
        return replace(self, changes=tuple({**dict(self.changes), **changes}.items()))

    def with_values(self, chosen: Mapping[str, Mapping[str, float]]) -> Design:
        """The study with settings that were chosen for its variants, by their names, which stay."""
        variants = [
            replace(v, changes=tuple({**dict(v.changes), **chosen[v.name]}.items()), label=v.name)
            if chosen.get(v.name)
            else v
            for v in self.variants
        ]
        return replace(self, variants=tuple(variants))

    def measuring(self, names: Iterable[str]) -> Design:
        """The study with more evaluations of each run; an `InputError` for one that is unknown."""
        return replace(self, measures=tuple(dict.fromkeys((*self.measures, *(find_evaluation(n).name for n in names)))))
