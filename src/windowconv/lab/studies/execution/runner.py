"""Running a study: finished runs are kept or reused, the rest are trained, and a failure costs one run."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
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
from windowconv.lab.runs.folder import Run, finished_run
from windowconv.lab.runs.records import STUDY
from windowconv.lab.runs.writer import describe_data
from windowconv.lab.studies.design.plan import Plan, PlannedRun, Tuned
from windowconv.lab.studies.execution.engines import Engine
from windowconv.lab.studies.execution.initial_weights import weights_hash
from windowconv.lab.studies.execution.jobs import Job, Outcome, read_images
from windowconv.lab.studies.execution.reuse import RunIndex, RunKey, link_run
from windowconv.lab.studies.folder import StudyFolder, design_record, only_one, refuse_another, write_study
from windowconv.lab.training.distributed import check_precision, is_first_process, process_count
from windowconv.lab.training.train import check_trainable

TRIES = 2


@dataclass(frozen=True)
class StudyOptions:
    """How a study is run; nothing of it changes a result but by rounding.

    Args:
        engine: runs jobs.
        images: what `load` takes.
        root: the folder that it looks in; None for its own choice.
        execution: device, threads, checkpoints.
        seeds_at_once: how many seeds of a variant are trained as one stacked network.
        reuse: folders whose finished runs are reused.

    Raises:
        InputError: less than one seed at once.
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


def run_study(plan: Plan, folder: Path, options: StudyOptions) -> StudyFolder:
    """Run a study in a folder, or go on with it.

    Args:
        plan: what to run.
        folder: the study's.
        options: how.

    Returns:
        The study; its record's "failures" has the runs that failed, each after a second try.

    Raises:
        InputError: images that are not there or too small; a precision that this machine's device lacks; another
            study in the folder, or a run of other settings, images or numerics; a full disk. What is finished is kept,
            and the same command resumes.
    """
    data = read_images(options.images, str(options.root) if options.root else None, plan.shared)
    check_trainable(plan.shared, data, min(options.seeds_at_once, plan.seeds), process_count())
    with only_one(folder):
        runner = StudyRunner(plan, folder, options, data)
        try:
            runner.finish(plan.preparations(), measures=())
            runner.choose_tuned_values()
            runner.finish(runner.own_runs(), measures=plan.design.measures)
        except BaseException as error:
            with suppress(InputError):  # where the disk is full, that it is full is what counts
                runner.end("stopped" if isinstance(error, KeyboardInterrupt) else "failed")
            raise
        runner.end("finished" if not runner.record["failures"] else "incomplete")
        return StudyFolder.open(folder)


