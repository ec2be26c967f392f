"""Accuracy under the pointwise worst case of a few attacks: what studies of robustness compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

import numpy as np

from windowconv import plots
from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.protocol import Colours, Evaluation, Measurement, Metric, Runs
from windowconv.lab.robustness.attacks.measure import attack_run
from windowconv.lab.robustness.attacks.norms import L2, LINF, Unit
from windowconv.lab.robustness.attacks.suites import Trial
from windowconv.lab.robustness.attacks.target import Target
from windowconv.lab.robustness.attacks.worst_case import worst_case
from windowconv.lab.robustness.sample import draw
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import damaged
from windowconv.lab.schema import at_least
from windowconv.report import Figure, Section


class WorstCaseValues(TypedDict):
    """Accuracies without an attack, at the budget that counts, and at all budgets."""

    accuracy: float
    clean: float
    images: int
    budget: float
    budgets: Annotated[list[float], at_least(1)]
    curve: list[float]
    attacks: list[str]


class WorstCaseAccuracy(Evaluation):
    """The share of test images that withstand every one of some attacks.

    Not for claims about robustness as such: `windowconv attack` has stronger attacks, and checks them.

    Args:
        name: of the evaluation.
        trials: the attacks; of a smaller test set, all images are attacked.
        budget: in `unit`; where the metrics are read; among the attacks' budgets.
        metrics: their keys are "accuracy", or "withstood": of the images that are classified right without an attack.
        unit: of the attacks' budgets.
    """

    types = (WorstCaseValues,)

    def __init__(
        self, name: str, trials: tuple[Trial, ...], budget: float, *metrics: Metric, unit: Unit = LINF
    ) -> None:
        self.name, self.trials, self.budget, self.metrics, self.unit = name, trials, budget, metrics, unit
        attacks = [{"name": t.label, "images": t.images, "budgets": t.grid, **t.all_settings} for t in trials]
        self.settings = {"attacks": attacks, "budget": budget}

    def measure(self, network: Network, images: Images, execution: Execution) -> Measurement:
        target = Target.of(network, execution.device)
        n = min(max(trial.images for trial in self.trials), len(images))
        sample = draw(images, n, execution.workers)
        worst = worst_case([attack_run(network, target, trial.within(n), sample) for trial in self.trials], self.unit)
        assert worst is not None
        shares = worst.robust.double().mean(1).tolist()
        accuracy, clean = shares[worst.budgets.index(self.budget)], worst.clean.double().mean().item()
        return Measurement(
            {
                "accuracy": accuracy,
                "withstood": accuracy / clean if clean else None,
                "clean": clean,
                "images": n,
                "budget": self.budget,
                "budgets": list(worst.budgets),
                "curve": shares,
                "attacks": list(worst.attacks),
            }
        )

    def values(self, run: Run) -> dict[str, Any] | None:
        values = super().values(run)
        if values is not None and len(values["curve"]) != len(values["budgets"]):
            raise damaged(self.path(run), "'figures.curve' has other entries than 'figures.budgets'")
        return values

    def sections(self, runs: Runs, colours: Colours = None, images: Images | None = None) -> list[Section]:
        found = {name: [self.values(run) or {} for run in held] for name, held in runs.items()}
        first = next(iter(found.values()))[0]
        ticks = [self.unit.text(budget).removesuffix("/255") for budget in first["budgets"]]
        curves = {name: np.array([values["curve"] for values in held]) for name, held in found.items()}
        clean = {name: np.array([values["clean"] for values in held]) for name, held in found.items()}
        label = f"budget ({self.unit.symbol}{', in 255ths' if self.unit is LINF else ''})"
        drawn = plots.robust_accuracy(curves, first["budgets"], ticks, label, clean, colours)
        caption = (
            f"Accuracy on {first['images']:,} test images under {' and '.join(first['attacks'])}, the worst case image "
            "by image, against the budget; diamonds are without an attack. The contrasts above are at "
            f"{self.unit.text(first['budget'])}. For more attacks, and for checks of them: windowconv attack."
        )
        alt = "Accuracy against budget by variant"
        return [
            Section(
                f"Accuracy under attack: {' and '.join(first['attacks'])}", [Figure(plots.svg(drawn), caption, alt)]
            )
        ]

    def note(self, values: Mapping[str, Any]) -> str:
        return (
            f"Accuracy under {' and '.join(values['attacks'])} is of {values['images']:,} test images, each changed by "
            f"up to {self.unit.text(values['budget'])} ({self.unit.symbol}) by whichever is worse."
        )


FGSM_AND_PGD = WorstCaseAccuracy(
    "attacks",
    (Trial("fgsm", 500), Trial("pgd", 500, settings={"steps": 20})),
    1 / 255,
    Metric("robust-accuracy", "accuracy under the attacks (%)", "accuracy"),
)


def _strong(name: str, unit: Unit, suffix: str, budget: float, where: str) -> WorstCaseAccuracy:
    """APGD by cross-entropy and APGD-T on 500 images: most of what AutoAttack finds, for a seventh of its time."""
    trials = (
        Trial(f"apgd-ce{suffix}", 500, (budget,)),
        Trial(f"apgd-t{suffix}", 500, (budget,), {"steps": 40}),
    )
    metrics = (
        Metric(f"robust-accuracy-{name}", f"accuracy under APGD at {where} (%)", "accuracy"),
        Metric(f"withstood-{name}", f"of those classified right, withstand APGD at {where} (%)", "withstood"),
    )
    return WorstCaseAccuracy(name, trials, budget, *metrics, unit=unit)


APGD = _strong("apgd", LINF, "", 1 / 255, "L∞ 1/255")
APGD_8 = _strong("apgd-8", LINF, "", 8 / 255, "L∞ 8/255")
"""For networks that were trained adversarially."""
APGD_L2 = _strong("apgd-l2", L2, "-l2", 0.1, "L2 0.1")
