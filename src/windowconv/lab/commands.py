"""The laboratory's subcommands: their options, free of torch; the work is imported when they run."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import tyro

from windowconv.lab.config import RunConfig, Training

DataRoot = Annotated[Path | None, tyro.conf.arg(metavar="DIR")]


@dataclass(frozen=True, kw_only=True)
class Where:
    """Options that say where, not what."""

    data_root: DataRoot = None
    """Where the images are; else $WINDOWCONV_DATA, else ./data."""
    device: str = "cpu"
    """A torch device: cpu, cuda, cuda:1, mps."""
    threads: int | None = None
    """CPU threads; torch's own choice if not given."""


@dataclass(frozen=True, kw_only=True)
class Compare(Training, Where):
    """Train a small network in several arms on the same batches, over seeds, and write one HTML report.

    An arm is a kernel size and a window: 3x3, 7x7, 7x7-hamming, 9x9-kaiser:8.6, 7x7-hamming-energy,
    7x7-learnable-cosine. The first arm is the baseline. Finished runs in --out are reused.
    """

    data: str = "fashion-mnist"
    """fashion-mnist, cifar10, cifar100, gratings, or a folder of images or parquet files."""
    arms: tuple[str, ...] = ("3x3", "7x7", "7x7-hamming")
    """What to compare."""
    seeds: int = 2
    """Runs an arm: seeds 0, 1, ..."""
    out: Path = Path("runs/compare")
    """The study's folder: one run folder a run, and report.html."""

    def __post_init__(self) -> None:
        """Checked by `part` when it runs: from here, the command line's parser would put a frame around the error."""

    def run(self) -> None:
        """Train and write the report."""
        from windowconv.lab.actions import compare

        compare(self)


@dataclass(frozen=True, kw_only=True)
class Train(RunConfig, Where):
    """Train one run of the small network into a run folder."""

    out: Path | None = None
    """The run folder; runs/ARM-seedN if not given."""

    def __post_init__(self) -> None:
        """Checked by `part` when it runs, as in `Compare`."""

    def run(self) -> None:
        """Train."""
        from windowconv.lab.actions import train_one

        train_one(self)


@dataclass(frozen=True, kw_only=True)
class Evaluate(Where):
    """Measure a run's accuracy exactly, each image counted once, and add it to the run folder."""

    run_folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(name="RUN", metavar="RUN")]
    """A run folder."""
    data: str | None = None
    """Other images than the run's own test set: a data set's name or a folder."""

    def run(self) -> None:
        """Evaluate."""
        from windowconv.lab.actions import evaluate_run

        evaluate_run(self)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Make a study's report.html again from its run folders."""

    study_folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(name="STUDY", metavar="STUDY")]
    """A study's folder, such as `compare` writes."""

    def run(self) -> None:
        """Write the report."""
        from windowconv.lab.actions import report

        report(self)


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Classify images with a run's network and print the likeliest classes."""

    run_folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(name="RUN", metavar="RUN")]
    """A run folder."""
    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE...")]
    """Image files; each is resized to the run's image size and made grey or RGB as the run's images are."""
    top: int = 3
    """Classes to print for each image."""

    def run(self) -> None:
        """Predict."""
        from windowconv.lab.actions import predict

        predict(self)


def part(command: Any, kind: type[Any]) -> Any:
    """The fields of `command` that make a `kind`, such as its `Training`."""
    return kind(**{field.name: getattr(command, field.name) for field in fields(kind)})