class StudyRunner:
    """A study that is being run: study.json, and which runs are still to be done.

    Args:
        plan, folder, options: as in `run_study`.
        data: the images, cut to the study's numbers.
    """

    def __init__(self, plan: Plan, folder: Path, options: StudyOptions, data: ImageData) -> None:
        self.plan, self.folder, self.options, self.data = plan, folder, options, data
        self.described = describe_data(data)
        self.image = (data.channels, *data.image_size)
        self.finished_runs = RunIndex(options.reuse)
        self.record = self._new_record()
        for run in [*self.plan.preparations(), *self.own_runs()]:
            self._finished(run)  # refuses another run before anything is written
        self._write("running")

    def _new_record(self) -> dict[str, Any]:
        """study.json, with what the folder's own has of choices that were made already."""
        record = {
            "name": self.folder.name,
            "design": design_record(self.plan.design),
            "scale": self.plan.scale,
            "seeds": self.plan.seeds,
            "training": asdict(self.plan.shared),
            "data": {"name": self.plan.data, **self.described},
            "networks": {run.variant: self._sized(run) for run in self.plan.runs() if run.config.seed == 0},
            "algorithms": {},
            "tuned": {},
            "searched": {},
            "reused": [],
            "failures": {},
            "environment": environment(self.options.execution.device),
        }
        refuse_another(self.folder, record)
        if (self.folder / STUDY).is_file():
            old = StudyFolder.open(self.folder).record
            record |= {key: old[key] for key in ("algorithms", "tuned", "searched", "reused") if key in old}
        return record

    def spec(self, run: PlannedRun) -> NetworkSpec:
        """A run's network."""
        return network_spec(run.config, run.config.arm, run.config.seed, len(self.data.classes), self.image)

    def _sized(self, run: PlannedRun) -> dict[str, Any]:
        """A variant's size; where its widths were matched, a line says how near they came."""
        spec = self.spec(run)
        if spec.gap is not None and is_first_process():
            print(f"{run.variant}: {spec}", file=sys.stderr)
        return spec.size()

    def end(self, status: str) -> None:
        """Write how it ended."""
        finished = [finished_run(self.folder / planned.folder) for planned in self.own_runs()]
        seconds = [run.final()["time_s"] for run in finished if run is not None]
        self._write(status, time_s=round(sum(seconds), 1))  # of all runs, reused ones too

    def _write(self, status: str, **more: Any) -> None:
        if is_first_process():
            write_study(self.folder, {**self.record, "status": status, **more})

    # which runs there are

    def choose_tuned_values(self) -> None:
        """Choose the value of each tuned setting: of the best validation accuracy; of equal ones, the smallest."""
        for variant in self.plan.design.variants:
            if variant.tune is None:
                continue
            runs = {value: finished_run(self.folder / variant.search_folder(value)) for value in variant.tune[1]}
            found = {value: run.final()["val_accuracy"] for value, run in runs.items() if run is not None}
            if len(found) == len(runs):
                self.record["tuned"][variant.name] = max(sorted(found), key=lambda value: found[value])
                self.record["searched"][variant.name] = {f"{value:g}": accuracy for value, accuracy in found.items()}

    def own_runs(self) -> list[PlannedRun]:
        """The runs whose preparations are finished."""
        tuned: Tuned = self.record["tuned"]
        starts = {}
        for preparation in self.plan.preparations():
            if run := finished_run(self.folder / preparation.folder):
                starts[preparation.folder] = weights_hash(run)
        untuned = {v.name for v in self.plan.design.variants if v.tune and v.name not in tuned}
        runs = self.plan.runs(tuned, starts)
        return [run for run in runs if run.variant not in untuned and (not run.start or run.start in starts)]

    # running them

    def finish(self, planned: Sequence[PlannedRun], measures: tuple[str, ...]) -> None:
        """Finish these runs, as far as they can be."""
        for variant in dict.fromkeys(run.variant for run in planned):
            self._choose_algorithms([run for run in planned if run.variant == variant])
        todo = [run for run in planned if not self._is_done(run, measures)]
        if len(todo) < len(planned) and is_first_process():
            print(f"{len(planned) - len(todo)} of {len(planned)} runs finished before, reused", file=sys.stderr)
        jobs = list(self._jobs(todo, measures))
        self._check(jobs)
        left, total = sum(job.macs for job in jobs), len(jobs)
        self.begun, self.done, self.left = time.perf_counter(), 0.0, float(left)
        for number in range(TRIES):
            failed = []
            for outcome in self.options.engine.run(jobs, self.folder) if jobs else ():
                self._note(outcome, total, last=number + 1 == TRIES)
                if outcome.error is not None:
                    failed.append(outcome.job)
            jobs = failed

    def _check(self, jobs: Sequence[Job]) -> None:
        """Refuse at once, not run by run, what this machine cannot train; measuring runs needs nothing of it."""
        if self.options.engine.here:
            for job in jobs:
                if not all(finished_run(self.folder / folder) for folder in job.folders):
                    check_precision(job.configs[0].precision, job.execution.device)

    def _choose_algorithms(self, runs: Sequence[PlannedRun]) -> None:
        """A variant's algorithms: as study.json has them, or those of runs that can be reused, or chosen now."""
        variant = runs[0].variant
        if variant in self.record["algorithms"]:
            return
        pins = self.finished_runs.pins([self._key(run) for run in runs])
        if pins is None:
            pins = choose_algorithms(self.spec(runs[0]), runs[0].config, self.data, self.options.execution)
        self.record["algorithms"][variant] = pins

    def _key(self, run: PlannedRun) -> RunKey:
        return RunKey.wanted(run.config.config_hash, self.described)

    def _is_done(self, run: PlannedRun, measures: tuple[str, ...]) -> bool:
        """Whether a run is finished and measured, perhaps by reusing one."""
        folder = self.folder / run.folder
        if not self._finished(run):
            found = self.finished_runs.find(self._key(run), self._pins(run))
            if found is None:
                return False
            link_run(found, folder)
            self.record["reused"].append(run.folder)
        network = Network(Run.open(folder))
        return all(find_evaluation(name).is_current(network, self.data.test) for name in measures)

    def _finished(self, run: PlannedRun) -> bool:
        """Whether the study's folder has the run, finished.

        All runs of a claim are from one version of torch; a study without one goes on after an update.

        Raises:
            InputError: a finished run of another key.
        """
        found = finished_run(self.folder / run.folder)
        if found is None:
            return False
        there, wanted = RunKey.of(found.record), self._key(run)
        if not self.plan.design.claim:
            there = replace(there, numerics=wanted.numerics, torch=wanted.torch)
        if there != wanted:
            raise InputError(
                f"{found.folder} holds a finished run with other settings, images or numerics (its torch: "
                f"{found.record['environment']['torch']}); choose another --out, or remove that folder"
            )
        return True

    def _pins(self, run: PlannedRun) -> Pins:
        return self.record["algorithms"][run.variant]

    def _jobs(self, runs: Sequence[PlannedRun], measures: tuple[str, ...]) -> Iterator[Job]:
        """Runs of a variant that are trained at once are neighbours' seeds."""
        groups: dict[tuple[str, int], list[PlannedRun]] = {}
        for run in runs:
            alone = run.start or run.config.dropout or run.config.purpose == "search"
            block = run.config.seed if alone else run.config.seed // self.options.seeds_at_once
            groups.setdefault((run.folder if alone else run.variant, block), []).append(run)
        for group in groups.values():
            yield Job(
                variant=group[0].variant,
                configs=tuple(run.config for run in group),
                folders=tuple(run.folder for run in group),
                pins=self._pins(group[0]),
                images=self.options.images,
                root=str(self.options.root) if self.options.root else None,
                data=self.described,
                macs=sum(self.spec(run).macs for run in group),
                measures=measures,
                starts=tuple(run.start for run in group if run.start),
                execution=self.options.execution,
            )

    def _note(self, outcome: Outcome, total: int, last: bool) -> None:
        """Print and write what came of a job; a full disk ends everything, since all others would fail too."""
        job = outcome.job
        if outcome.error is None:
            self.done += job.macs
            for folder in job.folders:
                self.record["failures"].pop(folder, None)
        elif outcome.disk_full:
            raise InputError(f"{outcome.error}; the disk is full: finished runs are kept, the same command resumes")
        else:
            print(f"{job.name} failed: {outcome.error}" + ("" if last else "; trying once more"), file=sys.stderr)
            if last:
                self.record["failures"] |= dict.fromkeys(job.folders, outcome.error)
        if outcome.error is None and not self.options.engine.shows_progress:
            print(self._line(outcome, total), file=sys.stderr, flush=True)
        self._write("running")

    def _line(self, outcome: Outcome, total: int) -> str:
        """A finished job's accuracies and time, and the time left."""
        spent = time.perf_counter() - self.begun
        rest = spent * (self.left - self.done) / self.done if self.done else float("nan")
        finals = [Run.open(self.folder / folder).final() for folder in outcome.job.folders]
        key = "test_accuracy" if "test_accuracy" in finals[0] else "val_accuracy"
        shown = ", ".join(f"{final[key]:.2%}" for final in finals)
        return f"{outcome.job.name}: {shown}, {duration(finals[0]['time_s'])}; of {total} jobs, {duration(rest)} left"
