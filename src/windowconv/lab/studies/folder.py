"""A study's folder: study.json beside the run folders, from which everything else is made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from windowconv.errors import InputError
from windowconv.lab.config import Training
from windowconv.lab.evaluations.registry import evaluations, metric_value
from windowconv.lab.runs.folder import Run, finished_run
from windowconv.lab.runs.records import STUDY, damaged, read_json, write_json
from windowconv.lab.schema import check_types
from windowconv.lab.statistics.paired import spread
from windowconv.lab.studies.design.comparison import comparison
from windowconv.lab.studies.design.design import Design, Variant
from windowconv.lab.studies.design.plan import run_folder
from windowconv.lab.studies.design.record import changed_fields, design_from_record, design_record
from windowconv.lab.studies.design.schemas import EarlierStudyRecord, StudyRecord
from windowconv.tables import Shown, TextTable

WAY_OUT = "remove that file and run the study's command again, which keeps the finished runs"


@dataclass(frozen=True)
class StudyFolder(Shown):
    """A study that has begun; prints its accuracies as a table.

    Attributes:
        folder: where it is.
        design: what is studied.
        record: study.json.
    """

    folder: Path
    design: Design
    record: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> StudyFolder:
        """The study in `folder`; an `InputError` if there is none, or if its record is damaged."""
        if not (folder / STUDY).is_file():
            raise InputError(f"study={str(folder)!r} is no study folder (it has no {STUDY})")
        record = read_json(folder / STUDY)
        try:
            record = upgraded(record)
            check_types(record, StudyRecord)
            Training.from_record(record["training"])
            design = design_from_record(record["design"])
            if record.get("registered"):
                design_from_record(record["registered"]["design"])
            _check_complete(record, design)
        except InputError as error:
            raise damaged(folder / STUDY, f"or of another version: {error}", WAY_OUT) from error
        return cls(folder, design, record)

    @property
    def seeds(self) -> int:
        """Runs of each variant that the study was asked for."""
        return self.record["seeds"]

    @property
    def scale(self) -> str:
        """smoke, small or paper; empty for settings that are no recipe's."""
        return self.record["scale"]

    @property
    def data(self) -> str:
        """The data's name."""
        return self.record["data"]["name"]

    @property
    def training(self) -> Training:
        """The settings that all variants share."""
        return Training.from_record(self.record["training"])

    def parts(self) -> list[TextTable | str]:
        rows = []
        for variant in self.design.variants:
            held = list(self.values(variant, "accuracy").values())
            over_seeds = spread(held) if held else None
            numbers = (None, None) if over_seeds is None else (over_seeds.mean, over_seeds.sd)
            rows.append([variant.name, len(held), *("-" if each is None else f"{each:.2f}" for each in numbers)])
        claim = [f"Claim: {self.design.claim}"] if self.design.claim else []
        table = TextTable(["variant", "seeds", "test accuracy (%)", "sd"], rows, [False, True, True, True])
        return [*claim, table, f"{self.data}: {self.finished} of {self.wanted} runs are finished; {self.folder}"]

    def runs(self, variant: Variant) -> dict[int, Run]:
        """A variant's finished runs by seed."""
        found = {seed: finished_run(self.folder / run_folder(variant, seed)) for seed in range(self.seeds)}
        return {seed: run for seed, run in found.items() if run is not None}

    def run_folders(self) -> list[str]:
        """The folders of all its own runs, finished or not."""
        return [run_folder(variant, seed) for variant in self.design.variants for seed in range(self.seeds)]

    def values(self, variant: Variant, metric: str) -> dict[int, float]:
        """A metric of a variant's finished runs by seed, in its unit; runs without it are left out."""
        found = {seed: metric_value(run, metric) for seed, run in self.runs(variant).items()}
        return {seed: value for seed, value in found.items() if value is not None}

    def environment(self, name: str) -> str:
        """An entry of its finished runs' environments, such as "device" or "torch"; all values where they differ."""
        runs = [run for variant in self.design.variants for run in self.runs(variant).values()]
        return ", ".join(dict.fromkeys(str(run.record["environment"][name]) for run in runs))

    @property
    def finished(self) -> int:
        """How many of its own runs are."""
        return sum(len(self.runs(variant)) for variant in self.design.variants)

    @property
    def wanted(self) -> int:
        """How many runs of its own it has when it is done."""
        return self.seeds * len(self.design.variants)


