"""Attack a run's network batch by batch; each batch is saved, so that an attack that was interrupted goes on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.data.seeding import seeded_generator
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.records import versions
from windowconv.lab.robustness.attacks.result import EXAMPLES, AttackResult, load, path_of, save
from windowconv.lab.robustness.attacks.suites import Trial
from windowconv.lab.robustness.attacks.target import Target, check_images
from windowconv.lab.robustness.sample import BATCH, Sample, seeded
from windowconv.lab.runs.environment import environment

ROUNDING = 1e-5
"""By which share a change may exceed its budget: float32 rounds."""
PACKAGES = ("adversarial-robustness-toolbox", "pyautoattack", "torchvision")
"""Whose versions results depend on."""

Tick = Callable[[int], None]  # called with the number of images that are done


def attack_run(
    network: Network,
    target: Target,
    trial: Trial,
    sample: Sample,
    seed: int = 0,
    tick: Tick | None = None,
    source: Target | None = None,
) -> AttackResult:
    """Attack a run's network and save the result in the run folder; a result that is there already is loaded.

    Args:
        network: the run.
        target: its network, as attacks see it.
        trial: the attack.
        sample: images, of which the trial's number is attacked.
        seed: of the attack's random numbers.
        tick: called with the number of images done.
        source: the network on which the attack is crafted, if not the target.

    Raises:
        InputError: an attack that does not fit the data; a folder that cannot be written.
    """
    run = network.run
    some = sample.first(trial.images, target.classes)
    record = _record(network, target, trial, some, seed)
    done, result = _begun(run.folder, record, some, trial)
    if done == len(some.labels) and result.record.get("status") == "finished":
        if tick:
            tick(done)
        return result
    step = len(some.labels) if trial.entry.whole else BATCH
    for start in range(done, len(some.labels), step):
        began = time.perf_counter()
        result = _extended(result, target, trial, some, slice(start, start + step), seed, source)
        result.record["time_s"] = round(result.record["time_s"] + time.perf_counter() - began, 2)
        done = min(start + step, len(some.labels))
        save(run.folder, result, "finished" if done == len(some.labels) else "running", done)
        if tick:
            tick(done)
    return load(run.folder, trial.label, trial.images)


def attack_images(
    target: Target, trial: Trial, images: Tensor, labels: Tensor, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Attack images (N, C, H, W) in [0, 1] without a run folder.

    Args:
        target: the network.
        trial: the attack; its number of images is ignored.
        images: floats (N, C, H, W) in [0, 1].
        labels: int64 (N,).
        seed: of the attack's random numbers.

    Returns:
        `clean` bool (N,), `broken` bool (budgets, N) and, for attacks that look for the smallest change, `distance`
        float64 (N,), else None: as in `AttackResult`.
    """
    check_images(images, labels, target)
    trial.entry.check(trial.grid, trial.settings, target.classes, target.shape)
    sample = Sample(images.float(), labels, torch.arange(len(labels)), labels, "")
    result = _extended(_empty({}, sample, trial), target, trial, sample, slice(0, len(labels)), seed)
    return result.clean, result.broken, result.distance


def _extended(
    result: AttackResult,
    target: Target,
    trial: Trial,
    sample: Sample,
    part: slice,
    seed: int,
    source: Target | None = None,
) -> AttackResult:
    """The result with one more batch, the images of `part`."""
    images, labels = sample.images[part], sample.labels[part]
    clean = target.predict(images) == labels
    broken = (~clean).repeat(len(trial.grid), 1)
    result.clean[part] = clean
    places = clean.nonzero()[:, 0]
    shown = _shown(trial)
    if len(places):
        minimal = trial.entry.kind == "minimal"
        for i, budget in enumerate((0.0,) if minimal else trial.grid):
            with seeded(seeded_generator("attack", trial.label, seed, part.start, i).initial_seed()):
                found = trial.entry.craft(source or target, images[places], labels[places], budget, trial.all_settings)
            found = found.detach().float().cpu()
            sizes = _sizes(found, images[places], trial)
            fooled = target.predict(found) != labels[places]
            if result.distance is not None:
                distance = torch.where(fooled, sizes, torch.full_like(sizes, float("inf")))
                result.distance[part.start + places] = distance
                broken[:, places] = distance[None] <= torch.tensor(trial.grid, dtype=torch.float64)[:, None]
            else:
                broken[i, places] = fooled & (sizes <= budget * (1 + ROUNDING) + ROUNDING / 10)
            if minimal or budget == shown:
                result = _with_examples(result, found, images[places], part.start + places)
    result.broken[:, part] = broken
    return result


