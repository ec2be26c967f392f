"""What frequencies are counted in: cycles per sample, pixel or voxel, or Hz where the sampling rate is known."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from windowconv.errors import InputError

UNITS = {1: "cycles/sample", 2: "cycles/pixel", 3: "cycles/voxel"}


@dataclass(frozen=True)
class FrequencyAxis:
    """The frequencies of kernels with this number of axes.

    Args:
        dims: axes of a kernel, 1 to 3.
        rate: samples per second, so that frequencies are in Hz; only with one axis.

    Raises:
        InputError: another number of axes; a rate with more than one, or that is not positive.

    >>> FrequencyAxis(2).text("1/8"), FrequencyAxis(1, 16_000).text("1/8")
    ('1/8 cycles/pixel', '2,000 Hz')
    """

    dims: int = 2
    rate: float | None = None

    def __post_init__(self) -> None:
        if self.dims not in UNITS:
            raise InputError(f"dims={self.dims}; allowed: 1, 2, 3")
        if self.rate is not None and self.dims != 1:
            raise InputError(f"rate={self.rate:g}; allowed: only for kernels of one axis")
        if self.rate is not None and not 0 < self.rate < math.inf:
            raise InputError(f"rate={self.rate:g}; allowed: a positive number of samples per second")

    @property
    def unit(self) -> str:
        """Hz, or cycles per sample, pixel or voxel."""
        return UNITS[self.dims] if self.rate is None else "Hz"

    @property
    def scale(self) -> float:
        """By which a frequency in cycles per sample is multiplied."""
        return 1.0 if self.rate is None else float(self.rate)

    def text(self, fraction: str) -> str:
        """A frequency with its unit; `fraction` is in cycles per sample, such as "1/8"."""
        return f"{fraction} {self.unit}" if self.rate is None else self.short(fraction)

    def short(self, fraction: str) -> str:
        """The same for a heading: without the unit unless it is Hz."""
        above, below = map(int, fraction.split("/"))
        return fraction if self.rate is None else f"{self.rate * above / below:,.6g} Hz"


def shared_unit(dims: Iterable[int]) -> str:
    """The unit for kernels of these numbers of axes; cycles/sample where they differ."""
    found = {UNITS.get(each, UNITS[1]) for each in dims}
    return found.pop() if len(found) == 1 else UNITS[1]
