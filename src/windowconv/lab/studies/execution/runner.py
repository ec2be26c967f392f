"""Running a study: finished runs are kept or reused, the rest are trained, and a failure costs one run."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from windowconv.errors import InputError
from windowconv.lab.data import ImageData
from windowconv.lab.models.algorithm_choice import Pins, choose_algorithms
from windowconv.lab.models.matching import NetworkSpec, network_spec
from windowconv.lab.progress import duration
from windowconv.lab.runs.environment import environment
from windowconv.lab.runs.folder import Run, finished_run
from windowconv.lab.runs.lock import only_one
from windowconv.lab.runs.writer import describe_data
from windowconv.lab.studies.design.plan import START, Plan, PlannedRun, Tuned
from windowconv.lab.studies.design.record import design_record
from windowconv.lab.studies.execution.earlier import KEPT, earlier_record
from windowconv.lab.studies.execution.finished_runs import FinishedRuns
from windowconv.lab.studies.execution.initial_weights import weights_hash
from windowconv.lab.studies.execution.jobs import Job, Outcome, read_images
from windowconv.lab.studies.execution.options import StudyOptions
from windowconv.lab.studies.execution.registration import register
from windowconv.lab.studies.execution.reuse import link_run
from windowconv.lab.studies.execution.tuning import chosen_values, tune
from windowconv.lab.studies.exported_runs import export_run
from windowconv.lab.studies.folder import StudyFolder, refuse_another, write_study
from windowconv.lab.training.distributed import check_precision, is_first_process, process_count
from windowconv.lab.training.train import check_trainable

TRIES = 2


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
            study in the folder or the export, or a run of other settings, images, numerics or versions; a run and its
            export that disagree; a full disk. What is finished is kept, and the same command resumes.
    """
    options.check(plan, folder)
    data = read_images(options.images, str(options.root) if options.root else None, plan.shared)
    check_trainable(plan.shared, data, min(options.seeds_at_once, plan.seeds), process_count())
    # of the processes that torchrun starts, the first one has the folder for all
    with only_one(folder, "study") if is_first_process() else nullcontext():
        runner = StudyRunner(plan, folder, options, data)
        try:
            runner.finish(plan.preparations(), measures=())
            runner.choose_tuned_values()
            if plan.design.tuning:
                runner.tune()
            if not options.only_tune:
                runner.finish(runner.own_runs(), measures=plan.design.measures)
        except BaseException as error:
            with suppress(InputError):  # where the disk is full, that it is full is what counts
                runner.end("stopped" if isinstance(error, KeyboardInterrupt) else "failed")
            raise
        runner.end("incomplete" if runner.record["failures"] else "tuned" if options.only_tune else "finished")
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
        self.finished_runs = FinishedRuns(plan.design, folder, options.export, self.described, data.test, options.reuse)
        self.record = self._new_record()
        self.untuned = plan
        self._choose(self.record["tuning"])
        # refuses another run before anything is written
        self.finished_runs.check([*self.plan.preparations(), *self.plan.first_tuning_runs(), *self.own_runs()])
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
            "tuning": {},
            "diverged": {},
            "sources": {},
            "registered": register(self.plan),
        }
        refuse_another(self.folder, record)
        if self.options.export is not None:
            refuse_another(self.options.export, record, "export")
        old = earlier_record(self.folder, self.options.export)
        if old is not None:
            record |= {key: old[key] for key in KEPT if key in old} | {"registered": old.get("registered")}
            record["failures"] = dict(record["diverged"])
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
            record = {**self.record, "status": status, **more}
            for folder in filter(None, (self.folder, self.options.export)):
                write_study(folder, record)

    # which runs there are

    def tune(self) -> None:
        """Choose settings for each variant, by the design's tuning."""
        diverged = self.record["diverged"]
        found = tune(self.untuned, self.folder, lambda name: name in diverged, lambda runs: self.finish(runs, ()))
        self.record["tuning"] = found
        self._choose(found)
        self.finished_runs.check(self.own_runs())
        self._write("running")

    def _choose(self, tuning: dict[str, Any]) -> None:
        """Give the variants the settings that a tuning chose for them."""
        design = self.untuned.design.with_values(chosen_values(tuning))
        self.plan = replace(self.untuned, design=design)
        self.record["design"] = design_record(design)

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
        if self.plan.design.tuning and not self.record["tuning"]:
            return []
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
        self.finished_runs.adopt(planned)
        for variant in dict.fromkeys(run.variant for run in planned):
            self._choose_algorithms([run for run in planned if run.variant == variant])
        todo = [run for run in planned if not self._is_done(run, measures)]
        if len(todo) < len(planned) and is_first_process():
            print(f"{len(planned) - len(todo)} of {len(planned)} runs finished before, reused", file=sys.stderr)
        for run in planned if self.options.export else ():
            if run not in todo and finished_run(self.folder / run.folder):
                self._export(run.folder)
        jobs = list(self._jobs([run for run in todo if not self._diverged(run)], measures))
        self._check(jobs)
        left, total = sum(job.macs for job in jobs), len(jobs)
        self.begun, self.done, self.left = time.perf_counter(), 0.0, float(left)
        for number in range(TRIES):
            failed = []
            for outcome in self.options.engine.run(jobs, self.folder) if jobs else ():
                self._note(outcome, total, last=number + 1 == TRIES)
                if outcome.error is not None and not _is_final(outcome):
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
        pins = self.finished_runs.pins(runs)
        if pins is None:
            pins = choose_algorithms(self.spec(runs[0]), runs[0].config, self.data, self.options.execution)
        self.record["algorithms"][variant] = pins

    def _is_done(self, run: PlannedRun, measures: tuple[str, ...]) -> bool:
        """Whether a run is finished and measured, perhaps by reusing one."""
        found = self.finished_runs.own(run)
        if found is None:
            other = self.finished_runs.reusable(run, self._pins(run), measures)
            if other is None:
                return False
            link_run(other, self.folder / run.folder)
            self.record["reused"].append(run.folder)
            self.record["sources"][run.folder] = other.folder.parent.name
            found = Run.open(self.folder / run.folder)
        lacking = self.finished_runs.lacking(found, measures)
        if lacking is not None:
            self.finished_runs.refuse_unmeasurable(found, lacking)
        return lacking is None

    def _diverged(self, run: PlannedRun) -> bool:
        """Whether a run diverged before: it counts, and is not tried until the better outcome comes."""
        return run.folder in self.record["diverged"]

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
                keep_weights=self.options.keep_weights or group[0].folder.startswith(START),
                execution=self.options.execution,
            )

    def _note(self, outcome: Outcome, total: int, last: bool) -> None:
        """Print and write what came of a job; a full disk ends everything, since all others would fail too."""
        job = outcome.job
        if outcome.error is None:
            self.done += job.macs
            for folder in job.folders:
                self.record["failures"].pop(folder, None)
                self._export(folder)
        elif outcome.disk_full:
            raise InputError(f"{outcome.error}; the disk is full: finished runs are kept, the same command resumes")
        else:
            last = last or _is_final(outcome)
            print(f"{job.name} failed: {outcome.error}" + ("" if last else "; trying once more"), file=sys.stderr)
            if last:
                self.record["failures"] |= dict.fromkeys(job.folders, outcome.error)
            if _is_final(outcome):
                self.record["diverged"] |= dict.fromkeys(job.folders, outcome.error)
                self._export(*job.folders)
        if outcome.error is None and not self.options.engine.shows_progress:
            print(self._line(outcome, total), file=sys.stderr, flush=True)
        self._write("running")

    def _export(self, *folders: str) -> None:
        """Export runs that have ended."""
        if self.options.export is None or not is_first_process():
            return
        for folder in (name for name in folders if (self.folder / name / "run.json").is_file()):
            export_run(self.folder / folder, self.options.export / folder)

    def _line(self, outcome: Outcome, total: int) -> str:
        """A finished job's accuracies and time, and the time left."""
        spent = time.perf_counter() - self.begun
        rest = spent * (self.left - self.done) / self.done if self.done else float("nan")
        finals = [Run.open(self.folder / folder).final() for folder in outcome.job.folders]
        key = "test_accuracy" if "test_accuracy" in finals[0] else "val_accuracy"
        shown = ", ".join(f"{final[key]:.2%}" for final in finals)
        return f"{outcome.job.name}: {shown}, {duration(finals[0]['time_s'])}; of {total} jobs, {duration(rest)} left"


def _is_final(outcome: Outcome) -> bool:
    """Whether a failure would come again: a run of its own that diverged."""
    return outcome.diverged and len(outcome.job.folders) == 1