def _sizes(found: Tensor, images: Tensor, trial: Trial) -> Tensor:
    """The sizes (N,) of the changes; a bug of ours if images (N, C, H, W) leave [0, 1] or are not finite."""
    if found.shape != images.shape or not torch.isfinite(found).all() or found.min() < -1e-6 or found.max() > 1 + 1e-6:
        raise RuntimeError(f"the attack {trial.label} made images that no file could hold")
    measure = trial.entry.unit.size
    return torch.zeros(len(found), dtype=torch.float64) if measure is None else measure(found - images)


def _with_examples(result: AttackResult, found: Tensor, images: Tensor, places: Tensor) -> AttackResult:
    """Keep the first adversarial images (n, C, H, W), and add to the mean spectrum of the changes."""
    power = torch.fft.fft2((found - images).double()).abs().square().mean(1)
    seen = result.record.get("in_power", 0)
    result.record["in_power"] = seen + len(found)
    total = (result.power * seen + power.sum(0)) / (seen + len(found))
    room = EXAMPLES - len(result.examples)
    return replace(
        result,
        power=total,
        examples=torch.cat([result.examples, found[:room]]),
        example_places=torch.cat([result.example_places, places[:room]]),
    )


def _shown(trial: Trial) -> float:
    """The budget whose images are kept: the middle one."""
    return trial.grid[len(trial.grid) // 2]


def _empty(record: dict[str, Any], sample: Sample, trial: Trial) -> AttackResult:
    n = len(sample.labels)
    return AttackResult(
        record,
        sample.indices,
        torch.zeros(n, dtype=torch.bool),
        torch.zeros(len(trial.grid), n, dtype=torch.bool),
        torch.zeros(n, dtype=torch.float64) if trial.entry.kind == "minimal" else None,
        torch.zeros(0, *sample.images.shape[1:]),
        torch.zeros(0, dtype=torch.int64),
        torch.zeros(sample.images.shape[2:], dtype=torch.float64),
    )


def _begun(folder: Path, record: dict[str, Any], sample: Sample, trial: Trial) -> tuple[int, AttackResult]:
    """How many images are done, and their result: of the same attack on the same weights and images only."""
    if path_of(folder, trial.label, trial.images).is_file():
        try:
            old = load(folder, trial.label, trial.images)
            if old.record["identity"] == record["identity"]:
                return old.record["done"], old
        except (InputError, KeyError):
            pass  # damaged, or of another version: the attack is run again
    return 0, _empty(record, sample, trial)


def _record(network: Network, target: Target, trial: Trial, sample: Sample, seed: int) -> dict[str, Any]:
    """The JSON file; a result is reused where its "identity" is the same."""
    settings = trial.all_settings
    identity = {
        "attack": trial.attack,
        "budgets": list(trial.grid),
        "settings": settings,
        "seed": seed,
        "test_hash": sample.content_hash,
        "indices": hashlib.sha256(sample.indices.numpy().astype("<i8").tobytes()).hexdigest()[:16],
        "weights": (network.weights_hash or "")[:16],
        "algorithm": network.run.record["numerics"]["algorithm"],
    }
    return {
        "name": trial.label,
        "created": datetime.now(UTC).isoformat(timespec="microseconds"),
        "attack": trial.attack,
        "unit": trial.entry.unit.name,
        "budgets": list(trial.grid),
        "shown": None if trial.entry.kind == "minimal" else _shown(trial),
        "settings": settings,
        "check": trial.check,
        "seed": seed,
        "identity": identity,
        "source": trial.entry.source,
        "libraries": {name: number for name, number in versions(PACKAGES).items() if number},
        "environment": environment(target.device),
        "time_s": 0.0,
    }
