"""Arms under attack: curves by seed, and differences with intervals, paired by seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.robustness.attacks.norms import Unit
from windowconv.lab.robustness.attacks.result import AttackResult, finished, median_distance
from windowconv.lab.robustness.attacks.worst_case import worst_case
from windowconv.lab.robustness.reports.sanity import Check, sanity_checks
from windowconv.lab.runs.folder import Run
from windowconv.lab.statistics.paired import PairedDifference, paired_difference

Curves = dict[str, np.ndarray[Any, np.dtype[np.float64]]]  # by arm: (seeds, budgets)
WorstCurves = tuple[tuple[float, ...], tuple[str, ...], Curves]  # budgets, attacks, robust accuracy


@dataclass(frozen=True)
class Attacked:
    """A run and the results of the attacks on it, by label."""

    run: Run
    results: dict[str, AttackResult]

    @property
    def arm(self) -> str:
        """The run's arm."""
        return self.run.config.arm

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.run.config.seed


@dataclass(frozen=True)
class Comparison:
    """Attacked arms, over the seeds that all of them have.

    Attributes:
        arms: the first is the baseline.
        seeds: those that every arm has.
        attacked: by arm, its runs in the order of `seeds`.
    """

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    attacked: dict[str, list[Attacked]]

    @classmethod
    def of(cls, runs: Iterable[Run], labels: Mapping[str, int] | None = None) -> Comparison:
        """Compare runs that were attacked, by the attacks that all of them have.

        Args:
            runs: of arms and seeds.
            labels: the attacks, each with its number of images; if None, all, each on the most images that a run has.

        Raises:
            InputError: two runs of the same arm and seed; arms without a seed in common; no attack that all have.
        """
        found = by_arm(runs)
        attacked = {arm: [Attacked(run, _outcomes(run, labels)) for run in each] for arm, each in found.items()}
        seeds = tuple(run.config.seed for run in next(iter(found.values())))
        return cls(tuple(found), seeds, attacked)._shared()

    def _shared(self) -> Comparison:
        every = [set(each.results) for runs in self.attacked.values() for each in runs]
        transferred = {label for has in every for label in has if label.startswith("transfer-")}
        shared = set.intersection(*every) | transferred
        if not shared:
            raise InputError("the runs have no attack in common; run windowconv attack on all of them")
        for label in sorted(shared - transferred):
            _check_alike([each.results[label] for runs in self.attacked.values() for each in runs])
        attacked = {
            arm: [Attacked(a.run, {k: v for k, v in a.results.items() if k in shared}) for a in runs]
            for arm, runs in self.attacked.items()
        }
        return Comparison(self.arms, self.seeds, attacked)

    @cached_property
    def labels(self) -> list[str]:
        """The attacks that all runs have, without checks; those that look for the smallest perturbation first."""
        first = self.attacked[self.arms[0]][0].results
        found = [label for label, result in first.items() if not result.check and not label.startswith("transfer-")]
        return sorted(found, key=lambda label: first[label].distance is None)

    def result(self, label: str) -> AttackResult:
        """The result of an attack on the first run, for its title, unit and budgets."""
        return self.attacked[self.arms[0]][0].results[label]

    def clean(self) -> Curves:
        """Clean accuracy on the attacked images, by arm: (seeds, 1)."""
        label = max(self.labels, key=lambda one: len(self.result(one).clean))
        return {
            arm: np.array([[each.results[label].clean.double().mean().item()] for each in runs])
            for arm, runs in self.attacked.items()
        }

    def robust(self, label: str, common: bool = False) -> Curves:
        """Robust accuracy by arm, (seeds, budgets); with `common`, on images that all arms of a seed classify
        correctly before the attack."""
        return {
            arm: np.array(
                [
                    each.results[label].robust_accuracy(self._common(label, i) if common else None)
                    for i, each in enumerate(runs)
                ]
            )
            for arm, runs in self.attacked.items()
        }

    def worst(self, unit: Unit, common: bool = False) -> WorstCurves | None:
        """The pointwise worst case over the attacks of a unit: its budgets, its attacks, and robust accuracy by arm
        (seeds, budgets); `common` as in `robust`. None without such attacks."""
        key = unit.name, common
        if key not in self._worst:
            self._worst[key] = self._worst_curves(unit, common)
        return self._worst[key]

    @cached_property
    def _worst(self) -> dict[tuple[str, bool], WorstCurves | None]:
        return {}

    def _worst_curves(self, unit: Unit, common: bool) -> WorstCurves | None:
        found = {
            arm: [worst_case([each.results[label] for label in self.labels], unit) for each in runs]
            for arm, runs in self.attacked.items()
        }
        first = found[self.arms[0]][0]
        if first is None:
            return None
        curves: Curves = {}
        for arm, cases in found.items():
            rows = []
            for i, case in enumerate(cases):
                assert case is not None
                among = torch.ones_like(case.clean)
                if common:
                    same = (each[i] for each in found.values())
                    among = torch.stack([other.clean for other in same if other is not None]).all(0)
                rows.append(case.robust[:, among].double().mean(1).tolist())
            curves[arm] = np.array(rows)
        return first.budgets, first.attacks, curves

    def medians(self, label: str, common: bool = False) -> dict[str, list[float | None]]:
        """By arm and seed, the median size of the smallest perturbation; on correct images, or those correct in all."""
        medians: dict[str, list[float | None]] = {}
        for arm, runs in self.attacked.items():
            medians[arm] = []
            for i, each in enumerate(runs):
                result = each.results[label]
                assert result.distance is not None
                among = self._common(label, i) if common else result.clean
                medians[arm].append(median_distance(result.distance[among]))
        return medians

    def distances(self, label: str) -> dict[str, Tensor]:
        """By arm, the sizes (images of all seeds,) of the smallest perturbations, on correct images."""
        return {
            arm: torch.cat([_distances(each.results[label]) for each in runs]) for arm, runs in self.attacked.items()
        }

    def _common(self, label: str, index: int) -> Tensor:
        """bool (N,): classified correctly by all arms of the seed, before the attack."""
        return torch.stack([runs[index].results[label].clean for runs in self.attacked.values()]).all(0)

    @cached_property
    def checks(self) -> dict[str, list[tuple[str, Check]]]:
        """The sanity checks by name: for each run its folder's name, and what was found there."""
        found: dict[str, list[tuple[str, Check]]] = {}
        for runs in self.attacked.values():
            for each in runs:
                for check in sanity_checks(list(each.results.values()), len(each.run.record["data"]["classes"])):
                    found.setdefault(check.name, []).append((each.run.folder.name, check))
        return found

    def common_images(self, label: str) -> list[int]:
        """How many images all arms classify correctly, by seed."""
        return [int(self._common(label, i).sum()) for i in range(len(self.seeds))]