def refuse_damaged(folder: Path, runs: Iterable[str]) -> None:
    """An `InputError` that names all finished runs that are damaged, as two processes leave them that wrote at once.

    Args:
        folder: the study's.
        runs: their folders in it; one that holds no finished run is none.
    """
    found = {name: damage for name in runs if (damage := _damage(folder / name))}
    if found:
        name, damage = next(iter(found.items()))
        raise InputError(
            f"{folder}: {len(found)} of its finished runs {'is' if len(found) == 1 else 'are'} damaged, such as {name} "
            f"({damage}); remove {', '.join(found)}, and the study's command trains them again"
        )


def _damage(folder: Path) -> str:
    """What is wrong with a finished run, in words; empty if nothing is, or if there is none."""
    try:
        run = finished_run(folder)
        if run is None:
            return ""
        run.final()
        epochs = [line["epoch"] for line in run.metrics("epoch")]
        if len(run.metrics("final")) > 1 or epochs != sorted(set(epochs)):
            return "metrics.jsonl has the lines of two runs"
        for evaluation in evaluations().values():
            if evaluation.path(run).is_file():
                evaluation.values(run)
    except InputError as error:
        return str(error).partition(";")[0].removeprefix(f"{folder.name}: ").replace(f"{folder}{os.sep}", "")
    return ""


def write_study(folder: Path, record: Mapping[str, Any]) -> None:
    """Write study.json whole."""
    write_json(folder / STUDY, dict(record))


def upgraded(record: dict[str, Any]) -> dict[str, Any]:
    """A record as today's `windowconv compare` writes it, of one that an earlier version wrote: arms in the place of
    a design, and learning rates in that of tuned values. Others are given back as they are."""
    if "design" in record or "arms" not in record:
        return record
    check_types(record, EarlierStudyRecord)
    rates, search = record.get("rates") or {}, record.get("search") or {}
    tried: dict[str, dict[str, float]] = search.get("validation_accuracy", {})
    values = {arm: tuple(map(float, tried.get(arm, {f"{rate:g}": 0}))) for arm, rate in rates.items()}
    new = {"design": design_record(comparison(record["arms"], values)), "scale": ""}
    return {**record, **new, "tuned": rates, "searched": tried, "reused": [], "failures": {}}


def _check_complete(record: Mapping[str, Any], design: Design) -> None:
    """An `InputError` where a part of study.json lacks an entry that another part asks for."""
    wanted = [("networks", record["networks"], [variant.name for variant in design.variants])]
    wanted.append(("tuned", record["tuned"], list(record["searched"])))
    for setting, found in record.get("tuning", {}).items():
        values = [f"{value:g}" for value in found["grid"]]
        tried, part = found["validation_accuracy"], f"tuning.{setting}"
        wanted.append((f"{part}.chosen", found["chosen"], list(tried)))
        wanted += [(f"{part}.validation_accuracy", each, values) for each in tried.values()]
    for part, there, names in wanted:
        for name in names:
            if name not in there:
                raise InputError(f"{f'{part}.{name}'!r} is missing")


def refuse_another(folder: Path, record: Mapping[str, Any], option: str = "out") -> None:
    """An `InputError` if a folder holds another study; more seeds or variants of the same one are welcome.

    Args:
        folder: that may have a study.json.
        record: what this study's study.json would say.
        option: which the folder was given by.
    """
    if not (folder / STUDY).is_file():
        return
    old = StudyFolder.open(folder)
    new = design_from_record(record["design"])
    same = {
        "another study": (old.design.name, new.name),
        "the study at another scale": (old.scale, record["scale"]),
        "the study with another primary contrast": (old.design.primaries, new.primaries),
        "the study with another smallest effect of interest": (old.design.smallest, new.smallest),
        "the study on other images": (old.record["data"], dict(record["data"])),
        "the study with other settings": (old.training, Training.from_record(record["training"])),
    }
    for what, (mine, theirs) in same.items():
        if mine != theirs:
            raise InputError(f"{option}={str(folder)!r} holds {what}; choose another --{option}, or remove that folder")
    _refuse_changed_design(folder, old.record.get("registered"), record.get("registered"), option)


def _refuse_changed_design(
    folder: Path, before: Mapping[str, Any] | None, now: Mapping[str, Any] | None, option: str
) -> None:
    """A design that was registered is carried out as it was, or in another folder, where its report says so."""
    if before is None or now is None:
        return
    fields = changed_fields(before["design"], now["design"])
    if fields:
        commit = (before["commit"] or "unknown")[:12]
        raise InputError(
            f"{option}={str(folder)!r} holds the study {before['design']['name']} as designed at commit {commit}; its "
            f"design has changed since ({', '.join(fields)}): go on at that commit, or choose another --{option}"
        )
