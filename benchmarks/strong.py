"""How long a run of the strong regime takes, beside the same code on torch's own convolutions.

    python -m benchmarks.strong                        # results/strong.{json,md}; a quarter of an hour on a quiet core
    python -m benchmarks.strong --threads 2 --recipe cifar10-strong-wide --arms 3x3
    python -m benchmarks.strong --device cuda          # results/strong.cuda.{json,md}
    python -m benchmarks.strong --recipe cifar10-strong-smoke --rounds 1 --out build/quick

Nothing is trained to its end: a run's steps are of a few kinds (small images or whole ones, the whitening layer's bias
trained or fixed); some of each kind are timed, both ways in turn, on images of noise, and multiplied by their number.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.markdown import table
from benchmarks.pairs import rounds
from benchmarks.record import describe_environment
from benchmarks.training.workloads import noise, wait
from windowconv.files import replace_file
from windowconv.lab.config import Execution, RunConfig
from windowconv.lab.data import Batch, DeviceLoader, ImageData, in_memory
from windowconv.lab.models.algorithm_choice import choose_algorithms, restore_algorithms
from windowconv.lab.models.build import build
from windowconv.lab.models.matching import network_spec
from windowconv.lab.recipes import find_recipe
from windowconv.lab.runs.environment import environment
from windowconv.lab.training.distributed import Ranks
from windowconv.lab.training.evaluate import BATCH
from windowconv.lab.training.memory import keep_freed_memory
from windowconv.lab.training.step import Stepper

ROOT = Path(__file__).parents[1]
TRAIN, TEST, PIXELS, CLASSES = 50_000, 10_000, 32, 10  # CIFAR-10's
LOOKS = 6  # forward passes of test-time augmentation
WAYS = ("auto", "direct")
Step = Callable[[], object]


def epoch_steps(config: RunConfig) -> int:
    """Steps of an epoch."""
    return -(-(config.train_images or TRAIN) // config.batch_size)


def kinds(config: RunConfig) -> dict[int, int]:
    """The run's steps by kind: the first step of a kind, and how many there are."""
    steps = config.epochs * epoch_steps(config)
    first: dict[tuple[bool, bool], int] = {}
    counted: Counter[int] = Counter()
    for step in range(steps):
        small = config.start_size is not None and step < config.start_share * steps
        kind = (small, step >= config.stem_epochs * epoch_steps(config))
        counted[first.setdefault(kind, step)] += 1
    return dict(counted)


def stepper(config: RunConfig, data: ImageData, way: str, device: torch.device) -> Stepper:
    """The arm's network with what trains it, by our choice of algorithms or by torch's convolutions alone."""
    spec = network_spec(config, config.arm, 0, CLASSES, (3, PIXELS, PIXELS))
    run = RunConfig(**{**asdict(config), "algorithm": way})
    execution = Execution(device=str(device))
    pins = choose_algorithms(spec, run, data, execution)
    torch.manual_seed(0)
    layout: Any = {"memory_format": torch.channels_last}
    network = build(spec.builder, spec.arguments).to(device).to(**layout)
    restore_algorithms(network, pins)
    steps = config.epochs * epoch_steps(config)
    return Stepper([run], [network], steps, Ranks(execution, config.precision))


def forward(stepper: Stepper, images: torch.Tensor) -> None:
    """What an evaluation does with one batch."""
    network = stepper.networks()[0].eval()
    with torch.inference_mode():
        network(images)
    wait(images.device)


def update(stepper: Stepper, batch: Batch, step: int) -> None:
    """One step of training."""
    stepper.update([batch], step)
    wait(batch.images.device)


def measure(recipe: str, arm: str, count: int, device: torch.device) -> dict[str, Any]:
    """Seconds of each kind of step and of a batch's evaluation, both ways in turn."""
    config = RunConfig(**asdict(find_recipe(recipe).training), data="noise", arm=arm)
    data = noise(config.batch_size, 1, PIXELS, CLASSES)
    loader = DeviceLoader(in_memory(data.train), config.batch_size, device=device, augment=config.augment)
    batch = next(loader.epoch(0))
    images = noise(1, BATCH, PIXELS, CLASSES)
    tested = (in_memory(images.test).images.to(device) / 255).contiguous(memory_format=torch.channels_last)
    ways = {way: stepper(config, data, way, device) for way in WAYS}
    numbers = kinds(config)
    times: dict[str, dict[str, list[float]]] = {}
    for step in numbers:
        functions: dict[str, Step] = {way: partial(update, s, batch, step) for way, s in ways.items()}
        rounds(functions, 1)  # the first step of a kind asks for memory
        times[str(step)] = rounds(functions, count)
    times["evaluation"] = rounds({way: partial(forward, s, tested) for way, s in ways.items()}, count)
    evaluations = -(-config.epochs // config.evaluate_every) + (LOOKS if config.test_augment else 0)
    passes = -(-(config.test_images or TEST) // BATCH) * evaluations
    row: dict[str, Any] = {"recipe": recipe, "arm": arm, "steps": {str(s): n for s, n in numbers.items()}}
    row |= {"passes": passes, "seconds": times}
    print(f"{recipe} {arm}: " + ", ".join(f"{way} {minutes(row, way):.1f} min" for way in WAYS), flush=True)
    return row


def minutes(row: dict[str, Any], way: str) -> float:
    """A run's minutes, extrapolated from the medians."""
    each = {kind: median(times[way]) for kind, times in row["seconds"].items()}
    return (sum(n * each[step] for step, n in row["steps"].items()) + row["passes"] * each["evaluation"]) / 60


def page(record: dict[str, Any]) -> str:
    """The results as Markdown."""
    here = record["environment"]
    lines = []
    for row in record["rows"]:
        ours, plain = (minutes(row, way) for way in WAYS)
        steps = sum(row["steps"].values())
        timed = len(next(iter(row["seconds"].values()))[WAYS[0]])
        lines.append([row["recipe"], row["arm"], f"{steps}", f"{timed}", f"{ours:.1f}", f"{plain:.1f}"])
        lines[-1].append(f"{plain / ours:.1f}")
    head = ["recipe", "arm", "steps", "timed of each kind", "minutes a run", "torch's convolutions", "ratio"]
    parts = [
        "# How long a run of the strong regime takes",
        f"{here['device']}, {here['threads']} threads; torch {here['torch']}, windowconv {here['windowconv']}. Made by "
        "`python -m benchmarks.strong`.",
        "**Extrapolated**: a few steps of each kind on noise of CIFAR-10's shape, both ways in turn, times their "
        "number in a run, with the evaluations after each epoch and at the end; medians. Reading the images and "
        "writing checkpoints are left out.",
    ]
    return "\n\n".join([*parts, *table(head, lines)]) + "\n"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="cifar10-strong")
    parser.add_argument("--arms", nargs="+", default=["3x3", "5x5", "7x7", "7x7-hamming"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    if device.type == "cpu":
        keep_freed_memory()
    where = {**describe_environment(False), **environment(device), "threads": options.threads}
    found = [measure(options.recipe, arm, options.rounds, device) for arm in options.arms]
    record = {"environment": where, "rows": found}
    name = "strong" if device.type == "cpu" else f"strong.{device.type}"
    replace_file(options.out / f"{name}.json", (json.dumps(record, indent=1) + "\n").encode())
    replace_file(options.out / f"{name}.md", page(record).encode())


if __name__ == "__main__":
    main()
