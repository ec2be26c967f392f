"""`windowconv compare`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

from windowconv.lab.commands.options import (
    DataRoot,
    ExecutionOptions,
    Figures,
    RecipeName,
    TrainingData,
    TrainingOptions,
    chosen_recipe,
)
from windowconv.lab.config import Execution, Training
from windowconv.lab.recipes import ARMS


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Train a network in several arms, over seeds, on the same batches, and report.

    An arm is a kernel size and a window: 3x3, 7x7, 7x7-hamming, 9x9-kaiser:8.6, 7x7-hamming-energy, 7x7-hamming-sqrt,
    7x7-learnable-cosine; controls are 7x7-shuffled, 7x7-hamming-init, 7x7-hamming-rates; -params or -flops at the end
    matches the first one's size. The first arm is the baseline. Finished runs in --out are reused, and interrupted
    runs resume.
    """

    group: ClassVar = "try"

    recipe: RecipeName = None
    arms: tuple[str, ...] = ARMS
    """The arms to compare."""
    seeds: int = 2
    """Runs of each arm, with seeds 0, 1 and so on."""
    seeds_at_once: int = 1
    """Train this many seeds of an arm at once, stacked into one network: faster on GPUs."""
    lr_search: tuple[float, ...] = ()
    """Search the learning rate of each arm among these first, on the validation images (needs --val-fraction)."""
    data: TrainingData = "fashion-mnist"
    data_root: DataRoot = None
    out: Path = Path("runs/compare")
    """The study's folder: a folder for each run, report.html, and its tables as tables.md, .tex and .json."""
    dry_run: bool = False
    """Print which runs there are to train and what they will take, here and on other machines; train nothing."""
    figures: Figures = ()
    training: TrainingOptions = field(default_factory=Training)
    execution: ExecutionOptions = field(default_factory=Execution)

    @classmethod
    def defaults(cls, arguments: Sequence[str]) -> Self | None:
        """What the options start from: the settings of `--recipe`, if it is given."""
        recipe = chosen_recipe(arguments)
        return recipe and cls(
            recipe=recipe.name,
            arms=recipe.arms,
            seeds=recipe.seeds,
            data=recipe.data,
            out=Path("runs") / recipe.name,
            training=recipe.training,
        )

    def run(self) -> None:
        """Train and write the report."""
        from windowconv.lab.commands.run_and_report import run_and_report
        from windowconv.lab.data.sources import data_name
        from windowconv.lab.studies.design.comparison import plan_comparison
        from windowconv.lab.studies.execution.dry_run import estimate
        from windowconv.lab.studies.execution.engines import ThisProcess
        from windowconv.lab.studies.execution.options import StudyOptions
        from windowconv.lab.training.distributed import configure

        plan = plan_comparison(self.arms, data_name(self.data), self.training, self.seeds, self.lr_search)
        if self.dry_run:
            configure(self.execution)
            print(estimate(plan, self.data, self.data_root, self.execution, 1, (self.out,)))
            return
        options = StudyOptions(ThisProcess(), self.data, self.data_root, self.execution, self.seeds_at_once)
        run_and_report(plan, self.out, options, self.figures)
