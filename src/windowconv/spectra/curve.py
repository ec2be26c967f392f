"""The leakage curve: how much of a filter's spectral energy lies away from the frequency that it selects.

A real filter's spectrum has two peaks, at +f and -f. L(r) is the share of its energy that is farther than r,
on the frequency torus, from the nearer of the two:

    L(r) = sum of |W(g)|^2 over g with min(d(g, f), d(g, -f)) > r, over the sum of all |W(g)|^2

with d the Euclidean distance of frequencies modulo 1 on each axis, r in cycles/pixel, and both sums over one
grid, the same for every kernel size. It is not "the energy outside the main lobe": a lobe's width depends on
the kernel's size and the window, so that measure would call a flat 3x3 kernel cleaner than a flat 7x7 one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from windowconv.errors import InputError, not_finite, unknown
from windowconv.integers import check_int

GRID = 64  # frequencies per axis: one grid for all kernel sizes, so that they compare
RADII = tuple(i / 64 for i in range(33))  # 0 to 1/2 cycles/pixel
TIE = 1e-9  # relative: peaks much closer than this are one height, and the lower frequency counts
LARGEST_BYTES = 4 * 2**30
BATCH_BYTES = 256 * 2**20
MOST_TAPS = 256  # of a kernel whose taps are multiplied with each other


@dataclass(frozen=True)
class LeakageCurve:
    """A layer's leakage.

    Attributes:
        radii: r in cycles/pixel, (R,).
        leakage: L(r) of each filter, (filters, R), in [0, 1]; NaN for a filter of zeros, which has no spectrum.
        peak: each filter's peak frequency in cycles/pixel, (filters, axes), in [-1/2, 1/2).
        energy: each filter's sum of squared weights, (filters,).
    """

    radii: Tensor
    leakage: Tensor
    peak: Tensor
    energy: Tensor

    def mean(self) -> Tensor:
        """The mean curve over the filters that are not zero, (R,)."""
        return self.leakage.nanmean(0)

    def at(self, r: float) -> Tensor:
        """Each filter's L at the radius `r`, which must be one of `radii`."""
        index = (self.radii - r).abs().argmin()
        if abs(float(self.radii[index]) - r) > 1e-12:
            raise InputError(f"r={r}; allowed: one of {self.radii.tolist()}")
        return self.leakage[:, index]


