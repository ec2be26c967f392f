"""The tables of docs/reproduce.md: the command, the time and the verdict for what the paper claims and trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from windowconv.lab.progress import duration
from windowconv.lab.recipes import find_recipe
from windowconv.lab.studies.design.plan import plan_study
from windowconv.lab.studies.execution.hardware import H200
from windowconv.lab.studies.reports.best_result import TITLES
from windowconv.lab.studies.reports.entries import Entry, Evidence, all_entries
from windowconv.lab.studies.reports.key_findings import how_firm
from windowconv.lab.studies.reports.paper_claims import CLAIMS, NOT_RUN, claim_rows
from windowconv.lab.studies.reports.throughput import Run, Throughput, h200_seconds

UP = "../"
"""From the page to the checkout."""
RECIPES = ("fashion-mnist", "cifar10", "cifar100", "imagenet-resnet18", "imagenet-vgg11bn")


def reproduce_tables(found: Evidence, checkout: Path) -> str:
    """The claims and the trainings, as Markdown.

    Args:
        found: the evidence.
        checkout: with the measured throughputs.
    """
    entries, speeds = all_entries(found), Throughput(checkout)
    times = (
        f"Times are of the training alone. Those here are {_measured(speeds)}; those on an H200 are estimates from "
        f"declared figures ({H200.source})."
    )
    return "\n\n".join(
        [
            f"{how_firm(entries)} {times}",
            _table(["claim", "images", "command", "here", "one H200", "verdict"], _claims(entries, speeds)),
            _table(["training of the paper", "command", "here", "one H200"], _trainings(speeds)),
        ]
    )


def _measured(speeds: Throughput) -> str:
    if not speeds.machine:
        return "not measured"
    return (
        f"from [measured throughputs]({UP}results/training.md) ({speeds.machine}), scaled by multiply-adds where a "
        "network itself was not measured"
    )


def _claims(entries: Sequence[Entry], speeds: Throughput) -> Iterator[list[str]]:
    for claim in CLAIMS:
        rows = [] if claim.text.endswith("*") else claim_rows(claim, entries, UP)  # a star: not the paper's
        for data, (first, strong) in (row for row in rows if row[0] in TITLES):
            scale = "paper" if data == "imagenet" else "small"
            plan = plan_study(claim.study or data, scale, data=data if claim.study else None)
            named = f"{claim.study} --data {data}" if claim.study else data
            runs = [Run(data, run.config.arm, run.config) for run in plan.runs()]
            times = _times(runs, speeds)
            said = first if strong == NOT_RUN else strong
            yield [claim.text, TITLES.get(data, data), f"`windowconv study {named} --scale {scale}`", *times, said]


def _trainings(speeds: Throughput) -> Iterator[list[str]]:
    for name in RECIPES:
        recipe = find_recipe(f"{name}-paper")
        runs = [Run(recipe.data, arm, recipe.training) for arm in recipe.arms]
        times = _times(runs, speeds)
        yield [recipe.about, f"`windowconv compare --recipe {recipe.name}`", *times]


def _times(runs: Sequence[Run], speeds: Throughput) -> list[str]:
    """Of all runs one after another, here and on one H200."""
    here = [speeds.seconds(run) for run in dict.fromkeys(runs)]
    known = [seconds for seconds in here if seconds is not None]
    return [duration(sum(known)) if len(known) == len(runs) else "–", duration(sum(map(h200_seconds, runs)))]


def _table(header: Sequence[str], rows: Iterator[list[str]]) -> str:
    lines = [header, [":---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
