"""Studies: a grid of arms and seeds in one folder, whose finished runs are kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from windowconv.errors import InputError
from windowconv.lab.arms import parse_arm
from windowconv.lab.config import RunConfig, Training
from windowconv.lab.data import ImageData
from windowconv.lab.models import build
from windowconv.lab.progress import show_progress
from windowconv.lab.runs import Run, describe_data, environment, read_json, write_json
from windowconv.lab.train import train
from windowconv.model_summary import ModelSummary, summary

STUDY = "study.json"


@dataclass(frozen=True)
class Study:
    """Arms x seeds on one data set; everything else is the same in all runs.

    Args:
        data: the data's name.
        arms: names as in `parse_arm`; the first one is the baseline.
        seeds: how many, from 0.
        training: what all runs share.
    """

    data: str
    arms: tuple[str, ...]
    seeds: int
    training: Training

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
        return RunConfig(**asdict(self.training), data=self.data, arm=arm, seed=seed)


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
        if record["status"] != "finished":
            raise InputError(f"study={str(folder)!r} is not finished; the command that began it goes on with it")
        training = Training(**{**record["training"], "milestones": tuple(record["training"]["milestones"])})
        return cls(folder, Study(record["data"]["name"], tuple(record["arms"]), record["seeds"], training), record)


def cut(data: ImageData, training: Training) -> ImageData:
    """The data with the numbers of images that the settings ask for; the same ones for every arm and seed."""
    for name, images in (("train", data.train), ("test", data.test)):
        wanted = getattr(training, f"{name}_images")
        if wanted is not None and wanted > len(images):
            raise InputError(f"{name}-images={wanted}; {data.name} has {len(images)} of them; give so many or fewer")
    return replace(data, train=data.train.take(training.train_images), test=data.test.take(training.test_images))


def run_study(study: Study, data: ImageData, folder: Path, device: torch.device | str = "cpu") -> StudyResult:
    """Train what is not finished yet, and write `study.json`.

    Args:
        study: what to run.
        data: all images; `study.training` says how many are used.
        folder: the study's folder; finished runs of the same settings and images in it are reused.
        device: a torch device.

    Raises:
        InputError: a folder that cannot be written or holds another study; as `train`.
    """
    device = torch.device(device)
    data = cut(data, study.training)
    costs = {arm: _cost(study, arm, data) for arm in study.arms}
    record = {
        "name": folder.name,
        "arms": list(study.arms),
        "seeds": study.seeds,
        "training": asdict(study.training),
        "data": {"name": study.data, **describe_data(data)},
        "runs": [config.run_name for config in study.configs()],
        "networks": {arm: {"parameters": s.parameters, "macs": s.macs} for arm, s in costs.items()},
        "environment": environment(device),
    }
    _check_folder(folder, record)
    done = {config.run_name for config in study.configs() if _is_finished(config, data, folder / config.run_name)}
    write_json(folder / STUDY, {**record, "status": "running"})
    try:
        with show_progress([costs[config.arm].macs for config in study.configs()]) as progress:
            for config in study.configs():
                if config.run_name in done:
                    progress.skip_run(config.run_name)
                else:
                    train(config, data, folder / config.run_name, progress, device)
    except BaseException as error:
        with suppress(InputError):  # where the disk is full, that it is full is what counts
            status = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
            write_json(folder / STUDY, {**record, "status": status})
        raise
    time_s = sum(Run.open(folder / config.run_name).final()["time_s"] for config in study.configs())
    record |= {"status": "finished", "time_s": round(time_s, 1)}  # of all runs, those reused too
    write_json(folder / STUDY, record)
    return StudyResult(folder, study, record)


def _is_finished(config: RunConfig, data: ImageData, folder: Path) -> bool:
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


def _check_folder(folder: Path, record: dict[str, Any]) -> None:
    """Another study's runs are never overwritten; more seeds or arms of the same study are welcome."""
    if (folder / STUDY).is_file():
        old = read_json(folder / STUDY)
        for key in ("training", "data"):
            if old.get(key) != _plain(record[key]):
                raise InputError(
                    f"out={str(folder)!r} holds a study with other {'settings' if key == 'training' else 'data'}; "
                    "choose another --out, or remove that folder"
                )


def _plain(value: Any) -> Any:
    """As JSON gives it back: tuples as lists."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _cost(study: Study, arm: str, data: ImageData) -> ModelSummary:
    arguments = {"classes": len(data.classes), "channels": data.channels}
    arguments |= {"depth": study.training.depth, "width": study.training.width}
    with torch.device("meta"):
        model = build("small", {"arm": arm, **arguments})
        return summary(model, torch.empty(1, data.channels, *data.image_size))
