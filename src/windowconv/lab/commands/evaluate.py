"""`windowconv evaluate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from windowconv.lab.commands.options import DataRoot, ExecutionOptions, RunFolder
from windowconv.lab.config import Execution


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Measure a run's accuracy on all test images and write it into the run folder."""

    group: ClassVar = "test"

    run_folder: RunFolder
    data: str | None = None
    """Other images than the run's own test set: a data set's name or a folder."""
    data_root: DataRoot = None
    execution: ExecutionOptions = field(default_factory=Execution)

    def run(self) -> None:
        """Evaluate."""
        from windowconv.lab.runs.folder import Run
        from windowconv.lab.training.evaluate import evaluate_run

        run = Run.open(self.run_folder)
        source, result = evaluate_run(run, self.data, self.data_root, self.execution)
        print(
            f"{run.folder.name} on {source}: accuracy {result.accuracy:.2%} ({int(result.correct.sum())} of "
            f"{result.n}), loss {result.loss:.4f}"
        )
