"""Attacks on the networks of runs: what is to be done and how long it takes, the work, and the report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from windowconv.errors import check_installed
from windowconv.lab.config import Execution
from windowconv.lab.progress import duration, show_progress
from windowconv.lab.robustness.attacks.estimate import estimate, seconds_an_image
from windowconv.lab.robustness.attacks.measure import attack_run
from windowconv.lab.robustness.attacks.suites import (
    NATURAL,
    TRANSFER,
    SuiteName,
    Trial,
    choose,
    fitting,
    transfers,
    verify,
)
from windowconv.lab.robustness.attacks.target import Target
from windowconv.lab.robustness.reports.comparison import Comparison
from windowconv.lab.robustness.reports.report import write_report
from windowconv.lab.robustness.sample import Sample, draw, open_runs, test_images
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import STUDY
from windowconv.lab.training.distributed import configure
from windowconv.tables import format_table

Plan = list[tuple[Run, Trial]]


def attack(
    folders: Sequence[Path],
    suite: SuiteName = "quick",
    attacks: Sequence[str] = (),
    images: int | None = None,
    budgets: Sequence[float] = (),
    seed: int = 0,
    *,
    data: str | None = None,
    root: Path | None = None,
    out: Path | None = None,
    execution: Execution | None = None,
) -> tuple[Comparison, Path]:
    """Attack the networks of runs and write the report; what is done already is kept.

    Args:
        folders: run folders and study folders.
        suite, attacks, images, budgets: as in `choose`.
        seed: of what attacks draw at random.
        data, root: where the test images are, as `load` takes them; the runs' own if None.
        out: the report's folder; the study's, or `runs/robustness`, if None.
        execution: device, threads, workers.

    Returns:
        The runs compared, and the report's path.

    Raises:
        InputError: a missing package; as `open_runs`, `choose`, `test_images` and `verify`.
    """
    execution = execution or Execution()
    check_installed("attacks", "art", "pyautoattack")
    check_installed("report", "matplotlib", "jinja2")
    runs = open_runs(folders)
    trials = choose(suite, attacks, images, budgets)
    configure(execution)
    pictures = test_images(runs, data, root)
    notes: list[str] = []
    if not attacks:  # what is named must fit; of a suite, what does
        trials, notes = fitting(trials, len(pictures.classes))
    verify(trials, len(pictures.classes), pictures.shape, len(pictures))
    sample = draw(pictures, max(trial.images for trial in trials), execution.workers)
    plan = _plan(runs, trials, transfer=suite in TRANSFER and not attacks)
    device = torch.device(execution.device)
    _print_plan(plan, trials, sample, device)
    for note in notes:
        print(note, file=sys.stderr)
    _carry_out(plan, sample, device, seed)
    sections = []
    if suite in NATURAL and not attacks:
        from windowconv.lab.robustness.natural_run import natural

        sections = natural(runs, pictures, images, seed, execution.device)
    labels = {trial.label: trial.images for _, trial in plan}
    page = write_report(runs, out or _default_folder(runs), labels, sample, sections, notes)
    return Comparison.of(runs, labels), page


def _plan(runs: Sequence[Run], trials: Sequence[Trial], transfer: bool) -> Plan:
    """Each run's trials, seed by seed; with `transfer` also the images that defeated the other arms of its seed."""
    arms = list(dict.fromkeys(run.config.arm for run in runs))
    plan: Plan = []
    for run in runs:
        plan += [(run, trial) for trial in trials]
        if transfer:
            there = [a for a in arms if any(r.config.arm == a and r.config.seed == run.config.seed for r in runs)]
            plan += [(run, trial) for trial in transfers(run.config.arm, there, trials[0].images)]
    return plan


def _target(run: Run, device: torch.device) -> Target:
    known = run.record["data"]
    return Target(run.model(), len(known["classes"]), (known["channels"], *known["image_size"]), device)


def _print_plan(plan: Plan, trials: Sequence[Trial], sample: Sample, device: torch.device) -> None:
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
    print(f"{count}: about {duration(seconds)} on {device}, minus what is finished", file=sys.stderr, flush=True)


def _carry_out(plan: Plan, sample: Sample, device: torch.device, seed: int) -> None:
    target, current, classes = None, None, len(plan[0][0].record["data"]["classes"])
    images = [trial.images for _, trial in plan]
    costs = [trial.work(classes) / trial.images for _, trial in plan]
    with show_progress(costs, images, proportional=True) as progress:
        for run, trial in plan:
            if run is not current or target is None:
                target, current = _target(run, device), run
            source = None
            if trial.source:
                twin = next(r for r, _ in plan if r.config.arm == trial.source and r.config.seed == run.config.seed)
                source = _target(twin, device)
            count = progress.counter(f"{run.folder.name} {trial.label}", trial.images)
            attack_run(run, target, trial, sample, seed, count, source)


def _default_folder(runs: Sequence[Run]) -> Path:
    """Where the report goes: into the study's folder, if all runs are of one."""
    parents = {run.folder.resolve().parent for run in runs}
    if len(parents) == 1 and ((parent := runs[0].folder.parent) / STUDY).is_file():
        return parent
    return Path("runs/robustness")
