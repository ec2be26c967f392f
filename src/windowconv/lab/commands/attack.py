"""`windowconv attack`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from windowconv.lab.commands.options import DataRoot, ExecutionOptions
from windowconv.lab.config import Execution

Runs = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(name="RUN", metavar="RUN...")]


@dataclass(frozen=True, kw_only=True)
class Attack:
    """Attack the networks of runs, on the same images, and report what each arm withstands.

    Runs of several arms and seeds are compared with the arm 3x3 (or the first one), paired by seed. Results are kept in
    the run folders: the same command resumes after an interruption, and finished attacks are not run again.
    """

    group: ClassVar = "test"

    runs: Runs
    """Run folders, or study folders for all of their runs."""
    suite: Literal["quick", "paper", "standard", "all"] = "quick"
    """quick: FGSM and PGD on 100 images, in minutes. paper: the kinds of attack that the paper names, on 500 images.
    standard: AutoAttack's attacks, corruptions, filtered images and shifts. all: everything, transfer attacks too."""
    attacks: tuple[str, ...] = ()
    """Only these attacks: fgsm, bim, pgd, pgd-l2, deepfool, cw, spatial, one-pixel, universal, apgd-ce, apgd-t, fab-t,
    square, noise."""
    images: int | None = None
    """Attack this many test images, evenly over the classes, instead of the suite's own numbers."""
    budgets: tuple[float, ...] = ()
    """Budgets for the one attack that --attacks names: L∞ and L2 for images in [0, 1], degrees, or pixels."""
    seed: int = 0
    """Seed of the attacks."""
    data: str | None = None
    """Where the test images are, for runs that were trained on a folder of images."""
    data_root: DataRoot = None
    out: Path | None = None
    """Where robustness.html and its tables go; the study's folder, or runs/robustness, if not given."""
    execution: ExecutionOptions = field(default_factory=Execution)

    def run(self) -> None:
        """Attack and write the report."""
        from windowconv.lab.commands.printing import print_robustness
        from windowconv.lab.robustness.attack_run import attack

        print_robustness(
            *attack(
                self.runs,
                self.suite,
                self.attacks,
                self.images,
                self.budgets,
                self.seed,
                data=self.data,
                root=self.data_root,
                out=self.out,
                execution=self.execution,
            )
        )
