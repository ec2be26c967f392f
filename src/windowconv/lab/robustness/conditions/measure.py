"""Runs under natural conditions: which test images each network still classifies right.

The images of a condition are made once and shown to all networks, so that arms and seeds see the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.errors import InputError, require
from windowconv.files import replace_file
from windowconv.hooks import evaluating
from windowconv.lab.data.sets import Images
from windowconv.lab.robustness.conditions.bands import Spectrum, energy, spectrum
from windowconv.lab.robustness.conditions.conditions import CLEAN, Condition, as_floats, conditions
from windowconv.lab.robustness.conditions.record import Chosen, choose, earlier, heading, made_with, path_of
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import read_json, write_json
from windowconv.spectra.batches import Progress
from windowconv.spectra.forward import logits

NAME = "conditions"
BATCH = 500
BATCH_VALUES = 2**24  # fewer images a batch where they are large


@dataclass(frozen=True)
class Measured:
    """A run's answers under conditions.

    Attributes:
        record: what conditions-on-N.json says.
        correct: bool (n,) by the condition's name, "clean" among them, in the test set's order.
    """

    record: dict[str, Any]
    correct: dict[str, Tensor]

    @classmethod
    def read(cls, run: Run, n: int) -> Measured:
        """What `measure_conditions` wrote on n images; an `InputError` if there is nothing, or half of it."""
        path = path_of(run, NAME, n)
        record = read_json(path)
        correct = _tensors(run, n)
        missing = [name for name in record["conditions"] if name not in correct]
        if missing:
            raise InputError(
                f"{run.folder.name}: evaluations/{path.stem}.safetensors lacks {missing[0]!r}; remove {path.name} and "
                "measure again"
            )
        return cls(record, {name: correct[name] for name in record["conditions"]})


def measure_conditions(
    runs: Sequence[Run],
    images: Images,
    tested: Sequence[Condition] | None = None,
    *,
    count: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress = None,
) -> list[Measured]:
    """Show the test images to all runs' networks under every condition, and write the answers into the run folders.

    `evaluations/conditions-on-N.json`, with N images, has the figures by condition, the .safetensors beside it which
    images were classified right; both are written anew, whole, after each condition. What a run folder has already, of
    the same images and weights, is not measured again: a measurement that was cut goes on where it was.

    All networks are held on the device at once.

    Args:
        runs: trained runs of one test set.
        images: their test set.
        tested: `conditions` of the images if None; clean images are always measured too.
        count: how many test images, evenly over the classes; all if None.
        seed: of the conditions' random numbers.
        device: where the networks run.
        progress: called with conditions done and their number.

    Returns:
        What each run folder then has.

    Raises:
        InputError: images that are not the runs' test set; conditions of one name; a file of other images or another
            seed in a run folder; a network that puts out no numbers.
    """
    chosen = choose(runs, images, count)
    channels, height, width = images.shape
    wanted = (CLEAN, *(conditions((height, width), channels) if tested is None else tested))
    if len({condition.name for condition in wanted}) < len(wanted):
        raise InputError(
            f"tested has a name twice, or {CLEAN.name!r}, which is always measured: {len(wanted) - 1} given"
        )
    results = [_Results.of(run, chosen, seed, device) for run in runs]
    for done, condition in enumerate(wanted, 1):
        waiting = [result for result in results if not result.has(condition)]
        if waiting:
            _measure(condition, waiting, chosen, seed)
        if progress is not None:
            progress(done, len(wanted))
    return [Measured.read(run, len(chosen.labels)) for run in runs]


@dataclass
class _Results:
    """What one run folder has so far, and its network once it is needed."""

    run: Run
    record: dict[str, Any]
    correct: dict[str, Tensor]
    device: torch.device | str
    _model: nn.Module | None = field(default=None, repr=False)

    @classmethod
    def of(cls, run: Run, chosen: Chosen, seed: int, device: torch.device | str) -> _Results:
        head = heading(run, chosen, seed)
        old = earlier(run, NAME, head)
        record = old or {"name": NAME, **head, "environments": [], "conditions": {}}
        record.pop("schema_version", None)  # write_json puts it in front
        return cls(run, record, _tensors(run, head["n"]) if old else {}, device)

    def has(self, condition: Condition) -> bool:
        known = self.record["conditions"].get(condition.name, {})
        same = {key: known.get(key) for key in condition.record()} == condition.record()
        return same and condition.name in self.correct

    @property
    def model(self) -> nn.Module:
        if self._model is None:
            self._model = self.run.model().to(self.device)
        return self._model

    def answers(self, images: Tensor, labels: Tensor) -> Tensor:
        """Which images are classified right, bool (n,) on the CPU."""
        try:
            with evaluating(self.model):
                given = images.to(self.device).contiguous(memory_format=torch.channels_last)
                return logits(self.model, given).argmax(1).cpu() == labels
        except InputError as error:
            raise InputError(f"{self.run.folder.name}: {error}") from error

    def add(self, condition: Condition, correct: Tensor, change: Spectrum) -> None:
        """Write one more condition: the answers first, so that the JSON names none that is not there."""
        right, n = int(correct.sum()), len(correct)
        figures = {"n": n, "accuracy": right / n, "correct": right}
        self.record["conditions"][condition.name] = {
            **condition.record(), "figures": figures, "change": change.figures()
        }  # fmt: skip
        self.correct[condition.name] = correct
        now = made_with(self.device)
        if now not in self.record["environments"]:
            self.record["environments"].append(now)
        save = require("safetensors.torch", "lab").save
        replace_file(path_of(self.run, NAME, n, "safetensors"), save(self.correct))
        write_json(path_of(self.run, NAME, n), self.record)


def _measure(condition: Condition, waiting: Sequence[_Results], chosen: Chosen, seed: int) -> None:
    n = len(chosen.labels)
    batch = max(1, min(BATCH, BATCH_VALUES // chosen.images[0].numel()))
    correct: list[list[Tensor]] = [[] for _ in waiting]
    height, width = chosen.images.shape[2:]
    energies = torch.zeros(height, width, dtype=torch.float64)
    for start in range(0, n, batch):
        clean, labels = chosen.images[start : start + batch], chosen.labels[start : start + batch]
        changed = condition.apply(clean, start, seed)
        energies += energy(changed - as_floats(clean))
        for answers, result in zip(correct, waiting, strict=True):
            answers.append(result.answers(changed, labels))
    change = spectrum(energies, chosen.images.numel())
    for answers, result in zip(correct, waiting, strict=True):
        result.add(condition, torch.cat(answers), change)


def _tensors(run: Run, n: int) -> dict[str, Tensor]:
    path = path_of(run, NAME, n, "safetensors")
    if not path.is_file():
        return {}
    safetensors = require("safetensors", "lab")
    load = require("safetensors.torch", "lab").load
    try:
        return load(path.read_bytes())
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{run.folder.name}: evaluations/{path.name} cannot be read: {error}") from error
