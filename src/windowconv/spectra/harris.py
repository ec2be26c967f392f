"""The windows of Harris's table, by his definitions.

F. J. Harris, On the use of windows for harmonic analysis with the discrete Fourier transform, Proceedings of
the IEEE 66(1), 51-83, 1978. His parameters are not SciPy's: a Gaussian's alpha is the half length over its
standard deviation, a Kaiser window's is beta / pi, a Dolph-Chebyshev window's side lobes lie at -20 alpha dB,
and all of his windows are periodic ("DFT-even"): x = n / (N / 2) runs from -1 up to, but without, 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Shape = Callable[[Array], Array]  # of x in [-1, 1)

SIZE = 4096  # large enough for the figures to be those of the continuous windows, to Harris's digits

COSINE_SUMS = {
    "Exact Blackman": (7938 / 18608, 9240 / 18608, 1430 / 18608),
    "Blackman": (0.42, 0.5, 0.08),
    "Minimum 3-sample Blackman-Harris": (0.42323, 0.49755, 0.07922),
    "Minimum 4-sample Blackman-Harris": (0.35875, 0.48829, 0.14128, 0.01168),
    "61 dB 3-sample Blackman-Harris": (0.44959, 0.49364, 0.05677),
    # often given as 0.09392 and 0.00183, with which the sum is not 1 and the side lobes lie at -57 dB
    "74 dB 4-sample Blackman-Harris": (0.40217, 0.49703, 0.09892, 0.00188),
    "4-sample Kaiser-Bessel 3.00": (0.40243, 0.49804, 0.09831, 0.00122),
}


def harris_windows() -> dict[str, Callable[[int], Array]]:
    """Label -> function of N, in the order of the table; `window_table` takes them as they are.

    Not for kernels: periodic windows are not symmetric. `get_window` has symmetric ones.

    >>> harris_windows()["Riesz"](4)
    array([0.  , 0.75, 1.  , 0.75])
    """
    pi = math.pi
    shapes: dict[str, Shape] = {
        "Rectangle": np.ones_like,
        "Triangle": lambda x: 1 - np.abs(x),
        "cos^1": lambda x: np.cos(pi * x / 2),
        "cos^2 (Hanning)": lambda x: np.cos(pi * x / 2) ** 2,
        "cos^3": lambda x: np.cos(pi * x / 2) ** 3,
        "cos^4": lambda x: np.cos(pi * x / 2) ** 4,
        "Hamming": cosine_sum(0.54, 0.46),
        "Riesz": lambda x: 1 - x**2,
        "Riemann": np.sinc,
        "de la Valle-Poussin": de_la_valle_poussin,
        **_family(
            "Tukey", lambda a, x: 0.5 * (1 + np.cos(pi * np.maximum(np.abs(x) - (1 - a), 0) / a)), 0.25, 0.5, 0.75
        ),
        "Bohman": lambda x: (1 - np.abs(x)) * np.cos(pi * x) + np.sin(pi * np.abs(x)) / pi,
        **_family("Poisson", lambda a, x: np.exp(-a * np.abs(x)), 2, 3, 4),
        **_family("Hanning-Poisson", lambda a, x: np.cos(pi * x / 2) ** 2 * np.exp(-a * np.abs(x)), 0.5, 1, 2),
        **_family("Cauchy", lambda a, x: 1 / (1 + (a * x) ** 2), 3, 4, 5),
        **_family("Gaussian", lambda a, x: np.exp(-0.5 * (a * x) ** 2), 2.5, 3, 3.5),
    }
    windows = {label: _sampled(shape) for label, shape in shapes.items()}
    windows |= {f"Dolph-Chebyshev {a:.2f}": _from_bins(dolph_chebyshev, a) for a in (2.5, 3, 3.5, 4)}
    windows |= {f"Kaiser-Bessel {a:.2f}": _sampled(kaiser(a)) for a in (2, 2.5, 3, 3.5)}
    windows |= {f"Barcilon-Temes {a:.2f}": _from_bins(barcilon_temes, a) for a in (3, 3.5, 4)}
    return windows | {label: _sampled(cosine_sum(*a)) for label, a in COSINE_SUMS.items()}


def cosine_sum(*a: float) -> Shape:
    """a[0] + a[1] cos(pi x) + a[2] cos(2 pi x) + ...: Harris's terms, centred, so without alternating signs."""
    return lambda x: sum((c * np.cos(k * math.pi * x) for k, c in enumerate(a)), np.zeros_like(x))


def de_la_valle_poussin(x: Array) -> Array:
    """The cubic spline that others call Parzen's window."""
    r = np.abs(x)
    return np.where(r <= 0.5, 1 - 6 * r**2 * (1 - r), 2 * (1 - r) ** 3)


def kaiser(alpha: float) -> Shape:
    """I0(pi alpha sqrt(1 - x^2)) / I0(pi alpha)."""
    return lambda x: np.i0(math.pi * alpha * np.sqrt(1 - x**2)) / np.i0(math.pi * alpha)


def dolph_chebyshev(alpha: float, size: int) -> Array:
    """The window's transform at whole bins: cos(N acos(beta cos(pi k / N))), with side lobes at -20 alpha dB."""
    beta = math.cosh(math.acosh(10**alpha) / size)
    z = beta * np.cos(math.pi * _bins(size) / size)
    outside = np.cosh(size * np.arccosh(np.maximum(np.abs(z), 1)))
    return np.where(np.abs(z) > 1, outside, np.cos(size * np.arccos(np.clip(z, -1, 1))))


def barcilon_temes(alpha: float, size: int) -> Array:
    """The window's transform at whole bins: between Dolph-Chebyshev's and Kaiser-Bessel's.

    (A cos y + B (y / C) sin y) / ((y / C)^2 + 1) with y = N acos(beta cos(pi k / N)), A = sinh C,
    B = cosh C, C = acosh(10^alpha), beta = cosh(C / N); at k = 0, where this is 0 / 0, its limit (C + A B) / 2.
    """
    c = math.acosh(10**alpha)
    a, b = math.sinh(c), math.cosh(c)
    z = math.cosh(c / size) * np.cos(math.pi * _bins(size)[1:] / size)
    y = size * np.arccos(z.astype(np.complex128))  # imaginary within the main lobe
    rest = (a * np.cos(y) + b * (y / c) * np.sin(y)) / ((y / c) ** 2 + 1)
    return np.append((c + a * b) / 2, rest.real)


def _family(name: str, shape: Callable[[float, Array], Array], *alphas: float) -> dict[str, Shape]:
    return {f"{name} {alpha:.2f}": partial(shape, alpha) for alpha in alphas}


def _sampled(shape: Shape) -> Callable[[int], Array]:
    return lambda size: shape((np.arange(size) - size // 2) / (size / 2))


def _bins(size: int) -> Array:
    """The bins' distances from bin 0."""
    return np.abs(np.fft.fftfreq(size, 1 / size))


def _from_bins(transform: Callable[[float, int], Array], alpha: float) -> Callable[[int], Array]:
    """The window whose transform at whole bins this is, centred at N / 2, where its value is 1."""

    def window(size: int) -> Array:
        bins = transform(alpha, size) * (-1.0) ** np.arange(size)
        values = np.fft.ifft(bins).real
        return values / values[size // 2]

    return window
