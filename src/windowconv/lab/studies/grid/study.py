"""Studies: a grid of arms and seeds in one folder, whose finished runs are kept."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from windowconv.errors import InputError
from windowconv.lab.config import Execution, RunConfig, Training
from windowconv.lab.data import ImageData
from windowconv.lab.models.algorithm_choice import Pins, choose_algorithms
from windowconv.lab.models.arms import parse_arm
from windowconv.lab.models.matching import NetworkSpec, network_spec
from windowconv.lab.progress import show_progress
from windowconv.lab.runs.environment import environment
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import STUDY, read_json, write_json
from windowconv.lab.runs.writer import describe_data
from windowconv.lab.training.distributed import is_first_process
from windowconv.lab.training.loading import limit_images
from windowconv.lab.training.train import train_together


@dataclass(frozen=True)
class Study:
    """Arms x seeds on one data set; everything else is the same in all runs.

    Args:
        data: the data's name.
        arms: names as in `parse_arm`; the first one is the baseline.
        seeds: how many, from 0.
        training: what all runs share.
        rates: an arm's own learning rate, where it was searched for; `training.lr` for the others.
    """

    data: str
    arms: tuple[str, ...]
    seeds: int
    training: Training
    rates: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.arms or len(set(self.arms)) != len(self.arms):
            raise InputError(f"arms={list(self.arms)}; allowed: one or more, each once")
        if self.seeds < 1:
            raise InputError(f"seeds={self.seeds}; allowed: 1 or more")
        for arm in self.arms:
            parse_arm(arm).layer_window()

    def configs(self) -> Iterator[RunConfig]:
        """The runs, all arms of one seed together, so that a study that is cut short has pairs."""
        for seed in range(self.seeds):
            for arm in self.arms:
                yield self.config(arm, seed)

    def config(self, arm: str, seed: int) -> RunConfig:
        """One run."""
        training = replace(self.training, lr=self.rates.get(arm, self.training.lr))
        return RunConfig(**asdict(training), data=self.data, arm=arm, seed=seed)


@dataclass(frozen=True)
class StudyResult:
    """A study folder whose runs are finished."""

    folder: Path
    study: Study
    record: dict[str, Any]

    def run(self, arm: str, seed: int) -> Run:
        """One run's folder."""
        return Run.open(self.folder / self.study.config(arm, seed).run_name)

    def runs(self, arm: str) -> list[Run]:
        """An arm's runs by seed."""
        return [self.run(arm, seed) for seed in range(self.study.seeds)]

    def accuracies(self, arm: str) -> list[float]:
        """An arm's test accuracy in percent, by seed, at the last epoch."""
        return [100 * run.evaluation()["figures"]["accuracy"] for run in self.runs(arm)]

    @classmethod
    def open(cls, folder: Path) -> StudyResult:
        """The study in `folder`; an `InputError` if there is none."""
        if not (folder / STUDY).is_file():
            raise InputError(f"study={str(folder)!r} is no study folder (it has no {STUDY})")
        record = read_json(folder / STUDY)
        if "design" in record:
            raise InputError(
                f"study={str(folder)!r} is one of windowconv study; this takes those of windowconv compare"
            )
        if record.get("status", "finished") != "finished":
            raise InputError(f"study={str(folder)!r} is not finished; the command that began it goes on with it")
        missing = [key for key in ("status", "training", "data", "arms", "seeds") if key not in record]
        if missing:
            raise InputError(f"{folder / STUDY} is damaged ({missing[0]!r} is missing); it is no study's record")
        training = Training.from_record(record["training"])
        rates = record.get("rates", {})
        study = Study(record["data"]["name"], tuple(record["arms"]), record["seeds"], training, rates)
        return cls(folder, study, record)


