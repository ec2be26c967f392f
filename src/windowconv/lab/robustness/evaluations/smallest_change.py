"""The smallest change that deceives a network: its median over images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.protocol import Evaluation, Measurement, Metric
from windowconv.lab.robustness.attacks.measure import attack_run
from windowconv.lab.robustness.attacks.suites import Trial
from windowconv.lab.robustness.attacks.target import Target
from windowconv.lab.robustness.sample import draw


class SmallestChange(Evaluation):
    """The median size of the changes that an attack for smallest changes finds, over images classified right.

    It has no budget, so that networks are compared wherever they are on the curve. An image that withstood counts as
    one with the largest change; where half of them did, there is no median.

    Args:
        name: of the evaluation.
        trial: an attack for smallest changes; of a smaller test set, all images are attacked.
        metric: its key is "median".
    """

    def __init__(self, name: str, trial: Trial, metric: Metric) -> None:
        self.name, self.trial, self.metrics = name, trial, (metric,)
        self.settings = {"attack": trial.label, "images": trial.images, **trial.all_settings}

    def measure(self, network: Network, images: Images, execution: Execution) -> Measurement:
        target = Target.of(network, execution.device)
        trial = self.trial.within(len(images))
        found = attack_run(network, target, trial, draw(images, trial.images, execution.workers)).values()
        return Measurement(
            {
                "median": found["median_distance"],
                "found": found["found"],
                "clean": found["clean_accuracy"],
                "images": found["n"],
            }
        )

    def note(self, values: Mapping[str, Any]) -> str:
        return (
            f"The smallest change is the median of what {self.trial.label} needs to deceive the network, in "
            f"{self.trial.entry.unit.symbol}, over those of {values['images']:,} test images that are classified right."
        )


DEEPFOOL = SmallestChange(
    "deepfool",
    Trial("deepfool", 500, settings={"steps": 20}),
    Metric("smallest-change", "smallest change that deceives (L2)", "median", unit="in L2", scale=1.0),
)
