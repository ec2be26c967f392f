"""Machines that are not here, by declared figures: what a study would take on them is an estimate, no measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """A kind of processor.

    Args:
        name: in tables.
        count: how many; each takes runs of its own.
        peak: multiply-adds a second by precision, as the maker declares them.
        share: of the peak that training of convolutional networks is assumed to reach, by precision.
        step_s: seconds that a step is assumed to take at least, however small the network: starting its kernels.
        price: dollars an hour of one.
        source: of the figures.
    """

    name: str
    count: int
    peak: Mapping[str, float]
    share: Mapping[str, float]
    step_s: float
    price: float
    source: str

    def seconds(self, macs: float, steps: int, precision: str) -> float:
        """That one of them is assumed to take for a run."""
        return max(macs / (self.share[precision] * self.peak[precision]), steps * self.step_s)


H200 = Machine(
    name="one H200",
    count=1,
    # a multiply-add counts as two operations; without sparsity
    peak={"fp32": 33.5e12, "tf32": 247e12, "bf16": 494.5e12, "fp16": 494.5e12},
    # of the paper's network with 7x7 kernels at 128 images a step, with torch 2.11's cuDNN, which is better at tf32
    share={"fp32": 0.36, "tf32": 0.36, "bf16": 0.08, "fp16": 0.07},
    step_s=0.004,
    price=5.41,
    source="NVIDIA's H200 data sheet (67, 494 and 989 TFLOPS, dense); 43.26 $/h for eight, AWS EC2 Capacity Blocks, "
    "US East (Ohio), as of 2024-12; shares of the peak and 4 ms a step as once measured on the paper's 7x7 network",
)

ELSEWHERE = (H200, Machine("eight H200", 8, H200.peak, H200.share, H200.step_s, H200.price, H200.source))
