"""Arms under conditions: errors by seed, over kinds of conditions, on all images or on those that all get right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from windowconv.errors import InputError, unknown
from windowconv.lab.evaluations.protocol import Runs
from windowconv.lab.robustness.conditions.bands import BANDS
from windowconv.lab.robustness.conditions.catalogue import CLEAN, Condition
from windowconv.lab.robustness.conditions.corruptions import CORRUPTIONS, GROUPS
from windowconv.lab.robustness.conditions.record import CONDITIONS, Answers, shared_count
from windowconv.lab.runs.folder import Run
from windowconv.lab.statistics.tables import INTERVAL_SEEDS

BySeed = dict[str, list[float]]  # by arm, one value a seed


@dataclass(frozen=True)
class Kind:
    """Conditions over which errors are averaged."""

    title: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, eq=False)
class ConditionsComparison:
    """Arms x seeds, measured under the same conditions on the same images.

    Attributes:
        arms: by name, one run a seed; the first is the baseline.
        conditions: those that all runs have, in the first one's order, without the clean images.
    """

    arms: dict[str, list[Answers]]
    conditions: tuple[Condition, ...]

    @classmethod
    def read(cls, runs: Runs, count: int | None = None) -> ConditionsComparison:
        """Read run folders.

        Args:
            runs: by arm, in the order of the seeds.
            count: on how many images they were measured; None for the most that all runs share.

        Raises:
            InputError: no arms; arms of different seeds; runs that were not measured, or on other images,
                with another seed, or under other conditions.
        """
        check_paired(runs)
        n = shared_count([run for seeds in runs.values() for run in seeds], CONDITIONS, count)
        arms = {arm: [Answers.read(run, n) for run in seeds] for arm, seeds in runs.items()}
        first = next(iter(runs.values()))[0]
        head = next(iter(arms.values()))[0].record
        for arm, seeds in runs.items():
            for run, measured in zip(seeds, arms[arm], strict=True):
                _check_same(run, measured.record, first, head)
        made = [_condition(name, known) for name, known in head["conditions"].items()]
        return cls(arms, tuple(condition for condition in made if condition.family != "clean"))

    @property
    def baseline(self) -> str:
        """The first arm."""
        return next(iter(self.arms))

    @property
    def record(self) -> dict[str, Any]:
        """The first run's record: images, environments, and how each condition changes the images."""
        return self.arms[self.baseline][0].record

    @cached_property
    def shared(self) -> Tensor:
        """bool (n,): the images that all arms and seeds classify correctly when clean."""
        return torch.stack([m.correct[CLEAN.name] for seeds in self.arms.values() for m in seeds]).all(0)

    def errors(self, conditions: Sequence[Condition], among: Tensor | None = None) -> BySeed:
        """The mean error (%) over conditions, by arm and seed; `among`, bool (n,), says which images count."""
        names = [condition.name for condition in conditions]
        return {arm: [_error(m.correct, names, among) for m in seeds] for arm, seeds in self.arms.items()}

    def clean(self, among: Tensor | None = None) -> BySeed:
        """The error (%) on clean images."""
        return self.errors([CLEAN], among)

    def relative(self, conditions: Sequence[Condition]) -> dict[str, list[float] | None]:
        """The error as a percentage of the first arm's with the same seed, averaged over series, by arm and seed.

        Over corruptions it is the mean corruption error of Hendrycks & Dietterich (2019) with the first arm in the
        place of AlexNet:

            mCE = mean over corruptions c of (sum over severities s of E(s, c)) / (sum over s of E_first(s, c))

        None where the first arm makes no error.
        """
        series = [self.errors(members) for members in _by(conditions, lambda condition: condition.series).values()]
        found: dict[str, list[float] | None] = {}
        for arm in self.arms:
            ratios = []
            for errors in series:
                against = np.array(errors[self.baseline])
                if not against.all():
                    break
                ratios.append(100 * np.array(errors[arm]) / against)
            found[arm] = np.mean(ratios, axis=0).tolist() if len(ratios) == len(series) else None
        return found

    def kinds(self) -> list[Kind]:
        """Corruptions together, by band of frequency and by group, then the other families; those there are."""
        corruptions = [condition for condition in self.conditions if condition.family == "corruption"]
        kinds = [Kind("all corruptions", tuple(corruptions))]
        kinds += [Kind(f"{band}-frequency corruptions", _of_band(corruptions, band)) for band in BANDS]
        grouped = _by(corruptions, lambda condition: CORRUPTIONS[condition.series].group)
        kinds += [Kind(f"corruptions: {group}", tuple(grouped.get(group, []))) for group in GROUPS]
        others = [condition for condition in self.conditions if condition.family != "corruption"]
        kinds += [Kind(series, tuple(held)) for series, held in _by(others, lambda condition: condition.series).items()]
        return [kind for kind in kinds if kind.conditions]

    def curve(self, conditions: Sequence[Condition]) -> tuple[list[float], dict[str, np.ndarray]]:
        """The parameters of conditions, ascending, and by arm the errors (%) at each, (seeds, parameters).

        Where several conditions have one parameter, such as a severity, their mean.
        """
        steps = sorted(_by(conditions, lambda condition: condition.parameter).items())
        columns = [self.errors(members) for _, members in steps]
        errors = {arm: np.array([column[arm] for column in columns]).T for arm in self.arms}
        return [parameter for parameter, _ in steps], errors

    def change(self, series: str) -> dict[str, float]:
        """How a series changes these images: rms, and the shares of the energy by band; means over its conditions."""
        names = [condition.name for condition in self.conditions if condition.series == series]
        changes = [self.record["conditions"][name]["change"] for name in names]
        shares = {band: float(np.mean([change["shares"][band] for change in changes])) for band in BANDS}
        return {"rms": float(np.mean([change["rms"] for change in changes])), **shares}