def run_study(
    study: Study,
    data: ImageData,
    folder: Path,
    execution: Execution | None = None,
    *,
    seeds_at_once: int = 1,
    search: dict[str, Any] | None = None,
) -> StudyResult:
    """Train what is not finished yet, and write `study.json`.

    Args:
        study: what to run.
        data: all images; `study.training` says how many are used.
        folder: the study's folder; finished runs of the same settings and images in it are reused.
        execution: device, threads, checkpoints.
        seeds_at_once: how many seeds of an arm are trained at once.
        search: what a search for learning rates found, for the record.

    Raises:
        InputError: a folder that cannot be written or holds another study; as `train`.
    """
    execution = execution or Execution()
    if seeds_at_once < 1:
        raise InputError(f"seeds-at-once={seeds_at_once}; allowed: 1 or more")
    data = limit_images(data, study.training)
    specs = arm_specs(study, data)
    record = {
        "name": folder.name,
        "arms": list(study.arms),
        "seeds": study.seeds,
        "training": asdict(study.training),
        "rates": study.rates,
        "search": search,
        "data": {"name": study.data, **describe_data(data)},
        "runs": [config.run_name for config in study.configs()],
        "networks": {arm: spec.size() for arm, spec in specs.items()},
        "algorithms": {},
        "environment": environment(execution.device),
    }
    _check_folder(folder, record)
    done = {c.run_name for c in study.configs() if is_finished(c, data, folder / c.run_name)}
    record["algorithms"] = _pins(study, specs, data, folder, execution)
    _write(folder, {**record, "status": "running"})
    try:
        _train(study, specs, data, folder, execution, done, record["algorithms"], seeds_at_once)
    except BaseException as error:
        with suppress(InputError):  # where the disk is full, that it is full is what counts
            status = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
            _write(folder, {**record, "status": status})
        raise
    time_s = sum(Run.open(folder / config.run_name).final()["time_s"] for config in study.configs())
    record |= {"status": "finished", "time_s": round(time_s, 1)}  # of all runs, those reused too
    _write(folder, record)
    return StudyResult(folder, study, record)


def _train(
    study: Study,
    specs: dict[str, NetworkSpec],
    data: ImageData,
    folder: Path,
    execution: Execution,
    done: set[str],
    pins: dict[str, Pins],
    at_once: int,
) -> None:
    """Train the runs that are not done, `at_once` seeds of an arm together."""
    groups = [
        [study.config(arm, seed) for seed in range(first, min(first + at_once, study.seeds))]
        for first in range(0, study.seeds, at_once)
        for arm in study.arms
    ]
    with show_progress([specs[group[0].arm].macs * len(group) for group in groups]) as progress:
        for group in groups:
            todo = [config for config in group if config.run_name not in done]
            if not todo:
                progress.skip_run(", ".join(config.run_name for config in group))
                continue
            folders = [folder / config.run_name for config in todo]
            train_together(todo, data, folders, progress, execution, pins=pins[todo[0].arm])


def _write(folder: Path, record: dict[str, Any]) -> None:
    if is_first_process():
        write_json(folder / STUDY, record)


def arm_specs(study: Study, data: ImageData) -> dict[str, NetworkSpec]:
    """Each arm's network; where widths were matched, a line says how near they came."""
    image = (data.channels, *data.image_size)
    specs = {arm: network_spec(study.training, arm, 0, len(data.classes), image) for arm in study.arms}
    for arm, spec in specs.items():
        if spec.gap is not None and is_first_process():
            print(f"{arm}: {spec}", file=sys.stderr)
    return specs


def is_finished(config: RunConfig, data: ImageData, folder: Path) -> bool:
    """Whether the folder holds this run, finished; an `InputError` if it holds another one that is."""
    if not (folder / "run.json").is_file():
        return False
    record = Run.open(folder).record
    if record["status"] != "finished":
        return False
    if record["config_hash"] != config.config_hash or record["data"] != describe_data(data):
        raise InputError(
            f"{folder} holds a finished run with other settings or data; choose another --out, or remove that folder"
        )
    return True


def _pins(
    study: Study, specs: dict[str, NetworkSpec], data: ImageData, folder: Path, execution: Execution
) -> dict[str, Pins]:
    """Each arm's algorithms, chosen once a study: those that study.json has already stay."""
    old = read_json(folder / STUDY).get("algorithms", {}) if (folder / STUDY).is_file() else {}
    return {
        arm: old[arm] if arm in old else choose_algorithms(specs[arm], study.training, data, execution)
        for arm in study.arms
    }


def _check_folder(folder: Path, record: dict[str, Any]) -> None:
    """Another study's runs are never overwritten; more seeds or arms of the same study are welcome."""
    if (folder / STUDY).is_file():
        old = read_json(folder / STUDY)
        same = {"settings": _training(old) == _training(record), "data": old.get("data") == _plain(record["data"])}
        for key, equal in same.items():
            if not equal:
                raise InputError(
                    f"out={str(folder)!r} holds a study with other {key}; choose another --out, or remove that folder"
                )


def _training(record: dict[str, Any]) -> Training | None:
    """The settings of a record; those that it is too old to name have their defaults."""
    return Training.from_record(record["training"]) if "training" in record else None


def _plain(value: Any) -> Any:
    """As JSON gives it back: tuples as lists."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def is_claim_study(folder: Path) -> bool:
    """Whether a folder holds a study with a claim (`windowconv.lab.studies`) and not one of these."""
    return (folder / STUDY).is_file() and "design" in read_json(folder / STUDY)
