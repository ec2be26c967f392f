"""Accuracy under the pointwise worst case of a few attacks: what studies of robustness compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from windowconv import plots
from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.protocol import Colours, Evaluation, Measurement, Metric, Runs
from windowconv.lab.robustness.attacks.measure import attack_run
from windowconv.lab.robustness.attacks.norms import LINF
from windowconv.lab.robustness.attacks.suites import Trial
from windowconv.lab.robustness.attacks.target import Target
from windowconv.lab.robustness.attacks.worst_case import worst_case
from windowconv.lab.robustness.sample import draw
from windowconv.report import Figure, Section


class WorstCaseAccuracy(Evaluation):
    """The share of test images that withstand every one of some attacks in the maximum norm.

    Not for claims about robustness as such: `windowconv attack` has stronger attacks, and checks them.

    Args:
        name: of the evaluation.
        trials: the attacks; of a smaller test set, all images are attacked.
        budget: largest change of a pixel's value in [0, 1] at which the metric is read; among the attacks' budgets.
        metric: its key is "accuracy".
    """

    def __init__(self, name: str, trials: tuple[Trial, ...], budget: float, metric: Metric) -> None:
        self.name, self.trials, self.budget, self.metrics = name, trials, budget, (metric,)
        attacks = [{"name": t.label, "images": t.images, "budgets": t.grid, **t.all_settings} for t in trials]
        self.settings = {"attacks": attacks, "budget": budget}

    def measure(self, network: Network, images: Images, execution: Execution) -> Measurement:
        target = Target.of(network, execution.device)
        n = min(max(trial.images for trial in self.trials), len(images))
        sample = draw(images, n, execution.workers)
        worst = worst_case([attack_run(network, target, trial.within(n), sample) for trial in self.trials], LINF)
        assert worst is not None
        shares = worst.robust.double().mean(1).tolist()
        return Measurement(
            {
                "accuracy": shares[worst.budgets.index(self.budget)],
                "clean": worst.clean.double().mean().item(),
                "images": n,
                "budget": self.budget,
                "budgets": list(worst.budgets),
                "curve": shares,
                "attacks": list(worst.attacks),
            }
        )

    def sections(self, runs: Runs, colours: Colours = None, images: Images | None = None) -> list[Section]:
        found = {name: [self.values(run) or {} for run in held] for name, held in runs.items()}
        first = next(iter(found.values()))[0]
        ticks = [LINF.text(budget).removesuffix("/255") for budget in first["budgets"]]
        curves = {name: np.array([values["curve"] for values in held]) for name, held in found.items()}
        clean = {name: np.array([values["clean"] for values in held]) for name, held in found.items()}
        label = f"budget ({LINF.symbol}, in 255ths)"
        drawn = plots.robust_accuracy(curves, first["budgets"], ticks, label, clean, colours)
        caption = (
            f"Accuracy on {first['images']:,} test images under {' and '.join(first['attacks'])}, the worst case image "
            "by image, against the budget; diamonds are without an attack. The contrasts above are at "
            f"{LINF.text(first['budget'])}. For more attacks, and for checks of them: windowconv attack."
        )
        alt = "Accuracy against budget by variant"
        return [Section("Accuracy under attack", [Figure(plots.svg(drawn), caption, alt)])]

    def note(self, values: Mapping[str, Any]) -> str:
        return (
            f"Accuracy under the attacks is of {values['images']:,} test images, each changed by up to "
            f"{LINF.text(values['budget'])} a value by whichever of {' and '.join(values['attacks'])} is worse."
        )


FGSM_AND_PGD = WorstCaseAccuracy(
    "attacks",
    (Trial("fgsm", 500), Trial("pgd", 500, settings={"steps": 20})),
    1 / 255,
    Metric("robust-accuracy", "accuracy under the attacks (%)", "accuracy"),
)
