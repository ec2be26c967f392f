"""`windowconv study`: its options, free of torch; the work is imported when it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from windowconv.lab.commands.options import Where


@dataclass(frozen=True, kw_only=True)
class Study(Where):
    """Carry out a ready-made study: train its variants over seeds, and give the verdict on its claim.

    Without a name the studies are listed. Finished runs are reused, those of other studies and of `windowconv compare`
    too; a run that fails is tried once more and does not stop the rest; the same command goes on after an interruption.
    """

    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")] = None
    """A study, such as fashion-mnist, mechanism or kernel-size."""
    scale: Literal["smoke", "small", "paper"] = "small"
    """smoke: seconds a run, to see that it works; small: evidence on two cores; paper: the paper's own settings."""
    seeds: int | None = None
    """Runs of each variant; the study's own number if not given."""
    data: str | None = None
    """Other images: fashion-mnist, cifar10, cifar100 (each with its own recipe), or a folder."""
    variants: tuple[str, ...] = ()
    """Only these of the study's variants."""
    settings: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE")] = ()
    """Other settings for all runs, such as epochs=30 precision=bf16 (see windowconv train); they are recorded."""
    dry_run: bool = False
    """Only say which runs there are to train, and what they will take, here and on other machines."""
    price: float | None = None
    """Dollars that an hour of this machine costs, for --dry-run."""
    processes: int = 1
    """Train so many runs side by side, each with its share of the cores; on a GPU they share that too."""
    seeds_at_once: int = 1
    """Train so many seeds of a variant at once, stacked into one network: faster on GPUs."""
    reuse: tuple[Path, ...] = (Path("runs"),)
    """Folders below which finished runs of the same settings, images and numerics are looked for."""
    engine: Literal["local", "ray"] = "local"
    """This machine, or a Ray cluster (needs the extra cluster)."""
    address: str = "auto"
    """Of the Ray cluster: host:port, ray://host:port, or auto."""
    store: str | None = None
    """With Ray: where the machines put run folders, a path or a URL such as s3://bucket/study; --out itself, on a
    file system that all of them see, if not given."""
    out: Path | None = None
    """The study's folder; runs/studies/NAME-DATA-SCALE if not given."""

    def run(self) -> None:
        """Carry it out, or say what it would take."""
        from windowconv.lab.commands.study_action import study

        study(self)
