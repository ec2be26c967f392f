"""`windowconv study`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import tyro

from windowconv.errors import InputError
from windowconv.lab.commands.options import DataRoot, ExecutionOptions, Figures
from windowconv.lab.config import Execution

if TYPE_CHECKING:
    from windowconv.lab.studies.design.plan import Plan

RUNS = Path("runs")


@dataclass(frozen=True, kw_only=True)
class Study:
    """Run a ready-made study: train its variants over seeds, and test its claim.

    Without a name, the studies are listed. Finished runs are reused, also those of other studies and of `windowconv
    compare`. A run that fails is tried once more and does not stop the others. After an interruption, the same command
    resumes.
    """

    group: ClassVar = "try"

    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")] = None
    """A study, such as fashion-mnist, mechanism or kernel-size."""
    scale: Literal["smoke", "small", "strong-smoke", "strong", "strong-wide", "paper"] = "small"
    """smoke: seconds a run, to see that it works; small: the paper's network, made small for two cores; strong: a
    network and a training that count, narrow or wide; paper: the paper's own settings."""
    seeds: int | None = None
    """Runs of each variant; the study's own number if not given."""
    data: str | None = None
    """Other images: fashion-mnist, cifar10, cifar100 (each with its own recipe), or a folder."""
    variants: tuple[str, ...] = ()
    """Only these variants of the study."""
    settings: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE")] = ()
    """Other settings for all runs, such as epochs=30 precision=bf16 (see windowconv train)."""
    evaluations: tuple[str, ...] = ()
    """What to measure on each run besides the study's own: shift, attacks, conditions, ... or a plug-in's name."""
    dry_run: bool = False
    """Print which runs there are to train and what they will take, here and on other machines; train nothing."""
    processes: int = 1
    """Train this many runs in parallel; they share the cores, and the GPU."""
    seeds_at_once: int = 1
    """Train this many seeds of a variant at once, stacked into one network: faster on GPUs."""
    reuse: tuple[Path, ...] = (RUNS,)
    """Folders to search for finished runs with the same settings, images and numerics."""
    engine: Literal["local", "ray"] = "local"
    """This machine, or a Ray cluster (needs the extra cluster)."""
    address: str = "auto"
    """Address of the Ray cluster: host:port, ray://host:port, or auto."""
    store: str | None = None
    """With Ray: where the machines put run folders, a path or a URL such as s3://bucket/study; --out itself, on a
    file system that all of them see, if not given."""
    tune: bool = False
    """Choose the settings that the study's design tunes, and stop there; without it, the study goes on to its runs."""
    export: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Export each run without weights into this folder as it ends. Runs that are there already count as finished: a
    study goes on from its export alone, also on another machine."""
    keep_weights: bool = True
    """Keep each run's weights; without them, all is measured as a run ends, and they are removed."""
    data_root: DataRoot = None
    out: Path | None = None
    """The study's folder; runs/studies/NAME-DATA-SCALE if not given."""
    figures: Figures = ()

    execution: ExecutionOptions = field(default_factory=Execution)

    def run(self) -> None:
        """Run it, or print what it would take."""
        from windowconv.lab.commands.run_and_report import run_and_report
        from windowconv.lab.studies.design.plan import plan_study
        from windowconv.lab.studies.design.settings import parse_setting
        from windowconv.lab.studies.execution.dry_run import estimate
        from windowconv.lab.studies.execution.engine_choice import make_engine
        from windowconv.lab.studies.execution.options import StudyOptions
        from windowconv.lab.training.distributed import configure

        if self.name is None:
            _print_studies()
            return
        settings = dict(map(parse_setting, self.settings))
        plan = plan_study(self.name, self.scale, self.seeds, self.data, self.variants, settings, self.evaluations)
        _check_reuse(self.reuse)
        images = self.data or plan.data
        if self.dry_run:
            configure(self.execution)
            print(f"{plan.design.name} at scale {plan.scale} on {plan.data}, {plan.seeds} seeds: {plan.design.about}\n")
            print(estimate(plan, images, self.data_root, self.execution, self.processes, self.reuse))
            return
        engine = make_engine(self.engine, self.execution, self.processes, self.address, self.store)
        options = StudyOptions(
            engine,
            images,
            self.data_root,
            self.execution,
            self.seeds_at_once,
            self.reuse,
            self.export,
            self.keep_weights,
            self.tune,
        )
        run_and_report(plan, self.out or _default_folder(plan), options, self.figures)


def _print_studies() -> None:
    """The ready-made studies, one a line."""
    from windowconv.lab.studies.design.catalogue import STUDIES

    width = max(map(len, STUDIES))
    print("\n".join(f"{design.name:{width}}  {design.about}" for design in STUDIES.values()))


def _check_reuse(folders: Sequence[Path]) -> None:
    """An `InputError` for a folder that is not there; the default need not be yet."""
    for path in folders:
        if path != RUNS and not path.is_dir():
            raise InputError(f"reuse={str(path)!r} is no folder; allowed: folders of runs or of studies")


def _default_folder(plan: Plan) -> Path:
    """Where a study goes if nothing else is said."""
    names = [plan.design.name] if plan.design.name.endswith(plan.data) else [plan.design.name, plan.data]
    return RUNS / "studies" / "-".join([*names, plan.scale])
