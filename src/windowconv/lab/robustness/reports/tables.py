"""The tables of a comparison under attack: what each arm withstands, differences with intervals, checks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from windowconv.lab.robustness.attacks.norms import UNITS, Unit
from windowconv.lab.robustness.attacks.result import AttackResult
from windowconv.lab.robustness.reports.comparison import Comparison, Curves, differences, mean_difference
from windowconv.lab.robustness.reports.sanity import Check, sanity_checks
from windowconv.lab.statistics.paired import PairedDifference, paired_difference, spread
from windowconv.report import Column, Table

INTERVAL_SEEDS = 3
"""Below, an interval says nothing: see `study_report.difference`."""


def interval(paired: PairedDifference | None, digits: int = 2) -> str | None:
    """A difference in points with its 95 % interval, or, of few seeds, without one; None of nothing.

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
    """One line an attack and arm: the mean over its budgets, and the differences to the first arm."""
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
        Column("the same, among images all arms get right", numeric=True),
    ]
    n = {len(comparison.result(label).clean) for label in comparison.labels}
    seeds = f"{len(comparison.seeds)} seed" + ("s" if len(comparison.seeds) > 1 else "")
    note = (
        f"{seeds}; {' or '.join(map(str, sorted(n)))} test images, the same for all. Accuracy under attack is averaged "
        "over the budgets that stand in the attack's own table; sd is over seeds. Differences are paired by seed, in "
        "points. The last column leaves out the images that some arm of the seed gets wrong before any attack, so that "
        "a better clean accuracy does not pass for robustness."
    )
    return Table("Accuracy under each attack", columns, rows, note=note, sortable=True)


def pairs_table(comparison: Comparison) -> Table:
    """The mean over the budgets of every two arms but the first, the later minus the earlier."""
    rows = []
    for title, curves, common in [("none (clean accuracy)", comparison.clean(), None), *_results(comparison)]:
        for earlier, later in combinations(comparison.arms[1:], 2):
            both = [None if held is None else mean_difference(held, later, earlier) for held in (curves, common)]
            rows.append([title, later, earlier, *(interval(each) for each in both)])
    columns: list[str | Column] = ["attack", "", "minus"]
    columns += [Column(title, numeric=True) for title in ("points", "the same, among images all arms get right")]
    note = "As above, between arms other than the first. Many comparisons find some difference by chance."
    return Table("The other arms against each other", columns, rows, note=note)


def _results(comparison: Comparison) -> list[tuple[str, Curves, Curves]]:
    """Title and curves, of all images and of those that all arms get right, of each attack and worst case."""
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
    """Accuracy at each budget by arm, and the differences to the first arm."""
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
            Column(f"{arm} minus {arms[0]}, all right", numeric=True)
            for arm in (arms[1:] if common is not None else [])
        ),
    ]
    note = "Differences in points, paired by seed, with 95 % intervals from three seeds on."
    if common is not None:
        note += " “All right”: among the images that all arms of the seed classify right before the attack."
    return Table(title, columns, rows, note=note)


def distance_table(comparison: Comparison, label: str) -> Table:
    """The median smallest change by arm, of all right images and of those that all arms get right."""
    rows = []
    for common in (False, True):
        medians = comparison.medians(label, common)
        base = medians[comparison.arms[0]]
        for arm in comparison.arms:
            values = medians[arm]
            known = [value for value in values if value is not None]
            figures = spread(known) if len(known) == len(values) else None
            minus = None
            if arm != comparison.arms[0] and figures is not None and None not in base:
                minus = interval(paired_difference(known, [value for value in base if value is not None]), 4)
            which = "right in all arms" if common else "right in this arm"
            mean, sd = (None, None) if figures is None else (figures.mean, figures.sd)
            rows.append([which, arm, mean, None if sd is None else f"{sd:.4f}", minus])
    columns = [
        "images",
        "arm",
        Column("median distance", ".4f"),
        Column("sd over seeds", numeric=True),
        Column(f"minus {comparison.arms[0]}", numeric=True),
    ]
    result = comparison.result(label)
    found = [each.results[label].values() for runs in comparison.attacked.values() for each in runs]
    share = sum(f["found"] for f in found) / max(1, sum(round(f["clean_accuracy"] * f["n"]) for f in found))
    note = (
        f"The smallest change that {result.title} finds, in {result.unit.symbol}: an upper bound of the true one. "
        f"Found for {share:.1%} of the images that were right; where none was found, it counts as infinite."
    )
    return Table(f"{result.label}: the smallest change that deceives", columns, rows, note=note)


def run_checks(comparison: Comparison) -> dict[str, list[tuple[str, Check]]]:
    """The sanity checks by their name: the run and what was found there."""
    found: dict[str, list[tuple[str, Check]]] = {}
    for runs in comparison.attacked.values():
        for each in runs:
            results: list[AttackResult] = list(each.results.values())
            for check in sanity_checks(results, len(each.run.record["data"]["classes"])):
                found.setdefault(check.name, []).append((each.run.folder.name, check))
    return found


def checks_table(checks: dict[str, list[tuple[str, Check]]]) -> Table:
    """Each check, in how many runs it holds, and what was found where it does not, or in the first run."""
    rows = []
    for name, each in checks.items():
        failed = [(run, check) for run, check in each if not check.passed]
        run, check = (failed or each)[0]
        verdict = f"holds in all {len(each)}" if not failed else f"VIOLATED in {len(failed)} of {len(each)}"
        rows.append([name, verdict, f"{run}: {check.found}"])
    columns = ["check", "in how many runs", "the first run that fails, or the first"]
    note = "A tolerance of 2 % of the images allows for chance. What fails says that the attack was too weak."
    return Table("Sanity checks", columns, rows, note=note)


def _sd(curves: np.ndarray[Any, Any]) -> str | None:
    figures = spread((100 * curves.mean(1)).tolist())
    return None if figures.sd is None else f"{figures.sd:.2f}"
