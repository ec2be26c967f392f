"""How a study is run; nothing of it changes a result but by rounding."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from windowconv.errors import InputError
from windowconv.lab.config import Execution
from windowconv.lab.studies.design.plan import Plan
from windowconv.lab.studies.execution.engines import Engine


@dataclass(frozen=True)
class StudyOptions:
    """How a study is run; nothing of it changes a result but by rounding.

    Args:
        engine: runs jobs.
        images: what `load` takes.
        root: the folder that it looks in; None for its own choice.
        execution: device, threads, checkpoints.
        seeds_at_once: how many seeds of a variant are trained as one stacked network.
        reuse: folders whose finished runs are reused.
        export: a folder into which each run is exported as it ends, and whose runs count as finished; None for none.
        keep_weights: whether weights stay once a run is measured.
        only_tune: whether to stop once settings are chosen.

    Raises:
        InputError: less than one seed at once.
    """

    engine: Engine
    images: str
    root: Path | None = None
    execution: Execution = field(default_factory=Execution)
    seeds_at_once: int = 1
    reuse: tuple[Path, ...] = ()
    export: Path | None = None
    keep_weights: bool = True
    only_tune: bool = False

    def __post_init__(self) -> None:
        if self.seeds_at_once < 1:
            raise InputError(f"seeds-at-once={self.seeds_at_once}; allowed: 1 or more")

    def check(self, plan: Plan, folder: Path) -> None:
        """An `InputError` for options that do not suit a study or its folder."""
        if self.only_tune and plan.design.tuning is None:
            name = plan.design.name
            raise InputError(
                f"tune=True; allowed: a study that tunes settings, such as window-cifar10; {name} tunes none"
            )
        if self.export is not None and self.export.resolve() == folder.resolve():
            raise InputError(f"export={str(self.export)!r}; allowed: another folder than the study's own, --out")
