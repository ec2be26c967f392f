"""What `windowconv attack` does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from windowconv.errors import require
from windowconv.lab.commands.actions import prepare
from windowconv.lab.robustness.attack_progress import show
from windowconv.lab.robustness.attacks.estimate import estimate, seconds_an_image
from windowconv.lab.robustness.attacks.measure import attack_run
from windowconv.lab.robustness.attacks.suites import NATURAL, TRANSFER, Trial, choose, fitting, transfers, verify
from windowconv.lab.robustness.attacks.target import Target
from windowconv.lab.robustness.reports.comparison import Comparison
from windowconv.lab.robustness.reports.report import write_report
from windowconv.lab.robustness.reports.tables import run_checks, summary_table
from windowconv.lab.robustness.sample import Sample, draw, open_runs, test_images
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import STUDY
from windowconv.lab.training.progress import duration
from windowconv.tables import format_table

if TYPE_CHECKING:
    from windowconv.lab.commands.attack import Attack

Plan = list[tuple[Run, Trial]]


def attack(command: Attack) -> Path:
    """`windowconv attack`; returns the report's path."""
    for module, extra in (
        ("art", "attacks"),
        ("pyautoattack", "attacks"),
        ("matplotlib", "report"),
        ("jinja2", "report"),
    ):
        _missing(module, extra)
    runs = open_runs(command.runs)
    trials = choose(command.suite, command.attacks, command.images, command.budgets)
    execution = prepare(command)
    images = test_images(runs, command.data, command.data_root)
    notes: list[str] = []
    if not command.attacks:  # what is named must fit; of a suite, what does
        trials, notes = fitting(trials, len(images.classes))
    verify(trials, len(images.classes), images.shape, len(images))
    sample = draw(images, max(trial.images for trial in trials), execution.workers)
    plan = _plan(command, runs, trials)
    device = torch.device(execution.device)
    _say_plan(plan, trials, sample, device)
    for note in notes:
        print(note, file=sys.stderr)
    _carry_out(plan, sample, device, command.seed)
    sections = []
    if command.suite in NATURAL and not command.attacks:
        from windowconv.lab.robustness.natural_run import natural

        sections = natural(runs, images, command, execution)
    labels = {trial.label: trial.images for _, trial in plan}
    page = write_report(runs, _folder(command, runs), labels, sample, sections, notes)
    _say_results(Comparison.of(runs, labels))
    print(f"Report: {page.resolve()}")
    return page


def _missing(module: str, extra: str) -> None:
    """An `InputError` where a package is not installed, before any work; the toolbox itself takes seconds to import."""
    from importlib.util import find_spec

    if find_spec(module) is None:
        require(module, extra)


def _plan(command: Attack, runs: Sequence[Run], trials: Sequence[Trial]) -> Plan:
    """Each run's trials, seed by seed."""
    arms = list(dict.fromkeys(run.config.arm for run in runs))
    plan: Plan = []
    for run in runs:
        plan += [(run, trial) for trial in trials]
        if command.suite in TRANSFER and not command.attacks:
            there = [a for a in arms if any(r.config.arm == a and r.config.seed == run.config.seed for r in runs)]
            plan += [(run, trial) for trial in transfers(run.config.arm, there, trials[0].images)]
    return plan


def _target(run: Run, device: torch.device) -> Target:
    known = run.record["data"]
    return Target(run.model(), len(known["classes"]), (known["channels"], *known["image_size"]), device)


def _say_plan(plan: Plan, trials: Sequence[Trial], sample: Sample, device: torch.device) -> None:
    """What will be run, with which budgets, and how long it will take at the networks' present speed."""
    runs = list({run.folder: run for run, _ in plan}.values())
    columns = ["attack", "images", "budgets", "settings"]
    rows = []
    for trial in trials:
        budgets = ", ".join(trial.entry.unit.text(budget) for budget in trial.grid)
        settings = ", ".join(f"{k} {v:g}" for k, v in trial.all_settings.items())
        what = "(where the curve is read) " if trial.entry.kind == "minimal" else ""
        rows.append([trial.label + (" (check)" if trial.check else ""), str(trial.images), what + budgets, settings])
    print(format_table(columns, rows, [False, True, False, False]), file=sys.stderr)
    seconds, speeds = 0.0, {}
    for run in runs:
        arm = run.config.arm
        target = _target(run, device)
        if arm not in speeds:
            speeds[arm] = seconds_an_image(target, sample)
        mine = [trial for other, trial in plan if other is run]
        seconds += estimate(mine, target.classes, *speeds[arm])
    count = f"{len(runs)} run{'s' if len(runs) > 1 else ''}"
    print(f"{count}: about {duration(seconds)} on {device}, less what is done already", file=sys.stderr, flush=True)


def _carry_out(plan: Plan, sample: Sample, device: torch.device, seed: int) -> None:
    target, current, classes = None, None, len(plan[0][0].record["data"]["classes"])
    with show([trial.images for _, trial in plan], [trial.work(classes) for _, trial in plan]) as display:
        for run, trial in plan:
            if run is not current or target is None:
                target, current = _target(run, device), run
            source = None
            if trial.source:
                twin = next(r for r, _ in plan if r.config.arm == trial.source and r.config.seed == run.config.seed)
                source = _target(twin, device)
            display.start(f"{run.folder.name} {trial.label}")
            attack_run(run, target, trial, sample, seed, display.advance, source)


def _folder(command: Attack, runs: Sequence[Run]) -> Path:
    """Where the report goes."""
    if command.out is not None:
        return command.out
    parents = {run.folder.resolve().parent for run in runs}
    if len(parents) == 1 and ((parent := runs[0].folder.parent) / STUDY).is_file():
        return parent
    return Path("runs/robustness")


def _say_results(comparison: Comparison) -> None:
    table = summary_table(comparison)
    columns = table.headings()
    rows = [[column.text(cell) for column, cell in zip(columns, row, strict=True)] for row in table.rows]
    print(f"{table.caption}\n{format_table([c.title for c in columns], rows, [bool(c.numeric) for c in columns])}")
    print(table.note)
    for name, each in run_checks(comparison).items():
        for run, check in each:
            if not check.passed:
                print(f"sanity check violated, {name}: {run}: {check.found}")
