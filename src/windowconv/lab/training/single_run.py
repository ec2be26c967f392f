"""One run from its settings: the images are read, and the network is trained with its progress shown."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from windowconv.lab.config import Execution, RunConfig, Training
from windowconv.lab.data import ImageData
from windowconv.lab.data.sources import data_name
from windowconv.lab.models.arms import parse_arm
from windowconv.lab.models.matching import network_spec
from windowconv.lab.progress import show_progress
from windowconv.lab.runs.folder import Run, finished_before
from windowconv.lab.runs.writer import describe_data
from windowconv.lab.training.distributed import configure, is_first_process
from windowconv.lab.training.loading import limit_images, read_data
from windowconv.lab.training.train import train


def train_run(
    training: Training,
    data: str,
    arm: str,
    seed: int = 0,
    out: Path | None = None,
    *,
    root: Path | None = None,
    execution: Execution | None = None,
) -> Run:
    """Train one run into a folder, or resume it there; one that is finished stays as it is.

    Args:
        training: settings.
        data: what `load` takes.
        arm: as in `parse_arm`.
        seed: of the initial weights, the order of the images and the augmentation.
        out: the run folder; `runs/ARM-seedN` if None.
        root: the folder that `load` looks in.
        execution: device, threads, checkpoints.

    Raises:
        InputError: an unknown arm, images that are not there, another finished run in the folder; as `train`.
    """
    execution = execution or Execution()
    parse_arm(arm).layer_window()
    config = RunConfig(**asdict(training), data=data_name(data), arm=arm, seed=seed)
    configure(execution)
    images = limit_images(read_data(data, root, training), training)
    folder = out or Path("runs") / config.run_name
    if (found := trained_before(folder, config, images)) is not None:
        return found
    spec = network_spec(training, arm, seed, len(images.classes), (images.channels, *images.image_size))
    if spec.gap is not None and is_first_process():
        print(f"{arm}: {spec}", file=sys.stderr)
    with show_progress([1.0]) as progress:
        return train(config, images, folder, progress, execution)


def trained_before(folder: Path, config: RunConfig, images: ImageData) -> Run | None:
    """The run in the folder, if it is finished, of these settings and images; a line says so.

    Raises:
        InputError: another finished run.
    """
    found = finished_before(folder, config, describe_data(images))
    if found is not None and is_first_process():
        print(f"{folder} holds this run, finished before: nothing was trained", file=sys.stderr)
    return found