def power_spectrum(weight: Tensor, grid: int | None = None) -> Tensor:
    """The energy spectrum of each filter, summed over its input channels.

    |W(g)|^2 is the transform of the kernel's autocorrelation, so channels are summed as products of taps, a matrix
    product per filter, leaving one transform per filter.

    Args:
        weight: (filters, channels, *kernel), 1 to 3 axes, real.
        grid: frequencies per axis, at least 2 k - 1 for the largest kernel side k. None is 64, or the next power of
            two that is enough: 256 for 101 taps.

    Returns:
        (filters, *[grid] * axes), float64, in the order of `torch.fft.fftfreq`; it sums to
        grid^axes times the filter's sum of squares (Parseval).

    Raises:
        InputError: a weight of other dimensions, complex, with NaN or infinities, or too large for the grid.
    """
    check_weight(weight)
    axes, size = weight.ndim - 2, tuple(weight.shape[2:])
    needed = 2 * max(size) - 1
    grid = checked_grid(fitting_grid(needed) if grid is None else grid, axes)
    if needed > grid:
        raise InputError(f"grid={grid}; allowed: {needed} or more for a kernel of {size}")
    taps, channels = math.prod(size), weight.shape[1]
    by_taps = channels > 1 and taps <= MOST_TAPS
    numbers = grid**axes * (4 if by_taps else 4 * channels) + (2 * taps**2 if by_taps else 0)
    spectra = []
    for part in weight.detach().split(max(1, BATCH_BYTES // (8 * numbers))):
        filters = part.double()
        spectra.append(_of_correlation(filters, grid) if by_taps else _summed(filters, grid))
    return torch.cat(spectra)


def _of_correlation(filters: Tensor, grid: int) -> Tensor:
    """By products of taps, each added where its lag is."""
    axes = filters.ndim - 2
    places = torch.cartesian_prod(*[torch.arange(k, device=filters.device) for k in filters.shape[2:]]).view(-1, axes)
    lags = (places[:, None] - places[None]).remainder(grid)
    index = (lags * torch.tensor([grid**i for i in reversed(range(axes))], device=filters.device)).sum(2)
    taps = filters.flatten(2)
    correlation = filters.new_zeros(len(filters), grid**axes)
    correlation.index_add_(1, index.flatten(), torch.bmm(taps.mT, taps).flatten(1))
    spectrum = torch.fft.fftn(correlation.view(-1, *[grid] * axes), dim=tuple(range(-axes, 0)))
    return spectrum.real.clamp(min=0)


def _summed(filters: Tensor, grid: int) -> Tensor:
    """By the transform of each kernel: one channel, or so many taps that their products would be more work."""
    axes = filters.ndim - 2
    half = torch.fft.rfftn(filters, s=[grid] * axes, dim=tuple(range(-axes, 0)))
    return _whole((half.real.square() + half.imag.square()).sum(1), grid)


def _whole(half: Tensor, grid: int) -> Tensor:
    """Energy spectra (filters, *[grid] * axes) from the half where the last axis's frequencies are not negative."""
    negative = half[..., 1 : (grid + 1) // 2].flip(list(range(1, half.ndim)))
    others = list(range(1, half.ndim - 1))
    return torch.cat([half, negative.roll([1] * len(others), others) if others else negative], dim=-1)


def fitting_grid(least: int, default: int = GRID) -> int:
    """The default grid, or the next power of two that has `least` frequencies per axis."""
    return max(default, 1 << (least - 1).bit_length())


def checked_grid(grid: int, axes: int) -> int:
    """`grid` as an int; an `InputError` unless one spectrum of so many frequencies per axis fits in memory."""
    grid = check_int("grid", grid, 1)
    if 32 * grid**axes > LARGEST_BYTES:
        size, limit = 32 * grid**axes / 2**30, LARGEST_BYTES / 2**30
        raise InputError(f"grid={grid}, {size:,.1f} GiB per spectrum; allowed: {limit:g} GiB")
    return grid


def check_weight(weight: Tensor) -> None:
    """An `InputError` unless `weight` is (filters, channels, *kernel), real and finite."""
    if not isinstance(weight, Tensor):
        raise InputError(f"weight={type(weight).__name__}; allowed: a tensor (filters, channels, *kernel)")
    if not 3 <= weight.ndim <= 5 or weight.numel() == 0:
        raise InputError(f"weight.shape={tuple(weight.shape)}; allowed: (filters, channels, *kernel), 1 to 3 axes")
    if weight.is_complex():
        raise InputError(f"weight.dtype={weight.dtype}; allowed: a real dtype")
    if not torch.isfinite(weight).all():
        raise not_finite("weight", int((~torch.isfinite(weight)).sum()))


def leakage_curve(
    weight: Tensor, radii: Sequence[float] = RADII, grid: int | None = None, per: Literal["filter", "pair"] = "filter"
) -> LeakageCurve:
    """The leakage curve of each filter of a layer.

    Not for judging a network by one number: leakage says how selective filters are, not how good.

    Args:
        weight: (filters, channels, *kernel), 1 to 3 axes: the *effective* weight of a windowed layer.
        radii: distances from the peak in cycles/pixel, each in [0, 1/2 sqrt(axes)].
        grid: frequencies per axis. None is 64, or for kernels of more than 32 taps a side the next power of two above
            2 k - 1; where curves are compared, give all of them the largest kernel's.
        per: `"filter"`: the channels' energies are summed, and a filter has one peak: what the filter passes from
            inputs whose channels are independent. `"pair"`: each kernel by itself, with its own peak, in the
            order (filter, channel).

    Raises:
        InputError: as `power_spectrum`; a negative radius, or NaN; another `per`.

    Source: the measure is this project's; the argument that small kernels leak is Tomen & van Gemert's, 2021.

    >>> import torch
    >>> flat = torch.ones(1, 1, 7, 7)
    >>> print([round(float(v), 3) for v in leakage_curve(flat, radii=[1 / 8, 1 / 4]).leakage[0]])
    [0.19, 0.084]
    """
    check_weight(weight)
    if per not in ("filter", "pair"):
        raise unknown("per", per, ("filter", "pair"))
    r = torch.tensor(list(radii), dtype=torch.float64, device=weight.device)
    if r.ndim != 1 or len(r) == 0 or not bool((r >= 0).all()):
        raise InputError(f"radii={list(radii)!r}; allowed: one or more numbers, 0 or above, in cycles/pixel")
    if per == "pair" and weight.ndim > 2:
        weight = weight.flatten(0, 1).unsqueeze(1)
    return curve_of(power_spectrum(weight, grid), r)


def curve_of(power: Tensor, radii: Tensor) -> LeakageCurve:
    """The leakage curves of energy spectra (filters, *[grid] * axes), at radii (R,)."""
    axes, grid = power.ndim - 1, power.shape[-1]
    peak = peaks(power)
    step = max(1, BATCH_BYTES // (24 * grid**axes))
    curves = [_outside(*some, radii) for some in zip(power.split(step), peak.split(step), strict=True)]
    total = power.flatten(1).sum(1)
    return LeakageCurve(radii, torch.cat(curves) / total[:, None], peak, total / grid**axes)


def _outside(power: Tensor, peak: Tensor, radii: Tensor) -> Tensor:
    """The energy farther than each radius from the nearer peak, (filters, R): rings of energy, summed from outside."""
    grid = power.shape[-1]
    square = torch.minimum(square_distance(peak, grid), square_distance(-peak, grid)).flatten(1)
    ascending, order = radii.sort()
    # half a step of float64 above r, so that grid points at distance r exactly count as inside
    ring = torch.searchsorted((ascending + 1e-12).square(), square)
    energy = power.new_zeros(len(power), len(radii) + 1).scatter_add_(1, ring, power.flatten(1))
    outside = energy.flip(1).cumsum(1).flip(1)[:, 1:]
    return torch.empty_like(outside).index_copy_(1, order, outside)


def sign_changes(radii: Sequence[float], difference: Sequence[float], same: float = 1e-3) -> list[float]:
    """Where the difference of two leakage curves changes its sign: the radius at which the new sign is first seen.

    Args:
        radii: ascending, in cycles/pixel.
        difference: of the two curves at these.
        same: a difference below this counts as none.

    >>> sign_changes([0.0, 0.1, 0.2, 0.3, 0.4], [0.0, 0.2, 0.0005, -0.1, -0.2])
    [0.3]
    """
    signed = [(r, d > 0) for r, d in zip(radii, difference, strict=True) if abs(d) >= same]
    return [r for (_, before), (r, now) in pairwise(signed) if now != before]


def peaks(power: Tensor) -> Tensor:
    """The frequency of each filter's largest energy, (filters, axes); among equals the one nearest to 0."""
    axes, grid = power.ndim - 1, power.shape[-1]
    frequencies = torch.fft.fftfreq(grid, dtype=torch.float64, device=power.device)
    mesh = torch.stack(torch.meshgrid(*[frequencies] * axes, indexing="ij")).flatten(1)
    order = mesh.square().sum(0).argsort(stable=True)
    # a little less for each frequency that lies farther out, so that the nearest of equals is the largest
    handicap = torch.empty_like(mesh[0])
    handicap[order] = torch.linspace(1, 1 - TIE, len(order), dtype=torch.float64, device=power.device)
    return mesh[:, (power.flatten(1) * handicap).argmax(1)].T


def square_distance(peak: Tensor, grid: int) -> Tensor:
    """From each grid frequency to a peak, on the torus, squared: (filters, *[grid] * axes)."""
    axes = peak.shape[1]
    frequencies = torch.fft.fftfreq(grid, dtype=torch.float64, device=peak.device)
    square = peak.new_zeros(len(peak), *[1] * axes)
    for axis in range(axes):
        apart = (frequencies[None] - peak[:, axis : axis + 1] + 0.5).remainder(1) - 0.5
        square = square + apart.square().view(len(peak), *[grid if i == axis else 1 for i in range(axes)])
    return square
