"""Tables of a comparison under attack: accuracies, differences with intervals, sanity checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from windowconv.lab.robustness.attacks.norms import UNITS, Unit
from windowconv.lab.robustness.reports.comparison import Comparison, Curves, differences, mean_difference
from windowconv.lab.robustness.reports.sanity import TOLERANCE, Check
from windowconv.lab.statistics.paired import PairedDifference, paired_difference, spread
from windowconv.lab.statistics.tables import INTERVAL_SEEDS
from windowconv.report import Column, Table

ON_COMMON = "the same, on images that all arms classify correctly"


def interval(paired: PairedDifference | None, digits: int = 2) -> str | None:
    """A difference in points with its 95 % interval; without one below `INTERVAL_SEEDS` seeds.

    >>> interval(PairedDifference(1.25, 0.5, 2.0, 5))
    '+1.25 [+0.50, +2.00]'
    """
    if paired is None:
        return None
    text = f"{paired.mean:+.{digits}f}"
    if paired.n >= INTERVAL_SEEDS and paired.low is not None and paired.high is not None:
        text += f" [{paired.low:+.{digits}f}, {paired.high:+.{digits}f}]"
    return text.replace("-", "−")


def summary_table(comparison: Comparison) -> Table:
    """For each attack and arm, the mean over the budgets, and its difference from the first arm."""
    baseline, rows = comparison.arms[0], []
    clean = comparison.clean()
    for arm in comparison.arms:
        minus = None if arm == baseline else interval(mean_difference(clean, arm, baseline))
        rows.append(["none (clean accuracy)", arm, 100 * clean[arm].mean(), _sd(clean[arm]), minus, None])
    for title, curves, common in _results(comparison):
        for arm in comparison.arms:
            cells: list[Any] = [title, arm, 100 * curves[arm].mean(), _sd(curves[arm])]
            if arm == baseline:
                rows.append([*cells, None, None])
                continue
            both = (mean_difference(each, arm, baseline) for each in (curves, common))
            rows.append([*cells, *(interval(each) for each in both)])
    how = "[95 % interval]" if len(comparison.seeds) >= INTERVAL_SEEDS else "(too few seeds for an interval)"
    columns = [
        "attack",
        "arm",
        Column("accuracy, mean over budgets (%)", ".2f"),
        Column("sd", numeric=True),
        Column(f"minus {baseline} {how}", numeric=True),
        Column(ON_COMMON, numeric=True),
    ]
    n = {len(comparison.result(label).clean) for label in comparison.labels}
    seeds = f"{len(comparison.seeds)} seed" + ("s" if len(comparison.seeds) > 1 else "")
    note = (
        f"{seeds}; {' or '.join(map(str, sorted(n)))} test images, the same for all. Accuracy under attack is the mean "
        "over the budgets in the attack's own table; sd is over seeds. Differences are paired by seed, in points. The "
        "last column counts only images that all arms of the seed classify correctly before the attack, so that a "
        "better clean accuracy does not pass for robustness."
    )
    return Table("Accuracy under each attack", columns, rows, note=note, sortable=True)


def pairs_table(comparison: Comparison) -> Table:
    """Differences of means over the budgets for all pairs of arms but the first, the later minus the earlier."""
    rows = []
    for title, curves, common in [("none (clean accuracy)", comparison.clean(), None), *_results(comparison)]:
        for earlier, later in combinations(comparison.arms[1:], 2):
            both = [None if held is None else mean_difference(held, later, earlier) for held in (curves, common)]
            rows.append([title, later, earlier, *(interval(each) for each in both)])
    columns: list[str | Column] = ["attack", "", "minus"]
    columns += [Column(title, numeric=True) for title in ("points", ON_COMMON)]
    note = "As above. Among many comparisons, some differences are chance."
    return Table("Differences among the other arms", columns, rows, note=note)


def _results(comparison: Comparison) -> list[tuple[str, Curves, Curves]]:
    """Of each attack and worst case: title, and curves (seeds, budgets) on all images and on those of `common`."""
    found = [
        (comparison.result(label).label, comparison.robust(label), comparison.robust(label, common=True))
        for label in comparison.labels
    ]
    for unit in UNITS.values():
        worst = comparison.worst(unit)
        if worst is not None and len(worst[1]) > 1:
            common = comparison.worst(unit, common=True)
            assert common is not None
            found.append((f"worst case, {unit.symbol}", worst[2], common[2]))
    return found


def budget_table(title: str, unit: Unit, budgets: Sequence[float], curves: Curves, common: Curves | None) -> Table:
    """Accuracy at each budget by arm, and differences from the first arm.

    Args:
        title: of the table.
        unit: of the budgets.
        budgets: ascending.
        curves: accuracies (seeds, budgets) by arm.
        common: the same on images that all arms classify correctly, if wanted.
    """
    arms = list(curves)
    rows = []
    for i, budget in enumerate(budgets):
        cells: list[Any] = [unit.text(budget)]
        cells += [100 * curves[arm][:, i].mean() for arm in arms]
        for held in (curves, *([] if common is None else [common])):
            each = [differences(held, arm, arms[0]) for arm in arms[1:]]
            cells += [None if found is None else interval(found[i], 1) for found in each]
        rows.append(cells)
    columns = [
        f"budget ({unit.symbol})",
        *(Column(f"{arm} (%)", ".1f") for arm in arms),
        *(Column(f"{arm} minus {arms[0]}", numeric=True) for arm in arms[1:]),
        *(
            Column(f"{arm} minus {arms[0]}, all correct", numeric=True, detail=len(arms) > 2)
            for arm in (arms[1:] if common is not None else [])
        ),
    ]
    note = f"Differences in points, paired by seed, with 95 % intervals from {INTERVAL_SEEDS} seeds on."
    if common is not None:
        note += " “All correct”: on images that all arms of the seed classify correctly before the attack."
    return Table(title, columns, rows, note=note)


def distance_table(comparison: Comparison, label: str) -> Table:
    """The median size of the smallest perturbation by arm, on correct images and on those that all arms classify
    correctly."""
    rows = []
    for common in (False, True):
        medians = comparison.medians(label, common)
        base = medians[comparison.arms[0]]
        for arm in comparison.arms:
            values = medians[arm]
            known = [value for value in values if value is not None]
            found = spread(known) if len(known) == len(values) else None
            minus = None
            if arm != comparison.arms[0] and found is not None and None not in base:
                minus = interval(paired_difference(known, [value for value in base if value is not None]), 4)
            which = "correct in all arms" if common else "correct in this arm"
            mean, sd = (None, None) if found is None else (found.mean, found.sd)
            rows.append([which, arm, mean, None if sd is None else f"{sd:.4f}", minus])
    columns = [
        "images",
        "arm",
        Column("median distance", ".4f"),
        Column("sd over seeds", numeric=True),
        Column(f"minus {comparison.arms[0]}", numeric=True),
    ]
    result = comparison.result(label)
    values = [each.results[label].values() for runs in comparison.attacked.values() for each in runs]
    share = sum(v["found"] for v in values) / max(1, sum(round(v["clean_accuracy"] * v["n"]) for v in values))
    note = (
        f"The smallest adversarial perturbation that {result.title} finds, in {result.unit.symbol}: an upper bound on "
        f"the smallest there is. It finds one for {share:.1%} of the correct images; elsewhere the size counts as "
        "infinite."
    )
    return Table(f"{result.label}: smallest adversarial perturbation", columns, rows, note=note)


def checks_table(checks: Mapping[str, Sequence[tuple[str, Check]]]) -> Table:
    """Each check, in how many runs it holds, and an example: the first run that violates it, or the first run."""
    rows = []
    for name, each in checks.items():
        failed = [(run, check) for run, check in each if not check.passed]
        run, check = (failed or each)[0]
        verdict = f"holds in all {len(each)}" if not failed else f"VIOLATED in {len(failed)} of {len(each)}"
        rows.append([name, verdict, f"{run}: {check.found}"])
    columns = ["check", "result", "example"]
    note = f"{100 * TOLERANCE:.0f} % of the images may speak against a check by chance. Weak attacks violate checks."
    return Table("Sanity checks", columns, rows, note=note)


def _sd(curves: np.ndarray[Any, Any]) -> str | None:
    """The standard deviation over seeds, in points, of curves (seeds, budgets) averaged over the budgets."""
    sd = spread((100 * curves.mean(1)).tolist()).sd
    return None if sd is None else f"{sd:.2f}"