def _outcomes(run: Run, labels: Mapping[str, int] | None) -> dict[str, AttackResult]:
    """A run's results by label, in the order in which they were run."""
    every = finished(run.folder)
    most = {label: max(len(o.indices) for o in every if o.label == label) for label in {o.label for o in every}}
    wanted = most if labels is None else labels
    return {result.label: result for result in every if wanted.get(result.label) == len(result.indices)}


def _check_alike(results: Sequence[AttackResult]) -> None:
    """The same attack on the same images, or an `InputError`."""
    first = results[0]
    for other in results[1:]:
        for key in ("test_hash", "indices", "budgets", "settings"):
            mine, theirs = first.record["identity"][key], other.record["identity"][key]
            if mine != theirs:
                other_thing = "images" if key in {"test_hash", "indices"} else key
                raise InputError(
                    f"the attack {first.label!r} was run with other {other_thing} on some of the runs; "
                    "run it on all of them with the same command"
                )


def _distances(result: AttackResult) -> Tensor:
    assert result.distance is not None
    return result.distance[result.clean]


def by_arm(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """The runs of each arm, of the seeds that all arms have, in their order; 3x3 first, or else the first run's arm.

    Raises:
        InputError: two runs of the same arm and seed; arms without a seed in common.
    """
    found: dict[str, dict[int, Run]] = {}
    for run in runs:
        arm, seed = run.config.arm, run.config.seed
        if seed in found.setdefault(arm, {}):
            raise InputError(f"two runs of {arm} with seed {seed}: {run.folder.name} is there twice")
        found[arm][seed] = run
    arms = sorted(found, key=lambda arm: (arm != "3x3", list(found).index(arm)))
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in found.values())))
    if not seeds:
        raise InputError(f"the arms {', '.join(arms)} have no seed in common; their differences are paired by seed")
    return {arm: [found[arm][seed] for seed in seeds] for arm in arms}


def differences(curves: Curves, arm: str, baseline: str) -> list[PairedDifference] | None:
    """An arm minus the baseline at each budget, in points, with intervals over seeds.

    Args:
        curves: shares (seeds, budgets) by arm.
        arm, baseline: the arms that are compared.

    Returns:
        One for each budget; None if a seed has no image that counts.
    """
    a, b = 100 * curves[arm], 100 * curves[baseline]
    if np.isnan(a).any() or np.isnan(b).any():
        return None
    return [paired_difference(a[:, i].tolist(), b[:, i].tolist()) for i in range(a.shape[1])]


def mean_difference(curves: Curves, arm: str, baseline: str) -> PairedDifference | None:
    """The difference of the means over the budgets, in points; curves and arms as in `differences`."""
    if np.isnan(curves[arm]).any() or np.isnan(curves[baseline]).any():
        return None
    return paired_difference((100 * curves[arm].mean(1)).tolist(), (100 * curves[baseline].mean(1)).tolist())
