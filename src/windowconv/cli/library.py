"""`windowconv info` and `windowconv windows`: their options, without torch, which is imported when they run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from windowconv.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Info:
    """Show versions, the native operator, and what `algorithm="auto"` is based on here."""

    group: ClassVar = "look"

    calibrate: bool = False
    """Measure this machine again, which takes a second or two, and store the result."""

    def run(self) -> None:
        """Print the report."""
        from windowconv.cli.info import report

        print(report(calibrate=self.calibrate))


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Compare windows at a kernel size, and see which one to use.

    Shown are figures of merit, dead taps and leakage.
    """

    group: ClassVar = "look"

    size: int = 7
    """Taps on one side of the kernel."""
    dims: int = 2
    """Axes of the kernel: 1 for sound, 2 for images, 3 for volumes."""
    rate: float | None = None
    """Samples per second, for --dims 1: frequencies are then in Hz."""
    names: tuple[str, ...] = ()
    """SciPy's window names, with parameters after a colon: hamming, kaiser:8.6. Default: common windows."""
    out: Path | None = None
    """Also plot taps and spectra to this .svg or .png file, or write a full .html page."""
    harris: bool = False
    """Print the table of Harris (1978) instead: 44 large periodic windows."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Print the report, and write `out`."""
        from windowconv.cli.windows import harris_report, report
        from windowconv.spectra.frequency_axis import FrequencyAxis

        if self.harris:
            if self.names or self.out or self.dims != 2 or self.rate is not None:
                raise InputError("harris=True; allowed: without names, out, dims and rate, since the table is fixed")
            print(harris_report(self.json))
        else:
            print(report(self.size, self.names, self.out, self.json, FrequencyAxis(self.dims, self.rate)))
