"""Test images under conditions: which of them each network still classifies right.

The images of a condition are made once and shown to all networks: making them takes longer than classifying them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.hooks import evaluating
from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.protocol import Colours, Metric, Runs
from windowconv.lab.evaluations.records import made_with, read_tensors, write_record
from windowconv.lab.robustness.conditions.bands import Spectrum, energy, spectrum
from windowconv.lab.robustness.conditions.catalogue import CLEAN, Condition, conditions
from windowconv.lab.robustness.conditions.record import CONDITIONS, Answers
from windowconv.lab.robustness.conditions.schemas import ConditionsRecord
from windowconv.lab.robustness.evaluations.sampled import SampledEvaluation, check_count
from windowconv.lab.robustness.reports.conditions_report import conditions_section
from windowconv.lab.robustness.sample import Sample
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import read_json
from windowconv.report import Section
from windowconv.spectra.batches import Progress
from windowconv.spectra.forward import logits

IMAGES = 500
BATCH = 500
BATCH_VALUES = 2**24  # fewer images a batch where they are large


class Conditions(SampledEvaluation):
    """Accuracy under corruptions, band noise and filters.

    `evaluations/conditions-on-N.json` has the figures by condition, the .safetensors beside it which images were
    classified right. Both are written anew after each condition, so that an interrupted measurement loses one.

    Args:
        count, seed: as in `SampledEvaluation`.
        tested: the conditions besides clean images; None for `conditions` of the images.
    """

    name = CONDITIONS
    metrics = (Metric("corruption-accuracy", "accuracy under corruptions (%)", "corruptions"),)

    def __init__(self, count: int | None = IMAGES, seed: int = 0, tested: Sequence[Condition] | None = None) -> None:
        super().__init__(count, seed)
        self.tested = tested

    def wanted(self, images: Images) -> tuple[Condition, ...]:
        """The conditions, clean images first; an `InputError` where two have one name."""
        channels, height, width = images.shape
        wanted = (CLEAN, *(conditions((height, width), channels) if self.tested is None else self.tested))
        if len({condition.name for condition in wanted}) < len(wanted):
            raise InputError(
                f"tested has a name twice, or {CLEAN.name!r}, which is always measured: {len(wanted) - 1} given"
            )
        return wanted

    def is_current(self, network: Network, images: Images) -> bool:
        if not super().is_current(network, images):
            return False
        partial = _Partial(self, network, images)
        return all(partial.has(condition) for condition in self.wanted(images))

    def run(
        self,
        networks: Sequence[Network],
        images: Images | None,
        execution: Execution | None = None,
        progress: Progress = None,
    ) -> None:
        """As `Evaluation.run`, but condition by condition, with all networks on the device at once.

        Args:
            networks, images, execution: as there.
            progress: called with the number of conditions done and of all.
        """
        device = (execution or Execution()).device
        images = self.checked(networks, images)
        wanted = self.wanted(images)
        partial = [_Partial(self, network, images) for network in networks]
        for done, condition in enumerate(wanted, 1):
            if waiting := [each for each in partial if not each.has(condition)]:
                _measure(condition, waiting, self.sample(images), self.seed, device)
            if progress is not None:
                progress(done, len(wanted))

    def values(self, run: Run) -> dict[str, Any] | None:
        path = self.path(run)
        if not path.is_file():
            return None
        found = read_json(path, ConditionsRecord)["conditions"]
        corrupted = [each["figures"]["accuracy"] for each in found.values() if each["family"] == "corruption"]
        return {"conditions": found, "corruptions": sum(corrupted) / len(corrupted) if corrupted else None}

    def sections(self, runs: Runs, colours: Colours = None, images: Images | None = None) -> list[Section]:
        return [conditions_section(runs, images, colours, self.count_of(runs))]


def measure_conditions(
    runs: Sequence[Run],
    images: Images,
    tested: Sequence[Condition] | None = None,
    *,
    count: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress = None,
) -> list[Answers]:
    """Measure runs under `Conditions`; what their folders have already is kept.

    Args:
        runs: trained runs of one test set.
        images: their test set.
        tested: `conditions` of the images if None; clean images are always measured too.
        count: how many test images, evenly over the classes; all if None.
        seed: of the conditions' random numbers.
        device: where the networks run, all at once.
        progress: called with the number of conditions done and of all.

    Returns:
        What each run folder then has.

    Raises:
        InputError: images that are not the runs' test set; two conditions of one name; a record of other images or
            another seed in a run folder; a network that puts out no numbers.
    """
    check_count(count, images)
    Conditions(count, seed, tested).measure_runs(runs, images, device, progress)
    return [Answers.read(run, len(images) if count is None else count) for run in runs]


class _Partial:
    """The conditions under which a network was measured so far."""

    def __init__(self, evaluation: Conditions, network: Network, images: Images) -> None:
        self.network, self.path = network, evaluation.path(network.run)
        self.correct: dict[str, Tensor] = {}
        self.record: dict[str, Any] = {
            "name": evaluation.name,
            "source": network.run.record["data"]["source"],
            **evaluation.identity(network, images),
            "environments": [],
            "conditions": {},
        }
        if SampledEvaluation.is_current(evaluation, network, images):
            self.record, self.correct = read_json(self.path, ConditionsRecord), read_tensors(self.path)
            del self.record["schema_version"]  # write_json puts it in front

    def has(self, condition: Condition) -> bool:
        """Whether the network was measured under a condition."""
        known = self.record["conditions"].get(condition.name, {})
        same = {key: known.get(key) for key in condition.record()} == condition.record()
        return same and condition.name in self.correct

    def answers(self, images: Tensor, labels: Tensor, device: torch.device | str) -> Tensor:
        """Which of images (n, C, H, W) in [0, 1] are classified as labels (n,) say: bool (n,) on the CPU."""
        model = self.network.on(device)
        try:
            with evaluating(model):
                given = images.to(device).contiguous(memory_format=torch.channels_last)
                return logits(model, given).argmax(1).cpu() == labels
        except InputError as error:
            raise InputError(f"{self.network.run.folder.name}: {error}") from error

    def add(self, condition: Condition, correct: Tensor, change: Spectrum, device: torch.device | str) -> None:
        """Write one more condition: `correct` is bool (n,)."""
        right, n = int(correct.sum()), len(correct)
        values = {"n": n, "accuracy": right / n, "correct": right}
        self.record["conditions"][condition.name] = {
            **condition.record(), "figures": values, "change": change.values()
        }  # fmt: skip
        self.correct[condition.name] = correct
        now = made_with(device, Conditions.packages)
        if now not in self.record["environments"]:
            self.record["environments"].append(now)
        write_record(self.path, self.record, self.correct)


def _measure(
    condition: Condition, waiting: Sequence[_Partial], sample: Sample, seed: int, device: torch.device | str
) -> None:
    """Show the sample under a condition to all networks that wait for it, and write their answers."""
    batch = max(1, min(BATCH, BATCH_VALUES // sample.images[0].numel()))
    correct: list[list[Tensor]] = [[] for _ in waiting]
    energies = torch.zeros(sample.images.shape[2:], dtype=torch.float64)
    for start in range(0, len(sample.labels), batch):
        clean, labels = sample.images[start : start + batch], sample.labels[start : start + batch]
        changed = condition.apply(clean, start, seed)
        energies += energy(changed - clean)
        for answers, each in zip(correct, waiting, strict=True):
            answers.append(each.answers(changed, labels, device))
    change = spectrum(energies, sample.images.numel())
    for answers, each in zip(correct, waiting, strict=True):
        each.add(condition, torch.cat(answers), change, device)
