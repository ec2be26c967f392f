"""Training: one loop, for one network or several seeds at once, on one device or over processes, into run folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from windowconv.checkpoint import save_weights
from windowconv.errors import InputError
from windowconv.lab.config import Execution, RunConfig, Training
from windowconv.lab.data import ImageData
from windowconv.lab.models.airbench import SMALLEST, Whitening
from windowconv.lab.models.algorithm_choice import Pins, choose_algorithms, restore_algorithms
from windowconv.lab.models.build import build, to_header
from windowconv.lab.models.matching import NetworkSpec, network_spec
from windowconv.lab.progress import Progress
from windowconv.lab.runs.checkpoints import Checkpoint, log_mark, remove_checkpoints
from windowconv.lab.runs.folder import Run, read_run_record
from windowconv.lab.runs.lock import only_one
from windowconv.lab.runs.writer import RunWriter, describe_data, recording, run_record
from windowconv.lab.training.distributed import Ranks
from windowconv.lab.training.evaluate import save_evaluation
from windowconv.lab.training.loading import example_images, split_validation
from windowconv.lab.training.loop import Loop, TrainedNetwork
from windowconv.lab.training.memory import keep_freed_memory
from windowconv.lab.training.state import common_checkpoints

WHITENED = 5_000
"""Images that a whitening layer takes its filters from."""

Start = Callable[[NetworkSpec], nn.Module]


def train(
    config: RunConfig,
    data: ImageData,
    folder: Path,
    progress: Progress,
    execution: Execution | None = None,
    *,
    pins: Mapping[str, str] | None = None,
    start: Start | None = None,
) -> Run:
    """Train one run to the end and write its folder; as `train_together` with one seed."""
    return train_together([config], data, [folder], progress, execution, pins=pins, start=start)[0]


def train_together(
    configs: Sequence[RunConfig],
    data: ImageData,
    folders: Sequence[Path],
    progress: Progress,
    execution: Execution | None = None,
    *,
    pins: Mapping[str, str] | None = None,
    start: Start | None = None,
) -> list[Run]:
    """Train runs that differ in their seed alone, all at once, and write their folders.

    The weights start from a run's seed, so that arms of one kernel size start alike; the batches depend on
    the seed alone, so that all arms see the same. An interrupted run resumes from its last checkpoint, with
    the same result, if its folder has one of the same settings and images.

    Args:
        configs: what to train; several are stacked (see `Stacked`).
        data: the images, already cut to the config's numbers.
        folders: the run folders.
        progress: where to show how it goes.
        execution: device, threads, checkpoints; on a CPU if None.
        pins: each layer's algorithm; if None chosen now, or as before where a run resumes.
        start: makes the network that training starts from; `build` with random weights if None.

    Raises:
        InputError: a folder or disk that cannot be written, in which another process works, or with an unfinished run
            of other settings; a loss that is no longer finite, with step, learning rate and last checkpoint. The run is
            then marked as failed.
        Stopped: SIGTERM or Ctrl-C, after a checkpoint was written.
    """
    execution = execution or Execution()
    ranks = Ranks(execution, configs[0].precision)
    if ranks.device.type == "cpu":
        keep_freed_memory()
    check_trainable(configs[0], data, len(configs), ranks.world)
    with ExitStack() as locks:
        if ranks.is_first:
            for folder in folders:
                locks.enter_context(only_one(folder, "run"))
        return _train_here(configs, data, folders, progress, execution, ranks, pins, start)


def _train_here(
    configs: Sequence[RunConfig],
    data: ImageData,
    folders: Sequence[Path],
    progress: Progress,
    execution: Execution,
    ranks: Ranks,
    pins: Mapping[str, str] | None,
    start: Start | None,
) -> list[Run]:
    """As `train_together`, in folders in which nobody else works."""
    specs = [network_spec(c, c.arm, c.seed, len(data.classes), (data.channels, *data.image_size)) for c in configs]
    checkpoints, earlier = _earlier(configs, data, folders)
    pins = pins if earlier is None else earlier
    if pins is None:
        pins = choose_algorithms(specs[0], configs[0], data, execution, ranks.world)
    networks = [_network(c, spec, ranks.device, pins, start) for c, spec in zip(configs, specs, strict=True)]
    if checkpoints is None and start is None:
        fit_whitening(networks, configs[0], data)
    records = {
        folder: run_record(folder.name, c, data, spec, ranks.device, pins, ranks.world)
        for c, spec, folder in zip(configs, specs, folders, strict=True)
        if ranks.is_first
    }
    ranks.barrier()  # all have read the folders before the first one writes
    with _recordings(records, checkpoints, execution.tensorboard) as writers:
        ranks.barrier()
        trained = Loop(configs, networks, data, writers, progress, ranks, execution, checkpoints).run()
        for folder, spec, result in zip(records, specs, trained, strict=False):  # the first process's
            _write_result(folder, spec, result, data)
        ranks.barrier()
    ranks.barrier()  # all see that the runs are finished
    return [Run.open(folder) for folder in folders]


def check_trainable(training: Training, data: ImageData, together: int = 1, world: int = 1) -> None:
    """An `InputError` for images that are too small, or for runs that cannot be trained at once.

    Args:
        training: the settings.
        data: the images.
        together: seeds that are stacked into one network.
        world: processes.
    """
    height, width = data.image_size
    if training.network == "airbench" and training.start_size is not None and training.start_size < SMALLEST:
        raise InputError(f"start-size={training.start_size}; allowed with network='airbench': {SMALLEST} or more")
    small, least = (min(height, width), SMALLEST) if training.network == "airbench" else (max(height, width), 3)
    if small < least:
        raise InputError(
            f"the images are {width}x{height}; allowed: {least}x{least} or more; pass a larger --image-size"
        )
    if together > 1 and (world > 1 or training.patience or training.compile):
        raise InputError("seeds-at-once is for one process, without --patience and --compile; leave it at 1")


def fit_whitening(networks: Sequence[nn.Module], training: Training, data: ImageData) -> None:
    """Give whitening layers their filters, from some of the images that are trained on; the same for all seeds."""
    layers = [layer for network in networks for layer in network.modules() if isinstance(layer, Whitening)]
    if layers:
        images = example_images(split_validation(data.train, training)[0], WHITENED)
        for layer in layers:
            layer.fit(images)


def _earlier(
    configs: Sequence[RunConfig], data: ImageData, folders: Sequence[Path]
) -> tuple[list[Checkpoint] | None, Pins | None]:
    """The checkpoints that runs in the folders resume from, and their algorithms; None if all start anew."""
    before = [_unfinished(c, data, folder) for c, folder in zip(configs, folders, strict=True)]
    checkpoints = common_checkpoints(list(folders)) if all(before) else None
    return (checkpoints, before[0]["numerics"]["algorithm"]) if checkpoints and before[0] else (None, None)


def _unfinished(config: RunConfig, data: ImageData, folder: Path) -> dict[str, Any] | None:
    """The record of a run in the folder that can resume; an `InputError` if there is one of other settings."""
    if not (folder / "run.json").is_file():
        return None
    record = read_run_record(folder)
    if record["status"] == "finished":
        return None
    if record["config_hash"] != config.config_hash or record["data"] != describe_data(data):
        raise InputError(
            f"{folder} holds an unfinished run with other settings or data; choose another --out, or remove that folder"
        )
    return record


def _network(
    config: RunConfig, spec: NetworkSpec, device: torch.device, pins: Mapping[str, str], start: Start | None
) -> nn.Module:
    """The network before its first step, in its place, with its algorithms."""
    torch.manual_seed(config.seed)
    network = start(spec) if start else build(spec.builder, spec.arguments)
    layout: Any = {"memory_format": torch.channels_last if config.channels_last else torch.contiguous_format}
    network = network.to(device).to(**layout)
    restore_algorithms(network, pins)
    if config.compile:
        network.compile()
    return network


@contextmanager
def _recordings(
    records: Mapping[Path, dict[str, Any]], checkpoints: Sequence[Checkpoint] | None, tensorboard: bool
) -> Iterator[list[RunWriter]]:
    """Writers of run folders by their records, each from its checkpoint on, if there are such."""
    resume = [(c.step, log_mark(c.state)) for c in checkpoints] if checkpoints else [None] * len(records)
    with ExitStack() as stack:
        yield [
            stack.enter_context(recording(folder, record, start, tensorboard))
            for (folder, record), start in zip(records.items(), resume, strict=False)
        ]


def _write_result(folder: Path, spec: NetworkSpec, result: TrainedNetwork, data: ImageData) -> None:
    """What a finished run leaves: its weights and evaluations, and no checkpoints."""
    save_weights(result.network, folder / "model.safetensors", to_header(spec.builder, spec.arguments))
    for name, (evaluation, images) in result.evaluations.items():
        save_evaluation(folder, name, evaluation, images, data.name)
    remove_checkpoints(folder)
