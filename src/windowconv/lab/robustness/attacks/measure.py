"""Attack a run's network batch by batch; what is done is saved, and a run that was cut goes on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.data.seeding import seeded_generator
from windowconv.lab.robustness.attacks.outcome import EXAMPLES, Outcome, load, path_of, save
from windowconv.lab.robustness.attacks.suites import Trial
from windowconv.lab.robustness.attacks.target import Target, check_images
from windowconv.lab.robustness.sample import BATCH, Sample, seeded
from windowconv.lab.runs.environment import environment
from windowconv.lab.runs.folder import Run

ROUNDING = 1e-5
"""How far beyond its budget a change may measure by the rounding of float32."""

Tick = Callable[[int], None]  # called with the number of images that are done


def attack_run(
    run: Run,
    target: Target,
    trial: Trial,
    sample: Sample,
    seed: int = 0,
    tick: Tick | None = None,
    source: Target | None = None,
) -> Outcome:
    """Try an attack on a run's network and save what comes of it in the run folder; if it is there already, load it.

    Args:
        run: whose folder it goes into.
        target: its network.
        trial: the attack.
        sample: the images; the trial's number of them is taken.
        seed: of what the attack draws at random.
        tick: progress.
        source: the network on which the attack is crafted, if it is another one.

    Raises:
        InputError: what does not fit; a folder that cannot be written.
    """
    some = sample.first(trial.images, target.classes)
    record = _record(run, target, trial, some, seed)
    done, outcome = _begun(run, record, some, trial)
    if done == len(some.labels) and outcome.record.get("status") == "finished":
        if tick:
            tick(done)
        return outcome
    step = len(some.labels) if trial.entry.whole else BATCH
    for start in range(done, len(some.labels), step):
        began = time.perf_counter()
        outcome = _extended(outcome, target, trial, some, slice(start, start + step), seed, source)
        outcome.record["time_s"] = round(outcome.record["time_s"] + time.perf_counter() - began, 2)
        done = min(start + step, len(some.labels))
        save(run.folder, outcome, "finished" if done == len(some.labels) else "running", done)
        if tick:
            tick(done)
    return load(run.folder, trial.label, trial.images)


def attack_images(
    target: Target, trial: Trial, images: Tensor, labels: Tensor, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Attack images (N, C, H, W) in [0, 1] without a run folder.

    Args:
        target: the network.
        trial: the attack, whose number of images does not count here.
        images, labels: what to attack.
        seed: of what the attack draws at random.

    Returns:
        `clean` bool (N,), `broken` bool (budgets, N) and, for attacks that look for the smallest change, `distance`
        float64 (N,), as in `Outcome`.
    """
    check_images(images, labels, target)
    trial.entry.check(trial.grid, trial.settings, target.classes, target.shape)
    sample = Sample(images.float(), labels, torch.arange(len(labels)), labels, "")
    outcome = _extended(_empty({}, sample, trial), target, trial, sample, slice(0, len(labels)), seed)
    return outcome.clean, outcome.broken, outcome.distance


def _extended(
    outcome: Outcome,
    target: Target,
    trial: Trial,
    sample: Sample,
    part: slice,
    seed: int,
    source: Target | None = None,
) -> Outcome:
    """The outcome with one more batch."""
    images, labels = sample.images[part], sample.labels[part]
    clean = target.predict(images) == labels
    broken = (~clean).repeat(len(trial.grid), 1)
    outcome.clean[part] = clean
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
            if outcome.distance is not None:
                distance = torch.where(fooled, sizes, torch.full_like(sizes, float("inf")))
                outcome.distance[part.start + places] = distance
                broken[:, places] = distance[None] <= torch.tensor(trial.grid, dtype=torch.float64)[:, None]
            else:
                broken[i, places] = fooled & (sizes <= budget * (1 + ROUNDING) + ROUNDING / 10)
            if minimal or budget == shown:
                outcome = _with_examples(outcome, found, images[places], part.start + places)
    outcome.broken[:, part] = broken
    return outcome


def _sizes(found: Tensor, images: Tensor, trial: Trial) -> Tensor:
    """What the changes measure; an error of ours where they leave the range of images or are not finite."""
    if found.shape != images.shape or not torch.isfinite(found).all() or found.min() < -1e-6 or found.max() > 1 + 1e-6:
        raise RuntimeError(f"the attack {trial.label} made images that no file could hold")
    measure = trial.entry.unit.size
    return torch.zeros(len(found), dtype=torch.float64) if measure is None else measure(found - images)


def _with_examples(outcome: Outcome, found: Tensor, images: Tensor, places: Tensor) -> Outcome:
    """Keep the first adversarial images, and add to the mean spectrum of the changes."""
    power = torch.fft.fft2((found - images).double()).abs().square().mean(1)
    seen = outcome.record.get("in_power", 0)
    outcome.record["in_power"] = seen + len(found)
    total = (outcome.power * seen + power.sum(0)) / (seen + len(found))
    room = EXAMPLES - len(outcome.examples)
    return replace(
        outcome,
        power=total,
        examples=torch.cat([outcome.examples, found[:room]]),
        example_places=torch.cat([outcome.example_places, places[:room]]),
    )


def _shown(trial: Trial) -> float:
    """The budget whose images are kept: the middle one."""
    return trial.grid[len(trial.grid) // 2]


def _empty(record: dict[str, Any], sample: Sample, trial: Trial) -> Outcome:
    n = len(sample.labels)
    return Outcome(
        record,
        sample.indices,
        torch.zeros(n, dtype=torch.bool),
        torch.zeros(len(trial.grid), n, dtype=torch.bool),
        torch.zeros(n, dtype=torch.float64) if trial.entry.kind == "minimal" else None,
        torch.zeros(0, *sample.images.shape[1:]),
        torch.zeros(0, dtype=torch.int64),
        torch.zeros(sample.images.shape[2:], dtype=torch.float64),
    )


def _begun(run: Run, record: dict[str, Any], sample: Sample, trial: Trial) -> tuple[int, Outcome]:
    """How many images are done, and their outcome: of the same attack on the same weights and images only."""
    target = path_of(run.folder, trial.label, trial.images)
    if target.with_name(target.name + ".json").is_file():
        try:
            old = load(run.folder, trial.label, trial.images)
            if old.record["identity"] == record["identity"]:
                return old.record["done"], old
        except (InputError, KeyError):
            pass  # damaged, or of another version: it is made again
    return 0, _empty(record, sample, trial)


def _record(run: Run, target: Target, trial: Trial, sample: Sample, seed: int) -> dict[str, Any]:
    """What the JSON file says; its `identity` is what a result may be reused for."""
    settings = trial.all_settings
    identity = {
        "attack": trial.attack,
        "budgets": list(trial.grid),
        "settings": settings,
        "seed": seed,
        "test_hash": sample.content_hash,
        "indices": hashlib.sha256(sample.indices.numpy().astype("<i8").tobytes()).hexdigest()[:16],
        "weights": hashlib.sha256(run.weights.read_bytes()).hexdigest()[:16],
        "algorithm": run.record["numerics"]["algorithm"],
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
        "libraries": _versions(),
        "environment": environment(target.device),
        "time_s": 0.0,
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in ("adversarial-robustness-toolbox", "pyautoattack", "torchvision"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
