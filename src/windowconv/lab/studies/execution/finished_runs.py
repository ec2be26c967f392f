"""Which runs of a study are finished: in its folder, in its export, or in other folders from which they are reused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from windowconv.errors import InputError
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.registry import find_evaluation
from windowconv.lab.models.algorithm_choice import Pins
from windowconv.lab.runs.folder import WEIGHTS, Run, finished_run
from windowconv.lab.studies.design.design import Design
from windowconv.lab.studies.design.plan import START, PlannedRun
from windowconv.lab.studies.execution.reuse import RunIndex, RunKey, link_run
from windowconv.lab.studies.exported_runs import disagreement
from windowconv.lab.studies.folder import refuse_damaged


class FinishedRuns:
    """The finished runs that a study has, or can have without training.

    Args:
        design: the study's.
        folder: the study's.
        export: its export; None without one.
        described: the images, by `describe_data`.
        test: the test images.
        reuse: folders whose finished runs are reused.
    """

    def __init__(
        self,
        design: Design,
        folder: Path,
        export: Path | None,
        described: Mapping[str, Any],
        test: Images,
        reuse: Sequence[Path],
    ) -> None:
        self._design, self._folder, self._export = design, folder, export
        self._described, self._test = described, test
        self._others = RunIndex(reuse)

    def check(self, planned: Sequence[PlannedRun]) -> None:
        """Refuse what is finished in the folder or the export but is another run; nothing is written.

        Raises:
            InputError: such a run; one that differs between folder and export; all that are damaged.
        """
        refuse_damaged(self._folder, [run.folder for run in planned])
        for run in planned:
            own, exported = self.own(run), self._exported(run)
            if own and exported and (what := disagreement(own, exported)):
                raise InputError(
                    f"{run.folder}: the run in {self._folder} and its export in {self._export} disagree ({what}); "
                    "remove the one that is wrong"
                )

    def adopt(self, planned: Sequence[PlannedRun]) -> None:
        """Copy the finished runs that only the export has into the study's folder."""
        for run in planned:
            exported = self._exported(run)
            if exported and not self.own(run):
                link_run(exported, self._folder / run.folder, copy=True)

    def own(self, run: PlannedRun) -> Run | None:
        """The finished run in the study's folder, if it is there; an `InputError` if that is another."""
        return self._of_the_study(self._folder, run)

    def pins(self, runs: Sequence[PlannedRun]) -> Pins | None:
        """The algorithms of runs that can be reused."""
        return self._others.pins([self._key(run) for run in runs])

    def reusable(self, run: PlannedRun, pins: Pins, measures: Sequence[str]) -> Run | None:
        """A finished run in another folder; without weights only if all is measured, and nothing starts from it."""

        def suffices(found: Run) -> bool:
            return not run.folder.startswith(START) and self.lacking(found, measures) is None

        return self._others.find(self._key(run), pins, suffices)

    def lacking(self, run: Run, measures: Sequence[str]) -> str | None:
        """The first evaluation that a run lacks; None if it has all."""
        network = Network(run)
        for name in measures:
            if not find_evaluation(name).is_current(network, self._test):
                return name
        return None

    def refuse_unmeasurable(self, run: Run, measure: str) -> None:
        """An `InputError` if a run has no weights on which something could be measured."""
        if not (run.folder / WEIGHTS).is_file():
            raise InputError(
                f"{run.folder} has no weights, and its {measure} was not measured; leave that out, or remove the "
                "folder to train the run again"
            )

    def _exported(self, run: PlannedRun) -> Run | None:
        return None if self._export is None else self._of_the_study(self._export, run)

    def _of_the_study(self, place: Path, run: PlannedRun) -> Run | None:
        """A finished run, if it is there and the planned one.

        All runs of a claim are from one version of torch, if its design does not say otherwise; a study without one
        goes on after an update.

        Raises:
            InputError: a finished run of another key.
        """
        found = finished_run(place / run.folder)
        if found is None:
            return None
        there, wanted = RunKey.of(found.record), self._key(run)
        if not self._design.claim:
            there = replace(there, numerics=wanted.numerics, torch=wanted.torch)
        if self._design.any_version:
            there = replace(there, torch=wanted.torch)
        if there != wanted:
            raise InputError(
                f"{found.folder} holds a finished run with other settings, images or numerics "
                f"({'; '.join(there.differences(wanted))}); choose another folder, or remove that one"
            )
        return found

    def _key(self, run: PlannedRun) -> RunKey:
        return RunKey.wanted(run.config.config_hash, self._described)
