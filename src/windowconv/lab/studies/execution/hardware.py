"""Other machines, by declared figures: what a study would take there is an estimate, not a measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Machine:
    """One or more accelerators of a kind, each with runs of its own.

    Args:
        name: as tables show it.
        count: number of accelerators.
        peak: multiply-adds a second of one, by precision, as the maker declares them.
        share: share of the peak, 0 to 1, that training a convolutional network is assumed to reach, by precision.
        step_s: seconds that a step is assumed to take at least, however small the network: launching its kernels.
        source: of these figures.
    """

    name: str
    count: int
    peak: Mapping[str, float]
    share: Mapping[str, float]
    step_s: float
    source: str

    def seconds(self, macs: float, steps: int, precision: str) -> float:
        """Seconds that one accelerator is assumed to take for a run.

        Args:
            macs: multiply-adds of the whole run.
            steps: of SGD.
            precision: "fp32", "tf32", "bf16" or "fp16".
        """
        return max(macs / (self.share[precision] * self.peak[precision]), steps * self.step_s)


H200 = Machine(
    name="one H200",
    count=1,
    # a multiply-add counts as two operations; without sparsity
    peak={"fp32": 33.5e12, "tf32": 247e12, "bf16": 494.5e12, "fp16": 494.5e12},
    # of the paper's network with 7x7 kernels at 128 images a step, with torch 2.11's cuDNN, which is better at tf32
    share={"fp32": 0.36, "tf32": 0.36, "bf16": 0.08, "fp16": 0.07},
    step_s=0.004,
    source="NVIDIA's H200 data sheet (67, 494 and 989 TFLOPS, dense); shares of the peak and 4 ms a step as once "
    "measured on the paper's 7x7 network",
)

OTHER_MACHINES = (H200, replace(H200, name="eight H200", count=8))
