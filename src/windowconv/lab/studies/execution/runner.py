"""Carrying a study out: what is finished is kept or taken over, the rest is trained, and a failure costs one run."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from windowconv.errors import InputError
from windowconv.lab.config import Execution
from windowconv.lab.data import ImageData
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.registry import find_evaluation
from windowconv.lab.models.algorithm_choice import Pins, choose_algorithms
from windowconv.lab.models.matching import NetworkSpec, network_spec
from windowconv.lab.progress import duration
from windowconv.lab.runs.environment import environment
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.writer import describe_data
from windowconv.lab.studies.design.plan import Plan, PlannedRun, Tuned
from windowconv.lab.studies.execution.engines import Engine
from windowconv.lab.studies.execution.initial_weights import weights_hash
from windowconv.lab.studies.execution.jobs import ImageCache, Job, Outcome
from windowconv.lab.studies.execution.reuse import Address, Library, take
from windowconv.lab.studies.folder import STUDY, StudyFolder, design_record, only_one, refuse_another, write_study
from windowconv.lab.training.distributed import check_precision

TRIES = 2


@dataclass(frozen=True)
class Means:
    """With what a study is carried out; nothing of it changes a result but by rounding.

    Args:
        engine: carries out jobs.
        images: what `load` takes.
        root: the folder that it looks in; None for its own choice.
        execution: device, threads, checkpoints.
        seeds_at_once: how many seeds of a variant are trained as one stacked network.
        reuse: folders whose finished runs are taken over.
    """

    engine: Engine
    images: str
    root: Path | None = None
    execution: Execution = field(default_factory=Execution)
    seeds_at_once: int = 1
    reuse: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.seeds_at_once < 1:
            raise InputError(f"seeds-at-once={self.seeds_at_once}; allowed: 1 or more")


def conduct(plan: Plan, folder: Path, means: Means) -> StudyFolder:
    """Carry a study out in a folder, or go on with it.

    Args:
        plan: what to run.
        folder: the study's.
        means: with what.

    Returns:
        The study; its record's "failures" has the runs that failed, each after a second try.

    Raises:
        InputError: images that are not there; a precision that this machine's device lacks; another study in the
            folder, or a run of other settings, images or numerics; a full disk. What is finished is kept, and the
            same command goes on.
    """
    with only_one(folder):
        data = ImageCache().get(
            means.images, str(means.root) if means.root else None, plan.design.at(plan.scale).training
        )
        conductor = Conductor(plan, folder, means, data)
        try:
            conductor.do(plan.preparations(), measures=())
            conductor.settle_preparations()
            conductor.do(conductor.own_runs(), measures=plan.design.measures)
        except BaseException as error:
            with suppress(InputError):  # where the disk is full, that it is full is what counts
                conductor.end("stopped" if isinstance(error, KeyboardInterrupt) else "failed")
            raise
        conductor.end("finished" if not conductor.record["failures"] else "incomplete")
        return StudyFolder.open(folder)


class Conductor:
    """A study on its way: study.json, and which runs are still to be done.

    Args:
        plan, folder, means: as in `conduct`.
        data: the images, cut to the study's numbers.
    """

    def __init__(self, plan: Plan, folder: Path, means: Means, data: ImageData) -> None:
        self.plan, self.folder, self.means, self.data = plan, folder, means, data
        self.described = describe_data(data)
        self.image = (data.channels, *data.image_size)
        self.library = Library(means.reuse)
        self.record = self._begin()

    def _begin(self) -> dict[str, Any]:
        design = self.plan.design
        record = {
            "name": self.folder.name,
            "design": design_record(design),
            "scale": self.plan.scale,
            "seeds": self.plan.seeds,
            "training": asdict(design.at(self.plan.scale).training),
            "data": {"name": self.plan.data, **self.described},
            "networks": {run.variant: self.spec(run).size() for run in self.plan.runs() if run.config.seed == 0},
            "algorithms": {},
            "tuned": {},
            "searched": {},
            "reused": [],
            "failures": {},
            "environment": environment(self.means.execution.device),
        }
        refuse_another(self.folder, record)
        if (self.folder / STUDY).is_file():
            old = StudyFolder.open(self.folder).record
            record |= {key: old[key] for key in ("algorithms", "tuned", "searched", "reused")}
        write_study(self.folder, {**record, "status": "running"})
        return record

    def spec(self, run: PlannedRun) -> NetworkSpec:
        """A run's network."""
        return network_spec(run.config, run.config.arm, run.config.seed, len(self.data.classes), self.image)

    def end(self, status: str) -> None:
        """Write how it ended."""
        seconds = [run.final()["time_s"] for run in self._finished_runs()]
        write_study(self.folder, {**self.record, "status": status, "time_s": round(sum(seconds), 1)})

    def _finished_runs(self) -> Iterator[Run]:
        for planned in self.own_runs():
            place = self.folder / planned.folder
            if (place / "run.json").is_file() and Run.open(place).record["status"] == "finished":
                yield Run.open(place)

    # which runs there are

    def settle_preparations(self) -> None:
        """Choose the tuned values: the best validation accuracy, of equal ones the smallest value."""
        for variant in self.plan.design.variants:
            if variant.tune is None or variant.name in self.record["tuned"]:
                continue
            found: dict[float, float] = {}
            for value in variant.tune[1]:
                place = self.folder / f"search/{variant.folder}-{value:g}"
                if self._is_finished(place):
                    found[value] = Run.open(place).final()["val_accuracy"]
            if len(found) == len(variant.tune[1]):
                self.record["tuned"][variant.name] = max(sorted(found), key=lambda value: found[value])
                self.record["searched"][variant.name] = {f"{value:g}": accuracy for value, accuracy in found.items()}

    def own_runs(self) -> list[PlannedRun]:
        """The runs whose preparations are there."""
        tuned: Tuned = self.record["tuned"]
        starts = {}
        for run in self.plan.preparations():
            if self._is_finished(self.folder / run.folder):
                starts[run.folder] = weights_hash(Run.open(self.folder / run.folder))
        untuned = {v.name for v in self.plan.design.variants if v.tune and v.name not in tuned}
        runs = self.plan.runs(tuned, starts)
        return [run for run in runs if run.variant not in untuned and (not run.start or run.start in starts)]

    @staticmethod
    def _is_finished(place: Path) -> bool:
        return (place / "run.json").is_file() and Run.open(place).record["status"] == "finished"

    # doing them

    def do(self, planned: Sequence[PlannedRun], measures: tuple[str, ...]) -> None:
        """Finish these runs, as far as they can be."""
        for variant in dict.fromkeys(run.variant for run in planned):
            self._choose_algorithms([run for run in planned if run.variant == variant])
        jobs = list(self._jobs([run for run in planned if not self._is_done(run, measures)], measures))
        self._check_precision(jobs)
        left, total = sum(job.macs for job in jobs), len(jobs)
        self.begun, self.done, self.left = time.perf_counter(), 0.0, float(left)
        for number in range(TRIES):
            failed = []
            for outcome in self.means.engine.run(jobs, self.folder) if jobs else ():
                self._note(outcome, total, last=number + 1 == TRIES)
                if outcome.error is not None:
                    failed.append(outcome.job)
            jobs = failed

    def _check_precision(self, jobs: Sequence[Job]) -> None:
        """Refuse what this machine cannot train at once, not run by run; measuring runs needs no precision."""
        if self.means.engine.here:
            for job in jobs:
                if not all(self._is_finished(self.folder / folder) for folder in job.folders):
                    check_precision(job.configs[0].precision, job.execution.device)

    def _choose_algorithms(self, runs: Sequence[PlannedRun]) -> None:
        """A variant's algorithms: as study.json has them, or those of runs that can be taken over, or chosen now."""
        variant = runs[0].variant
        if variant in self.record["algorithms"]:
            return
        pins = self.library.pins([self._address(run) for run in runs])
        if pins is None:
            pins = choose_algorithms(self.spec(runs[0]), runs[0].config, self.data, self.means.execution)
        self.record["algorithms"][variant] = pins

    def _address(self, run: PlannedRun) -> Address:
        return Address.wanted(run.config.config_hash, self.described)

    def _is_done(self, run: PlannedRun, measures: tuple[str, ...]) -> bool:
        """Whether a run is finished and measured, perhaps by taking it over."""
        place = self.folder / run.folder
        if not self._is_finished(place):
            found = self.library.find(self._address(run), self._pins(run))
            if found is None:
                return False
            take(found, place)
            self.record["reused"].append(run.folder)
        record = Run.open(place).record
        if Address.of(record) != self._address(run):
            raise InputError(
                f"{place} holds a finished run with other settings, images or numerics (its torch: "
                f"{record['environment']['torch']}); choose another --out, or remove that folder"
            )
        network = Network(Run.open(place))
        return all(find_evaluation(name).is_current(network, self.data.test) for name in measures)

    def _pins(self, run: PlannedRun) -> Pins:
        return self.record["algorithms"][run.variant]

    def _jobs(self, runs: Sequence[PlannedRun], measures: tuple[str, ...]) -> Iterator[Job]:
        """Runs of a variant that are trained at once are neighbours' seeds."""
        groups: dict[tuple[str, int], list[PlannedRun]] = {}
        for run in runs:
            alone = run.start or run.config.dropout or run.config.purpose == "search"
            block = run.config.seed if alone else run.config.seed // self.means.seeds_at_once
            groups.setdefault((run.folder if alone else run.variant, block), []).append(run)
        for group in groups.values():
            yield Job(
                variant=group[0].variant,
                configs=tuple(run.config for run in group),
                folders=tuple(run.folder for run in group),
                pins=self._pins(group[0]),
                images=self.means.images,
                root=str(self.means.root) if self.means.root else None,
                data=self.described,
                macs=sum(self.spec(run).macs for run in group),
                measures=measures,
                starts=tuple(run.start for run in group if run.start),
                execution=self.means.execution,
            )

    def _note(self, outcome: Outcome, total: int, last: bool) -> None:
        """Say and write what came of a job; a full disk ends everything, since all others would fail too."""
        job = outcome.job
        if outcome.error is None:
            self.done += job.macs
            for folder in job.folders:
                self.record["failures"].pop(folder, None)
        elif outcome.disk_full:
            raise InputError(f"{outcome.error}; the disk is full: finished runs are kept, the same command goes on")
        else:
            print(f"{job.name} failed: {outcome.error}" + ("" if last else "; it is tried once more"), file=sys.stderr)
            if last:
                self.record["failures"] |= dict.fromkeys(job.folders, outcome.error)
        if outcome.error is None and not self.means.engine.shows_progress:
            print(self._said(outcome, total), file=sys.stderr, flush=True)
        write_study(self.folder, {**self.record, "status": "running"})

    def _said(self, outcome: Outcome, total: int) -> str:
        spent = time.perf_counter() - self.begun
        rest = spent * (self.left - self.done) / self.done if self.done else float("nan")
        finals = [Run.open(self.folder / folder).final() for folder in outcome.job.folders]
        key = "test_accuracy" if "test_accuracy" in finals[0] else "val_accuracy"
        shown = ", ".join(f"{final[key]:.2%}" for final in finals)
        return f"{outcome.job.name}: {shown}, {duration(finals[0]['time_s'])}; of {total} jobs, {duration(rest)} left"
