"""Attacks and other evaluations of robustness on runs, and the report that compares them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from windowconv import plots
from windowconv.errors import check_installed
from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.protocol import Evaluation
from windowconv.lab.progress import duration, show_progress
from windowconv.lab.robustness.attacks.estimate import estimate, seconds_an_image
from windowconv.lab.robustness.attacks.measure import attack_run
from windowconv.lab.robustness.attacks.suites import (
    CONDITIONS,
    TRANSFER,
    SuiteName,
    Trial,
    choose,
    fitting,
    transfers,
    verify,
)
from windowconv.lab.robustness.attacks.target import Target
from windowconv.lab.robustness.compared_runs import open_runs, test_images
from windowconv.lab.robustness.evaluations.conditions import Conditions
from windowconv.lab.robustness.evaluations.sensitivity import HeatMap, Shifts
from windowconv.lab.robustness.reports.comparison import Comparison, by_arm
from windowconv.lab.robustness.reports.report import write_report
from windowconv.lab.robustness.sample import Sample, draw
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import STUDY
from windowconv.lab.training.distributed import configure
from windowconv.phases import phase
from windowconv.report import Section
from windowconv.tables import format_table

Plan = list[tuple[Network, Trial]]
IMAGES = 500
"""Test images under each condition."""


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
        seed: of random numbers.
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
    with phase("decoding the images to attack"):
        sample = draw(pictures, max(trial.images for trial in trials), execution.workers)
    networks = [Network(run) for run in runs]  # each is loaded once, whatever needs it
    plan = _plan(networks, trials, transfer=suite in TRANSFER and not attacks)
    device = torch.device(execution.device)
    _print_plan(plan, trials, sample, device)
    for note in notes:
        print(note, file=sys.stderr)
    _attack(plan, sample, device, seed)
    evaluations: list[Evaluation] = []
    if suite in CONDITIONS and not attacks:
        count = images or IMAGES
        evaluations = [Conditions(count, seed), Shifts(count, seed), HeatMap(seed=seed)]
    _evaluate(evaluations, networks, pictures, execution)
    comparison = Comparison.of(runs, {trial.label: trial.images for _, trial in plan})
    with phase("drawing the report"):
        sections = _sections(evaluations, runs, pictures)
        return comparison, write_report(comparison, out or _default_folder(runs), sample, sections, notes)


def _plan(networks: Sequence[Network], trials: Sequence[Trial], transfer: bool) -> Plan:
    """Each run's trials, seed by seed; with `transfer` also what is crafted on the other arms' runs of its seed."""
    arms = list(dict.fromkeys(network.run.config.arm for network in networks))
    plan: Plan = []
    for network in networks:
        plan += [(network, trial) for trial in trials]
        if transfer:
            there = [arm for arm in arms if _twin(networks, network, arm)]
            plan += [(network, trial) for trial in transfers(network.run.config.arm, there, trials[0].images)]
    return plan


def _twin(networks: Iterable[Network], network: Network, arm: str) -> Network | None:
    """The run of another arm with the same seed."""
    wanted = (arm, network.run.config.seed)
    return next((each for each in networks if (each.run.config.arm, each.run.config.seed) == wanted), None)


def _print_plan(plan: Plan, trials: Sequence[Trial], sample: Sample, device: torch.device) -> None:
    """What will be run, with which budgets, and how long it will take at the networks' present speed."""
    columns = ["attack", "images", "budgets", "settings"]
    rows = []
    for trial in trials:
        budgets = ", ".join(trial.entry.unit.text(budget) for budget in trial.grid)
        settings = ", ".join(f"{k} {v:g}" for k, v in trial.all_settings.items())
        minimal = "(where the curve is read) " if trial.entry.kind == "minimal" else ""
        rows.append([trial.label + (" (check)" if trial.check else ""), str(trial.images), minimal + budgets, settings])
    print(format_table(columns, rows, [False, True, False, False]), file=sys.stderr)
    seconds, speeds = 0.0, {}
    for network, trial in plan:
        arm, classes = network.run.config.arm, len(network.run.record["data"]["classes"])
        if arm not in speeds:
            with phase(f"timing {arm}"):
                speeds[arm] = seconds_an_image(Target.of(network, device), sample)
        seconds += estimate([trial], classes, *speeds[arm])
    runs = len({network.run.folder for network, _ in plan})
    count = f"{runs} run{'s' if runs > 1 else ''}"
    print(f"{count}: about {duration(seconds)} on {device}, minus what is finished", file=sys.stderr, flush=True)


def _attack(plan: Plan, sample: Sample, device: torch.device, seed: int) -> None:
    networks = list(dict.fromkeys(network for network, _ in plan))
    targets = {network: Target.of(network, device) for network in networks}
    classes = next(iter(targets.values())).classes
    costs = [trial.work(classes) / trial.images for _, trial in plan]
    with show_progress(costs, [trial.images for _, trial in plan], proportional=True) as progress:
        for network, trial in plan:
            twin = _twin(networks, network, trial.source) if trial.source else None
            source = None if twin is None else targets[twin]
            count = progress.counter(f"{network.run.folder.name} {trial.label}", trial.images)
            attack_run(network, targets[network], trial, sample, seed, count, source)


def _evaluate(
    evaluations: Iterable[Evaluation], networks: Sequence[Network], images: Images, execution: Execution
) -> None:
    for evaluation in evaluations:
        with show_progress() as progress:
            evaluation.run(networks, images, execution, progress.counter(evaluation.name))


def _sections(evaluations: Iterable[Evaluation], runs: Sequence[Run], images: Images) -> list[Section]:
    compared = by_arm(runs)
    colours = plots.arm_colours(compared)
    return [section for each in evaluations for section in each.sections(compared, colours, images)]


def _default_folder(runs: Sequence[Run]) -> Path:
    """Where the report goes: into the study's folder, if all runs are of one."""
    parents = {run.folder.resolve().parent for run in runs}
    if len(parents) == 1 and ((parent := runs[0].folder.parent) / STUDY).is_file():
        return parent
    return Path("runs/robustness")
