"""The report of attacks on runs: one self-contained page, its tables as JSON and Markdown beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from windowconv import plots
from windowconv.files import replace_file
from windowconv.lab.progress import duration
from windowconv.lab.robustness.attacks.norms import UNITS, Unit
from windowconv.lab.robustness.reports.comparison import Comparison, Curves, differences
from windowconv.lab.robustness.reports.examples import gallery_section
from windowconv.lab.robustness.reports.tables import (
    INTERVAL_SEEDS,
    budget_table,
    checks_table,
    distance_table,
    pairs_table,
    summary_table,
)
from windowconv.lab.robustness.sample import Sample
from windowconv.lab.runs.records import write_json
from windowconv.report import Block, Column, Figure, Page, Section, Table, write
from windowconv.report.text import as_json, as_markdown

PAGE, JSON, MARKDOWN = "robustness.html", "robustness.json", "robustness.md"


def write_report(
    comparison: Comparison,
    folder: Path,
    sample: Sample | None = None,
    more: Sequence[Section] = (),
    notes: Sequence[str] = (),
) -> Path:
    """Write a comparison of attacked runs: robustness.html, its tables as .json and .md; returns the page's path.

    Args:
        comparison: of the runs.
        folder: where to.
        sample: the images that were attacked, for pictures of them.
        more: sections of other evaluations.
        notes: what else readers must know, such as which attacks were not run.
    """
    colours = plots.arm_colours(comparison.arms)
    checks = comparison.checks
    violated = {name: each for name, each in checks.items() if not all(check.passed for _, check in each)}
    sections = [
        Section("Summary", _summary(comparison), " ".join(f"{note}." for note in notes)),
        Section("Sanity checks", [checks_table(checks)], _checks_intro(violated)),
        *_worst_sections(comparison, colours),
        *(_attack_section(comparison, label, colours) for label in comparison.labels),
        *gallery_section(comparison, sample, colours),
        *more,
        _settings(comparison),
    ]
    page = Page(_title(comparison), _lead(comparison, violated), sections, _facts(comparison))
    tables = [block for part in sections for block in part.blocks if isinstance(block, Table)]
    write_json(folder / JSON, _record(comparison, tables, violated))
    text = [f"# {page.title}", page.lead, *map(as_markdown, tables)]
    replace_file(folder / MARKDOWN, ("\n\n".join(text) + "\n").encode())
    return write(page, folder / PAGE)


def _summary(comparison: Comparison) -> list[Block]:
    pairs = [pairs_table(comparison)] if len(comparison.arms) > 2 else []
    return [summary_table(comparison), *pairs]


def _title(comparison: Comparison) -> str:
    data = comparison.attacked[comparison.arms[0]][0].run.config.data
    return f"Robustness of {' / '.join(comparison.arms)} on {data}"


def _lead(comparison: Comparison, violated: dict[str, Any]) -> str:
    clean = comparison.clean()
    text = "Clean accuracy: " + ", ".join(f"{arm} {100 * clean[arm].mean():.1f} %" for arm in clean)
    n = len(comparison.seeds)
    text += f" (mean over {n} seed{'s' if n > 1 else ''}). "
    if n < INTERVAL_SEEDS:
        text += "With so few seeds, small differences may be chance. "
    if violated:
        text += f"WARNING: {len(violated)} sanity check{'s are' if len(violated) > 1 else ' is'} violated; see below."
    else:
        text += "All sanity checks hold."
    return text


def _checks_intro(violated: dict[str, Any]) -> str:
    text = (
        "A weak attack makes a network look robust. Sound attacks meet these checks: more steps and larger budgets "
        "never help the network, an attack without bounds reaches chance, noise is weaker than a gradient, and a black "
        "box is no stronger than an attack that sees the weights. "
    )
    if not violated:
        return text + "All of them hold."
    return text + "VIOLATED: " + "; ".join(violated) + ". Do not trust the results of these attacks."


def _attack_section(comparison: Comparison, label: str, colours: dict[str, str]) -> Section:
    result = comparison.result(label)
    curves, common = comparison.robust(label), comparison.robust(label, common=True)
    blocks: list[Block] = []
    if result.distance is not None:
        distances = {arm: d.numpy() for arm, d in comparison.distances(label).items()}
        blocks.append(distance_table(comparison, label))
        if all(len(sizes) for sizes in distances.values()):  # some image was correct before the attack
            figure = plots.distance_distributions(
                distances, f"size of the perturbation ({result.unit.symbol})", colours
            )
            words = "Share of the correctly classified images that a perturbation of at most this size deceives."
            blocks.append(Figure(plots.svg(figure), words, f"Distances of {label} by arm"))
    blocks += _curve_blocks(label, result.unit, result.budgets, curves, common, comparison.clean(), colours)
    common_n = comparison.common_images(label)
    settings = ", ".join(f"{k} {v:g}" for k, v in result.record["settings"].items()) or "none"
    intro = (
        f"{result.title[:1].upper()}{result.title[1:]}; settings: {settings}. {result.record['source']}. "
        f"{len(result.clean)} images; all arms of a seed classify {min(common_n)} to {max(common_n)} of them correctly."
    )
    return Section(label, blocks, intro)


def _curve_blocks(
    title: str,
    unit: Unit,
    budgets: Sequence[float],
    curves: Curves,
    common: Curves,
    clean: Curves,
    colours: dict[str, str],
) -> list[Block]:
    """Curves of accuracy by arm (seeds, budgets), their differences, and the table; a single budget needs no curve."""
    table = budget_table(f"{title}: accuracy by budget", unit, budgets, curves, common)
    if len(budgets) < 2:
        return [table]
    ticks = [unit.text(budget).removesuffix("/255").removesuffix("°") for budget in budgets]
    label = f"budget ({unit.symbol}" + (", in 255ths)" if unit is UNITS["linf"] else ")")
    before = {arm: values[:, 0] for arm, values in clean.items()}
    drawn = plots.robust_accuracy(curves, budgets, ticks, label, before, colours)
    blocks: list[Block] = [
        Figure(plots.svg(drawn), f"{title}: accuracy against the budget.", f"Accuracy under {title} by arm")
    ]
    arms = list(curves)
    for which, held in (("on all images", curves), ("on images that all arms classify correctly", common)):
        if len(arms) > 1:
            found = {arm: differences(held, arm, arms[0]) for arm in arms[1:]}
            paired = {arm: each for arm, each in found.items() if each is not None}
            if len(paired) < len(found):
                continue  # a seed has no image that all arms classify correctly
            means = {arm: [d.mean for d in each] for arm, each in paired.items()}
            ends = {arm: _ends(each) for arm, each in paired.items()}
            drawn = plots.accuracy_differences(means, ends, budgets, ticks, label, arms[0], colours)
            words = f"{title}: difference from {arms[0]} in points, {which}."
            blocks.append(Figure(plots.svg(drawn), words, f"Differences under {title}, {which}"))
    return [*blocks, table]


def _ends(paired: Sequence[Any]) -> tuple[list[float], list[float]] | None:
    if paired[0].n < INTERVAL_SEEDS:
        return None
    return [d.low for d in paired], [d.high for d in paired]


def _worst_sections(comparison: Comparison, colours: dict[str, str]) -> list[Section]:
    sections = []
    for unit in UNITS.values():
        worst, common = comparison.worst(unit), comparison.worst(unit, common=True)
        if worst is None or common is None or len(worst[1]) < 2:
            continue
        budgets, attacks, curves = worst
        title = f"Worst case over attacks, {unit.symbol}"
        blocks = _curve_blocks(title, unit, budgets, curves, common[2], comparison.clean(), colours)
        intro = (
            f"An image counts as correct only if it withstands every attack up to the budget ({', '.join(attacks)}). "
            "Quote this number: a single attack's accuracy says only how much that attack finds."
        )
        sections.append(Section(title, blocks, intro))
    return sections


def _settings(comparison: Comparison) -> Section:
    rows = []
    for arm, runs in comparison.attacked.items():
        for each in runs:
            time_s = sum(result.record["time_s"] for result in each.results.values())
            clean = next(iter(each.results.values())).record["identity"]
            rows.append([arm, each.seed, each.run.folder.name, clean["weights"], time_s])
    columns: list[str | Column] = ["arm", "seed", "folder", "weights", Column("time of the attacks (s)", ".1f")]
    used = next(iter(comparison.attacked[comparison.arms[0]][0].results.values())).record
    versions = ", ".join(f"{name} {number}" for name, number in used["libraries"].items())
    note = f"Attacks: {versions}. The run folders' evaluations/ have the result of every image."
    return Section("Runs", [Table("Runs attacked", columns, rows, note=note, sortable=True)])


def _facts(comparison: Comparison) -> dict[str, str]:
    first = comparison.attacked[comparison.arms[0]][0]
    used = next(iter(first.results.values())).record
    environment = used["environment"]
    total = sum(
        o.record["time_s"] for runs in comparison.attacked.values() for each in runs for o in each.results.values()
    )
    return {
        "test images": f"{first.run.record['data']['source']}, content hash {used['identity']['test_hash'][:12]}",
        "seeds": ", ".join(map(str, comparison.seeds)),
        "hardware": f"{environment['device']}, {environment['threads']} threads",
        "versions": f"windowconv {environment['windowconv']}, torch {environment['torch']}",
        "time of the attacks": duration(total),
    }


def _record(comparison: Comparison, tables: Sequence[Table], violated: dict[str, Any]) -> dict[str, Any]:
    """The page's tables, JSON-able."""
    return {
        "title": _title(comparison),
        "arms": list(comparison.arms),
        "seeds": list(comparison.seeds),
        "violated": {name: [f"{run}: {check.found}" for run, check in each] for name, each in violated.items()},
        "facts": _facts(comparison),
        "tables": [as_json(table) for table in tables],
    }
