"""The lobes of a window's spectrum: where the main lobe ends and how high the side lobes are.

The spectrum of N values w is their discrete-time Fourier transform at nu DFT bins, nu / N cycles/sample:

    W(nu) = sum of w[n] exp(-2 pi i nu n / N) over n,   with |W| even in nu and of period N

A zero-padded transform brackets its extrema and crossings, and Brent's method on W itself finds them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

PER_BIN = 32  # points of the zero-padded transform a bin: side lobes are about a bin wide
FEWEST = 4096  # and points in all, at least
ROUNDING = 1e-12  # of the peak: what is smaller may be rounding
REFINED = 8  # the highest side lobes on the grid, among which the highest is sought


class Spectrum:
    """The spectrum of `values`, on a grid of frequencies and wherever it is asked for."""

    def __init__(self, values: Array) -> None:
        self.values = values
        self.size = len(values)
        points = 2 ** math.ceil(math.log2(max(FEWEST, PER_BIN * self.size)))
        self.step = self.size / points
        self.grid: Array = np.abs(np.fft.rfft(values, points))  # at nu = 0, step, ..., size / 2

    def amplitude(self, nu: float) -> float:
        """|W(nu)|."""
        return abs(self._transform(nu)[0])

    def slope(self, nu: float) -> float:
        """Half the derivative of |W|^2: the sign of that of |W|, and smooth where W is zero."""
        value, derivative = self._transform(nu)
        return (value.conjugate() * derivative).real

    def stationary(self, index: int) -> float:
        """The frequency of the extremum that the grid has at `index`."""
        if index in (0, len(self.grid) - 1):  # |W| is even about both
            return index * self.step
        return root(self.slope, (index - 1) * self.step, (index + 1) * self.step)

    def _transform(self, nu: float) -> tuple[complex, complex]:
        """W and its derivative, the samples counted from the middle, where rounding is least."""
        n = np.arange(self.size) - (self.size - 1) / 2
        rate = -2j * math.pi / self.size
        terms = self.values * np.exp(rate * nu * n)
        return complex(terms.sum()), complex(rate * (terms @ n))


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where `function` changes its sign between two frequencies, by Brent's method."""
    from scipy.optimize import root_scalar  # slow to import

    if function(low) * function(high) > 0:  # both are rounding
        return (low + high) / 2
    return float(root_scalar(function, bracket=(low, high), method="brentq", xtol=1e-12).root)


@dataclass(frozen=True)
class MainLobe:
    """The lobe around frequency 0; frequencies in bins, None where the spectrum never falls that far.

    Attributes:
        peak: its largest |W|, for flat-top windows not at frequency 0.
        half_power: where |W|^2 has fallen to one half of the peak's.
        half_amplitude: where |W| has.
        edge: the first minimum of |W| beyond `half_power`.
    """

    peak: float
    half_power: float | None = None
    half_amplitude: float | None = None
    edge: float | None = None


def main_lobe(spectrum: Spectrum) -> MainLobe:
    """The main lobe of a spectrum that is not zero at frequency 0."""
    grid = spectrum.grid
    end = _first_below(grid, 0, grid[0] / math.sqrt(2)) or len(grid) - 1
    top = int(grid[: end + 1].argmax())
    peak = spectrum.amplitude(spectrum.stationary(top))
    widths = []
    for level in (peak / math.sqrt(2), peak / 2):
        index = _first_below(grid, top, level)
        if index is None:
            return MainLobe(peak, *widths)
        low, high = (index - 1) * spectrum.step, index * spectrum.step
        widths.append(root(lambda nu, level=level: spectrum.amplitude(nu) - level, low, high))
    return MainLobe(peak, *widths, edge=_edge(spectrum, round(widths[0] / spectrum.step), peak))


def side_lobes(spectrum: Spectrum, edge: float) -> npt.NDArray[np.intp]:
    """Places on the grid of the maxima of |W| beyond `edge`, that at half the sampling rate included."""
    grid = spectrum.grid
    outside = grid[math.ceil(edge / spectrum.step) :]
    rising = np.append(outside[1:] > outside[:-1], False)
    return np.flatnonzero(rising[:-1] & ~rising[1:]) + 1 + len(grid) - len(outside)


def highest(spectrum: Spectrum, places: npt.NDArray[np.intp]) -> float:
    """The largest |W| of the side lobes at `places`."""
    candidates = places[np.argsort(-spectrum.grid[places], kind="stable")[:REFINED]]
    return max(spectrum.amplitude(spectrum.stationary(int(index))) for index in candidates)


def energy_beyond(spectrum: Spectrum, edge: float) -> float:
    """The integral of |W|^2 from `edge`, where |W| is stationary, to half the sampling rate.

    The trapezoidal rule on the grid with its first correction at the lower end (at the upper one the slope is
    0), and Simpson's rule from `edge` to the grid. Not the closed form: what that subtracts from the whole
    energy hides side lobes below -150 dB.
    """
    first = math.ceil(edge / spectrum.step)
    power = np.square(spectrum.grid[first:])
    start = first * spectrum.step
    whole = spectrum.step * (power.sum() - (power[0] + power[-1]) / 2)
    correction = spectrum.step**2 / 6 * spectrum.slope(start) if len(power) > 1 else -whole
    middle = spectrum.amplitude((edge + start) / 2) ** 2
    sliver = (start - edge) / 6 * (spectrum.amplitude(edge) ** 2 + 4 * middle + power[0])
    return float(whole + correction + sliver)


def _first_below(grid: Array, start: int, level: float) -> int | None:
    """The first place from `start` on where the grid is at or below `level`."""
    below = grid[start:] <= level
    return start + int(below.argmax()) if below.any() else None


def _edge(spectrum: Spectrum, start: int, peak: float) -> float | None:
    """The first minimum from `start` on, unless only rounding makes it one.

    At half the sampling rate, where every spectrum has an extremum, only a zero counts, and none of a spectrum
    that is lost in rounding long before.
    """
    grid = spectrum.grid[start:]
    minima = 1 + np.flatnonzero((grid[1:-1] <= grid[:-2]) & (grid[1:-1] < grid[2:]))
    rises = np.maximum.accumulate(grid[::-1])[::-1] - grid
    minima = minima[rises[minima] > ROUNDING * peak]
    if len(minima):
        return spectrum.stationary(start + int(minima[0]))
    vanishes = _first_below(spectrum.grid, 0, ROUNDING * peak)
    return spectrum.size / 2 if vanishes is not None and vanishes > len(spectrum.grid) // 2 else None
