"""A study as a value: a claim, the variants that are trained for it, and what was named before any of them ran."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from windowconv.errors import InputError, unknown
from windowconv.lab.config import Training
from windowconv.lab.evaluations.registry import find_evaluation, find_metric
from windowconv.lab.models.arms import parse_arm
from windowconv.lab.recipes import RECIPES, Recipe, find_recipe

Scale = Literal["smoke", "small", "paper"]
SCALES: tuple[Scale, ...] = ("smoke", "small", "paper")


@dataclass(frozen=True)
class Variant:
    """One thing that is compared: an arm, and what else differs from the recipe's settings.

    Args:
        arm: as in `parse_arm`.
        changes: of the recipe's training settings, as pairs of name and value.
        tune: a setting and the values of which the best on the validation images is taken, before the variant's own
            runs; its study needs `val_fraction`.
        start: an arm whose run of the same seed gives the weights that training starts from, converted so that the
            network computes the same; empty for random weights.
    """

    arm: str
    changes: tuple[tuple[str, Any], ...] = ()
    tune: tuple[str, tuple[float, ...]] | None = None
    start: str = ""

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
        words = [self.arm, *(f"{key.replace('_', '-')}={value}" for key, value in self.changes)]
        if self.tune:
            words.append(f"{self.tune[0].replace('_', '-')} tuned")
        if self.start:
            words.append(f"from {self.start}")
        return " ".join(words)

    @property
    def folder(self) -> str:
        """What its run folders are called, before the seed; for a plain arm as `compare` calls them."""
        return re.sub(r"[:= ]", "_", self.name)


@dataclass(frozen=True)
class Contrast:
    """A paired difference: for each seed, the mean over `better` minus the mean over `worse`; the claim says above 0.

    Args:
        better, worse: variants by name.
        figure: the metric that is compared, see `find_metric`; its sign is turned where less is better.
    """

    better: tuple[str, ...]
    worse: tuple[str, ...]
    figure: str = "accuracy"

    @property
    def variants(self) -> tuple[str, ...]:
        """All that it needs."""
        return (*self.better, *self.worse)

    def __str__(self) -> str:
        def side(names: tuple[str, ...]) -> str:
            return names[0] if len(names) == 1 else f"mean of {', '.join(names)}"

        first, second = (
            (self.better, self.worse) if find_metric(self.figure).more_is_better else (self.worse, self.better)
        )
        return f"{find_metric(self.figure).title}: {side(first)} minus {side(second)}"


@dataclass(frozen=True)
class Association:
    """Within each variant, over its runs: how much more `figure` there is where there is less of `of`.

    Args:
        of: what varies, in its own standard deviations.
        variants: by name; their means are taken off first.
        figure: what may go with it.
    """

    of: str
    variants: tuple[str, ...]
    figure: str = "accuracy"

    def __str__(self) -> str:
        figure, of = find_metric(self.figure).title, find_metric(self.of).title
        return f"{figure} for one standard deviation less of {of}, within a variant"


@dataclass(frozen=True)
class Design:
    """A study, as it stands before any run.

    Args:
        name: after the claim that it tests.
        claim: in words; the verdict is about this sentence.
        recipe: whose settings all share, without its scale ("cifar10" for cifar10-small).
        variants: what is trained; the first one is the baseline of tables.
        primary: the one contrast that decides.
        secondary: further ones, adjusted for their number; everything else is exploratory.
        smallest: d, the smallest effect of interest, in the primary figure's unit.
        measures: the evaluations of each run after its training, by name, see `find_evaluation`.
        changes: of the recipe's settings, for all variants.
        seeds: runs of each variant, if nothing else is asked for.
        least: the test accuracy (%) that the first variant must reach for the study to count, by data set.
        limits: what the study cannot say, for its report.
        data: whose images, if not the recipe's.
    """

    name: str
    claim: str
    recipe: str
    variants: tuple[Variant, ...]
    primary: Contrast | Association
    secondary: tuple[Contrast, ...] = ()
    smallest: float = 0.3
    measures: tuple[str, ...] = ("leakage",)
    changes: tuple[tuple[str, Any], ...] = ()
    seeds: int = 8
    least: Mapping[str, float] = field(default_factory=dict)
    limits: str = ""
    data: str = ""

    def __post_init__(self) -> None:
        names = [variant.name for variant in self.variants]
        if not names or len(set(names)) != len(names):
            raise InputError(f"variants={names}; allowed: one or more, each once")
        for contrast in (self.primary, *self.secondary):
            for name in contrast.variants:
                if name not in names:
                    raise unknown("variant", name, names)

    def variant(self, name: str) -> Variant:
        """The variant of this name; the nearest is suggested if there is none."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise unknown("variant", name, [variant.name for variant in self.variants])

    def at(self, scale: str) -> Recipe:
        """The recipe at a scale, with the study's own changes; an `InputError` for an unknown scale."""
        if scale not in SCALES:
            raise unknown("scale", scale, SCALES)
        recipe = find_recipe(f"{self.recipe}-{scale}")
        training = replace(recipe.training, **dict(self.changes))
        return replace(recipe, training=training, data=self.data or recipe.data)

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
        missing = [name for name in self.primary.variants if name not in names]
        if missing:
            raise InputError(f"variants={list(names)} lack {missing[0]!r}, which the primary contrast needs")
        secondary = tuple(c for c in self.secondary if set(c.variants) <= set(names))
        return replace(self, variants=kept, secondary=secondary)

    def changed(self, changes: Mapping[str, Any]) -> Design:
        """The study with other settings for all its runs."""
        return replace(self, changes=tuple({**dict(self.changes), **changes}.items()))

    def measuring(self, names: Iterable[str]) -> Design:
        """The study with more evaluations of each run; an `InputError` for one that is unknown."""
        return replace(self, measures=tuple(dict.fromkeys((*self.measures, *(find_evaluation(n).name for n in names)))))
