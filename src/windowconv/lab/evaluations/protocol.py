"""The protocol of evaluations: a name, settings, run -> record, the metrics in it, and how they are shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypedDict

from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.records import made_with, record_path, write_record
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import damaged, read_json
from windowconv.lab.runs.schemas import EvaluationRecord
from windowconv.lab.schema import check_types
from windowconv.report import Section
from windowconv.spectra.batches import Progress

POINTS = "percentage points"
NOTHING: Mapping[str, Any] = MappingProxyType({})

Runs = Mapping[str, Sequence[Run]]
"""What is compared: by arm or variant, its runs in the order of their seeds."""
Colours = Mapping[str, str] | None
"""Of arms or variants, by name."""


@dataclass(frozen=True)
class Metric:
    """One number of an evaluation, as tables and contrasts have it.

    Args:
        name: in contrasts; no two evaluations have metrics of one name.
        title: with the unit of its values: "test accuracy (%)".
        key: its name among the evaluation's values.
        unit: of differences.
        scale: from the recorded value to the title's unit.
        more_is_better: whether a claim says that it is larger.
    """

    name: str
    title: str
    key: str
    unit: str = POINTS
    scale: float = 100.0
    more_is_better: bool = True


@dataclass(frozen=True)
class Measurement:
    """What an evaluation found on one run.

    Args:
        values: JSON-able, without NaN; the record's "figures".
        by_image: results image by image, (N,) or (N, ...), in the test set's order; kept beside the record.
    """

    values: dict[str, Any]
    by_image: dict[str, Tensor] = field(default_factory=dict)


class Evaluation:
    """Something that is measured on finished runs, once, and kept in `evaluations/NAME.json` of each run's folder.

    A subclass names itself and implements `measure`. One that saves in steps, or shows the same changed images to all
    networks, overrides `run` instead.

    Attributes:
        name: in designs, on the command line and of the file.
        metrics: the numbers that it gives.
        settings: what its values depend on, JSON-able; a record with other settings is out of date.
        packages: whose versions the record names.
        types: what the values must hold besides numbers for all metrics, see `check_types`; they are checked when a
            record is read.
        needs_images: False where the weights suffice; `measure` may then be given None in place of the images.
    """

    name: str
    metrics: tuple[Metric, ...] = ()
    settings: Mapping[str, Any] = NOTHING
    packages: tuple[str, ...] = ()
    types: tuple[Any, ...] = ()
    needs_images: bool = True

    def measure(self, network: Network, images: Images, execution: Execution) -> Measurement:
        """Measure one run.

        Args:
            network: the run and its network, which other evaluations use too.
            images: the run's test set, checked to be that.
            execution: the device, and the processes that read images.
        """
        raise NotImplementedError(f"{type(self).__name__} implements neither measure nor run")

    def run(
        self,
        networks: Sequence[Network],
        images: Images | None,
        execution: Execution | None = None,
        progress: Progress = None,
    ) -> None:
        """Measure runs and write their records; those that are there and not out of date stay.

        Args:
            networks: of one test set.
            images: that test set; None if there is none at hand, and none is needed.
            execution: the device, and the processes that read images.
            progress: called with the number of runs done and of all.

        Raises:
            InputError: images that are not the runs' test set; what `measure` raises.
        """
        execution = execution or Execution()
        given: Any = images if images is None and not self.needs_images else self.checked(networks, images)
        for done, network in enumerate(networks, 1):
            if not self.is_current(network, given):
                try:
                    found = self.measure(network, given, execution)
                except InputError as error:
                    raise InputError(f"{network.run.folder.name}: {error}") from error
                record = {
                    "name": self.name,
                    "source": network.run.record["data"]["source"],
                    **self.identity(network, given),
                    "environment": made_with(execution.device, self.packages),
                    "figures": found.values,
                }
                write_record(self.path(network.run), record, found.by_image)
            if progress is not None:
                progress(done, len(networks))

    def checked(self, networks: Sequence[Network], images: Images | None) -> Images:
        """The images, if they are the test set of all runs; else an `InputError`."""
        if images is None:
            raise InputError(f"images=None; allowed: the test set of the runs, which {self.name!r} is measured on")
        for network in networks:
            network.check_images(images)
        return images

    # records

    def path(self, run: Run) -> Path:
        """Where a run's record is."""
        return record_path(run, self.name)

    def identity(self, network: Network, images: Images) -> dict[str, Any]:
        """What a record says that it is of; where any of it differs, the record is out of date."""
        return {
            "content_hash": network.run.record["data"]["test_hash"],
            "weights": network.weights_hash,
            "settings": json.loads(json.dumps(dict(self.settings))),  # tuples become lists, as in the record
        }

    def is_current(self, network: Network, images: Images) -> bool:
        """Whether the run has a record of these images, weights and settings.

        What the record or the run folder leaves open counts as the same: records of earlier versions name neither
        weights nor settings, and exports have no weights.
        """
        path = self.path(network.run)
        if not path.is_file():
            return False
        record = read_json(path, EvaluationRecord)
        wanted = self.identity(network, images)
        return all(value is None or record.get(key, value) == value for key, value in wanted.items())

    def values(self, run: Run) -> dict[str, Any] | None:
        """What was measured on a run, as `Measurement.values`; None if nothing was.

        Raises:
            InputError: a damaged record.
        """
        path = self.path(run)
        if not path.is_file():
            return None
        values: dict[str, Any] = read_json(path, EvaluationRecord)["figures"]
        numbers = {metric.key: float | None for metric in self.metrics}
        try:
            for schema in (TypedDict("Numbers", numbers, total=False), *self.types):  # pyright: ignore[reportArgumentType]
                check_types(values, schema)
        except InputError as error:
            raise damaged(path, f"figures: {error}") from error
        return values

    # how it is shown

    def sections(self, runs: Runs, colours: Colours = None, images: Images | None = None) -> list[Section]:
        """Sections of a page that compare runs; the default is none: metrics are in the page's tables anyway.

        Args:
            runs: measured, by arm or variant; the first is the baseline.
            colours: of arms or variants.
            images: the test set, to show some of it; None where it is not at hand.
        """
        return []

    def note(self, values: Mapping[str, Any]) -> str:
        """What its metrics mean, in a sentence below tables; of the values of any of the runs."""
        return ""
