"""An interactive block: a kernel, a window, and the window's effect on the kernel's spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from windowconv.errors import InputError, unknown


@dataclass(frozen=True)
class Explorer:
    """Choices of window, kernel size and base kernel, and their consequences, computed in the page by its script.

    Shown are the kernel and its frequency response with and without the window, the leakage curve L(r) with
    r = 1/8 and 1/4 read off (as `windowconv.spectra.leakage_curve` has it), and the window's own spectrum. The
    fields are what the reader finds at first. Nothing is fetched. It needs JavaScript.

    Not for a trained filter: base kernels are formulas. `plots.kernels` shows given weights.

    Args:
        caption: what it is for, below it.
        window: one of `WINDOWS`.
        beta: of the Kaiser window, in [0, 14].
        width: of the Gaussian window, its standard deviation over half the kernel's span, in [0.2, 1].
        size: taps of the kernel's side, odd, 3 to 31.
        base: one of `BASES`.
        frequency: of the grating, in [0, 1/2] cycles/pixel.
        orientation: of grating and derivative, in [0, 180] degrees, counted from the horizontal.
        spread: standard deviation of the Gaussian derivative, in [0.5, 8] pixels.

    Raises:
        InputError: a value outside of these.
    """

    caption: str
    window: str = "hamming"
    beta: float = 5.0
    width: float = 0.5
    size: int = 7
    base: str = "grating"
    frequency: float = 0.25
    orientation: float = 0.0
    spread: float = 1.5

    WINDOWS: ClassVar[dict[str, str]] = {
        "boxcar": "none (boxcar)",
        "cosine": "cosine",
        "hamming": "Hamming",
        "hann": "Hann",
        "blackman": "Blackman",
        "kaiser": "Kaiser",
        "gaussian": "Gaussian",
    }
    BASES: ClassVar[dict[str, str]] = {
        "flat": "flat",
        "grating": "grating",
        "derivative": "Gaussian derivative",
    }
    RANGES: ClassVar[dict[str, tuple[float, float]]] = {
        "beta": (0, 14),
        "width": (0.2, 1),
        "size": (3, 31),
        "frequency": (0, 0.5),
        "orientation": (0, 180),
        "spread": (0.5, 8),
    }

    def __post_init__(self) -> None:
        for what, given, allowed in (("window", self.window, self.WINDOWS), ("base", self.base, self.BASES)):
            if given not in allowed:
                raise unknown(what, given, allowed)
        for name, (low, high) in self.RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{name}={getattr(self, name)!r}; allowed: {low:g} to {high:g}")
        if self.size % 2 == 0:
            raise InputError(f"size={self.size}; allowed: an odd size")