NaturalComparison = ConditionsComparison
"""The name that earlier versions documented."""


def minus_heading(baseline: str, seeds: int) -> str:
    """The heading of a column of `difference`, which has intervals from `INTERVAL_SEEDS` seeds on.

    >>> minus_heading("3x3", 5)
    'minus 3x3 [95 % interval]'
    """
    return f"minus {baseline} {'[95 % interval]' if seeds >= INTERVAL_SEEDS else '(by seed)'}"


def check_paired(runs: Runs) -> None:
    """An `InputError` unless there are arms, each with a run for each of the same seeds."""
    given = {arm: [run.config.seed for run in held] for arm, held in runs.items()}
    seeds = next(iter(given.values()), [])
    if not seeds or len(set(seeds)) < len(seeds) or any(other != seeds for other in given.values()):
        raise InputError(f"runs of seeds {given}; allowed: one arm or more, all with the same seeds in the same order")


def _error(correct: Mapping[str, Tensor], names: Sequence[str], among: Tensor | None) -> float:
    wrong = ~torch.stack([correct[name] for name in names])
    return 100 * (wrong if among is None else wrong[:, among]).double().mean().item()


def _of_band(conditions: Sequence[Condition], band: str) -> tuple[Condition, ...]:
    return tuple(condition for condition in conditions if condition.band == band)


def _by(conditions: Sequence[Condition], key: Callable[[Condition], Any]) -> dict[Any, list[Condition]]:
    """Conditions grouped by `key`, groups in the order of their first member."""
    found: dict[Any, list[Condition]] = {}
    for condition in conditions:
        found.setdefault(key(condition), []).append(condition)
    return found


def _condition(name: str, known: Mapping[str, Any]) -> Condition:
    if known["family"] == "corruption" and known["series"] not in CORRUPTIONS:
        raise unknown("corruption", known["series"], CORRUPTIONS)
    return Condition(name, known["title"], known["family"], known["series"], known["parameter"], known["band"])


def _check_same(run: Run, record: Mapping[str, Any], first: Run, head: Mapping[str, Any]) -> None:
    for key, what in (("content_hash", "other images"), ("indices", "other images"), ("seed", "another seed")):
        if record[key] != head[key]:
            raise InputError(f"{run.folder.name} was measured under conditions with {what} than {first.folder.name}")
    for name, known in head["conditions"].items():
        other = record["conditions"].get(name, {})
        if any(other.get(key) != known[key] for key in ("family", "series", "parameter", "zoom")):
            raise InputError(
                f"{run.folder.name} was not measured under {name!r}, as {first.folder.name} was; measure both"
            )
