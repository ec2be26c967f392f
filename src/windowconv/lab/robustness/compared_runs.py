"""The runs that are compared, and the test images that all of them share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

from windowconv.errors import InputError
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import STUDY, read_json
from windowconv.lab.training.loading import data_of, limit_images, read_data


class ArmRecord(TypedDict):
    """An arm of a study."""

    arm: str


class VariantsRecord(TypedDict):
    """The part of a study's design that attacks read."""

    variants: list[ArmRecord]


class StudyArms(TypedDict):
    """The part of study.json that attacks read; earlier versions of `compare` named arms."""

    design: NotRequired[VariantsRecord]
    arms: NotRequired[list[str]]


def open_runs(folders: Sequence[Path]) -> list[Run]:
    """The runs in run folders and study folders, sorted by seed, so that an interrupted suite has pairs.

    Raises:
        InputError: a folder that is neither; a run without weights; one named twice; different test images or classes.
    """
    if not folders:
        raise InputError("RUN=; allowed: one run folder or study folder, or more")
    runs: list[Run] = []
    for folder in folders:
        runs += _runs_of_study(folder) if (folder / STUDY).is_file() else [Run.open(folder)]
    resolved = [run.folder.resolve() for run in runs]
    for folder in resolved:
        if resolved.count(folder) > 1:
            raise InputError(f"RUN={folder.name!r} is named twice")
    first = runs[0].record["data"]
    for run in runs:
        assert run.weights  # an `InputError` for a run without
        known = run.record["data"]
        if (known["test_hash"], known["classes"]) != (first["test_hash"], first["classes"]):
            raise InputError(
                f"{run.folder.name} was evaluated on other images ({known['source']}) than {runs[0].folder.name} "
                f"({first['source']}); compare runs on the same test images"
            )
    return sorted(runs, key=lambda run: run.config.seed)


def _runs_of_study(folder: Path) -> list[Run]:
    """A study's finished runs, arms in the study's order."""
    found = [Run.open(path.parent) for path in sorted(folder.glob("*/run.json"))]
    finished = [run for run in found if run.is_finished]
    if not finished:
        raise InputError(f"RUN={str(folder)!r} is a study without a finished run")
    record = read_json(folder / STUDY, StudyArms)
    variants = record.get("design", {}).get("variants", [])
    arms = [*record.get("arms", []), *(v["arm"] for v in variants), *(run.config.arm for run in finished)]
    return sorted(finished, key=lambda run: arms.index(run.config.arm))


def test_images(runs: Sequence[Run], data: str | None, root: Path | None) -> Images:
    """The test images of the runs.

    Args:
        runs: all with the same.
        data: where they are, as `load` takes it; the runs' own if None.
        root: the folder that `load` looks in.

    Raises:
        InputError: a folder of images that is not named; images that are not those of the runs.
    """
    config = runs[0].config
    images = limit_images(read_data(data_of(runs[0], data), root, config), config).test
    Network(runs[0]).check_images(images)
    return images
