"""The leakage curve: how much of a filter's spectral energy lies away from the frequency that it selects.

A real filter's spectrum has two peaks, at +f and -f. L(r) is the share of its energy that is farther than r,
on the frequency torus, from the nearer of the two:

    L(r) = sum of |W(g)|^2 over g with min(d(g, f), d(g, -f)) > r, over the sum of all |W(g)|^2

with d the Euclidean distance of frequencies modulo 1 on each axis, r in cycles/pixel, and both sums over one
grid, the same for every kernel size. It is not "the energy outside the main lobe": a lobe's width depends on
the kernel's size and the window, so that measure would call a flat 3x3 kernel cleaner than a flat 7x7 one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from windowconv.errors import InputError

GRID = 64  # frequencies an axis; one fixed grid, so that kernels of all sizes compare
RADII = tuple(i / 64 for i in range(33))  # 0 to 1/2 cycles/pixel
TIE = 1e-9  # peaks this close (relative) are one height: the lower frequency counts
BATCH_BYTES = 256 * 2**20


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
            raise InputError(f"r={r}; allowed: one of the radii, {self.radii.tolist()}")
        return self.leakage[:, index]


def power_spectrum(weight: Tensor, grid: int = GRID) -> Tensor:
    """The energy spectrum of each filter, summed over its input channels.

    |W(g)|^2 is the transform of the kernel's autocorrelation, so the channels are summed at the autocorrelation's
    small size and only one large transform a filter remains.

    Args:
        weight: (filters, channels, *kernel), 1 to 3 axes, real.
        grid: frequencies an axis, at least 2 k - 1 for the largest kernel side k.

    Returns:
        (filters, *[grid] * axes), float64, in the order of `torch.fft.fftfreq`; it sums to
        grid^axes times the filter's sum of squares (Parseval).

    Raises:
        InputError: a weight of other dimensions, complex, with NaN or infinities, or too large for the grid.
    """
    axes = weight.ndim - 2
    if not 1 <= axes <= 3 or weight.numel() == 0:
        raise InputError(f"weight of shape {tuple(weight.shape)}; allowed: (filters, channels, *kernel), 1 to 3 axes")
    if weight.is_complex():
        raise InputError(f"weight of {weight.dtype}; allowed: real, whose peaks come in pairs +f and -f")
    if not torch.isfinite(weight).all():
        raise InputError("weight has NaN or infinite values; allowed: finite numbers")
    small = [2 * k - 1 for k in weight.shape[2:]]
    if max(small) > grid:
        raise InputError(f"grid={grid} is too coarse for a kernel of {tuple(weight.shape[2:])}: at least {max(small)}")
    dims = tuple(range(-axes, 0))
    spectra = []
    per_filter = 16 * weight.shape[1] * torch.Size(small).numel() + 16 * grid**axes
    for part in weight.detach().split(max(1, BATCH_BYTES // per_filter)):
        coarse = torch.fft.rfftn(part.double(), s=small, dim=dims).abs().square().sum(1)
        correlation = torch.fft.irfftn(coarse, s=small, dim=dims)
        # lags beyond the middle are negative ones: centre them, pad to the grid, and put lag 0 first again
        padded = part.new_zeros(len(part), *[grid] * axes, dtype=torch.float64)
        inside = tuple(slice(0, n) for n in small)
        padded[(slice(None), *inside)] = torch.roll(correlation, [n // 2 for n in small], dims)
        padded = torch.roll(padded, [-(n // 2) for n in small], dims)
        spectra.append(torch.fft.fftn(padded, dim=dims).real.clamp(min=0))
    return torch.cat(spectra)


def leakage_curve(weight: Tensor, radii: Sequence[float] = RADII, grid: int = GRID) -> LeakageCurve:
    """The leakage curve of each filter of a layer.

    Not for judging a network by one number: leakage says how selective filters are, not how good.

    Args:
        weight: (filters, channels, *kernel), 1 to 3 axes: the *effective* weight of a windowed layer.
        radii: distances from the peak in cycles/pixel, each in [0, 1/2 sqrt(axes)].
        grid: frequencies an axis; keep the default where curves are compared.

    Raises:
        InputError: as `power_spectrum`; a negative radius, or NaN.

    Source: the measure is this project's; the argument that small kernels leak is Tomen & van Gemert's, 2021.

    >>> import torch
    >>> flat = torch.ones(1, 1, 7, 7)
    >>> print([round(float(v), 3) for v in leakage_curve(flat, radii=[1 / 8, 1 / 4]).leakage[0]])
    [0.19, 0.084]
    """
    r = torch.tensor(list(radii), dtype=torch.float64, device=weight.device)
    if r.ndim != 1 or len(r) == 0 or not bool((r >= 0).all()):
        raise InputError(f"radii={list(radii)!r}; allowed: one or more distances of 0 or above, in cycles/pixel")
    power = power_spectrum(weight, grid)
    axes = power.ndim - 1
    peak = _peaks(power, grid)
    total = power.sum(tuple(range(1, axes + 1)))
    curves = []
    step = max(1, BATCH_BYTES // (24 * grid**axes))
    for some_power, some_peak in zip(power.split(step), peak.split(step), strict=True):
        distance = torch.minimum(_distance(some_peak, grid), _distance(-some_peak, grid))
        # half a step of float64 above r, so that grid points at distance r exactly count as inside
        outside = [(some_power * (distance > value + 1e-12)).flatten(1).sum(1) for value in r]
        curves.append(torch.stack(outside, 1))
    leakage = torch.cat(curves) / total[:, None]
    return LeakageCurve(r, leakage, peak, total / grid**axes)


def _peaks(power: Tensor, grid: int) -> Tensor:
    """The frequency of each filter's largest energy; among equals the one nearest to 0."""
    axes = power.ndim - 1
    frequencies = torch.fft.fftfreq(grid, dtype=torch.float64, device=power.device)
    mesh = torch.stack(torch.meshgrid(*[frequencies] * axes, indexing="ij")).flatten(1)
    order = mesh.square().sum(0).argsort(stable=True)
    flat = power.flatten(1)[:, order]
    high = flat >= flat.amax(1, keepdim=True) * (1 - TIE)
    return mesh[:, order[high.int().argmax(1)]].T


def _distance(peak: Tensor, grid: int) -> Tensor:
    """From each grid frequency to a peak, on the torus: (filters, *[grid] * axes)."""
    axes = peak.shape[1]
    frequencies = torch.fft.fftfreq(grid, dtype=torch.float64, device=peak.device)
    square = peak.new_zeros(len(peak), *[1] * axes)
    for axis in range(axes):
        apart = (frequencies[None] - peak[:, axis : axis + 1] + 0.5).remainder(1) - 0.5
        square = square + apart.square().view(len(peak), *[grid if i == axis else 1 for i in range(axes)])
    return square.sqrt()
