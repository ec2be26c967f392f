"""`windowconv train`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

from windowconv.lab.commands.options import (
    DataRoot,
    ExecutionOptions,
    RecipeName,
    TrainingData,
    TrainingOptions,
    chosen_recipe,
)
from windowconv.lab.config import Execution, Training


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train one run into a run folder; an interrupted run resumes from its last checkpoint."""

    group: ClassVar = "train"

    recipe: RecipeName = None
    arm: str = "3x3"
    """Kernel size and window, such as 3x3, 7x7, 7x7-hamming."""
    seed: int = 0
    """Seed of the initial weights, the order of the images and the augmentation."""
    data: TrainingData = "fashion-mnist"
    data_root: DataRoot = None
    out: Path | None = None
    """The run folder; runs/ARM-seedN if not given."""
    training: TrainingOptions = field(default_factory=Training)
    execution: ExecutionOptions = field(default_factory=Execution)

    @classmethod
    def defaults(cls, arguments: Sequence[str]) -> Self | None:
        """What the options start from: the settings of `--recipe`, if it is given."""
        recipe = chosen_recipe(arguments)
        return recipe and cls(recipe=recipe.name, data=recipe.data, training=recipe.training)

    def run(self) -> None:
        """Train."""
        from windowconv.lab.commands.printing import print_run
        from windowconv.lab.training.single_run import train_run

        print_run(
            train_run(
                self.training, self.data, self.arm, self.seed, self.out, root=self.data_root, execution=self.execution
            )
        )
