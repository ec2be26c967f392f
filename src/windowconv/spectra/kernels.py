"""Figures of single filters: frequency response, peak, bandwidth, flatness, what will alias, support."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.integers import check_ints
from windowconv.spectra.curve import check_weight, fitting_grid, peaks, power_spectrum

LARGEST_BYTES = 4 * 2**30
FLOOR = 1e-12  # of a spectrum's mean: less energy counts as this in the flatness, whose logarithm has no zero
MASS = 0.9  # of a kernel's energy, within the effective support


@dataclass(frozen=True)
class KernelFigures:
    """What the filters of a layer select; NaN for a filter of zeros.

    Attributes:
        peak: the frequency of the largest energy in cycles/pixel, (filters, axes), in [-1/2, 1/2).
        frequency: its distance from zero in cycles/pixel, (filters,).
        orientation: of the wave vector of a 2-D filter, in degrees in [0, 180): 0 varies along a row, 90 along a
            column; NaN where the peak is at zero frequency, and for 1 and 3 axes.
        bandwidth: the side of the interval, square or cube that is as large as the set of frequencies with at
            least half of the peak's energy, in cycles/pixel, (filters,); both peaks, +f and -f, count.
        flatness: spectral flatness, (filters,): geometric over arithmetic mean of the energy spectrum, in [0, 1];
            1 is a single tap, 0 a pure grating.
        aliased: the share of energy above the Nyquist frequency of the stride, 1/(2 s), on any axis, (filters,):
            what white noise would fold. 0 for a stride of 1.
        support: the radius in taps, from the kernel's middle, of the smallest ring that holds 90 % of the sum of
            squares, (filters,).
    """

    peak: Tensor
    frequency: Tensor
    orientation: Tensor
    bandwidth: Tensor
    flatness: Tensor
    aliased: Tensor
    support: Tensor


def frequency_response(weight: Tensor, grid: int | None = None) -> Tensor:
    """The complex frequency response of each kernel, zero-padded, with the phase counted from the kernel's middle.

        W(g) = sum over taps t of w(t) exp(-2 pi i g (t - (k - 1) / 2))

    so that a kernel which is symmetric about its middle has a real response.

    Args:
        weight: (filters, channels, *kernel), 1 to 3 axes, real.
        grid: frequencies per axis, at least the largest kernel side; None is 64, or the next power of two.

    Returns:
        (filters, channels, *[grid] * axes), complex128, in the order of `torch.fft.fftfreq`.

    Raises:
        InputError: a weight of other dimensions, complex or not finite; a grid too coarse, or so fine that the
            result would take more than 4 GiB: use `power_spectrum`, which sums the channels first.
    """
    check_weight(weight)
    axes = weight.ndim - 2
    grid = fitting_grid(max(weight.shape[2:])) if grid is None else grid
    if grid < max(weight.shape[2:]):
        raise InputError(
            f"grid={grid}; allowed: {max(weight.shape[2:])} or more for a kernel of {tuple(weight.shape[2:])}"
        )
    size = 16 * weight.shape[0] * weight.shape[1] * grid**axes
    if size > LARGEST_BYTES:
        raise InputError(
            f"grid={grid}, {size / 2**30:.1f} GiB for {weight.shape[0] * weight.shape[1]:,} kernels; allowed: "
            f"{LARGEST_BYTES / 2**30:.0f} GiB (use fewer filters or a coarser grid)"
        )
    dims = tuple(range(-axes, 0))
    response = torch.fft.fftn(weight.detach().double(), s=[grid] * axes, dim=dims)
    for axis, taps in zip(dims, weight.shape[2:], strict=True):
        frequencies = torch.fft.fftfreq(grid, dtype=torch.float64, device=weight.device)
        turn = torch.exp(2j * math.pi * frequencies * (taps - 1) / 2)
        response = response * turn.view(-1, *[1] * (-1 - axis))
    return response


def kernel_figures(weight: Tensor, stride: int | Sequence[int] = 1, grid: int | None = None) -> KernelFigures:
    """What each filter of a layer selects, its channels summed in energy.

    Not for comparing widths of kernels of different sizes as if less were better: a larger kernel can resolve more.

    Args:
        weight: (filters, channels, *kernel), 1 to 3 axes: the *effective* weight of a windowed layer.
        stride: of the layer, one for all axes or one per axis.
        grid: frequencies per axis, as in `leakage_curve`.

    Raises:
        InputError: as `power_spectrum`; a stride that does not fit the axes.

    Sources: spectral flatness: Gray & Markel, IEEE Trans. ASSP 22(3), 1974. Aliasing of strided layers: Zhang, ICML
    2019. Half-energy bandwidth: Harris, Proc. IEEE 66(1), 1978, here as an area.

    >>> import torch
    >>> one_tap = torch.zeros(1, 1, 5, 5).index_fill_(2, torch.tensor([2]), 1.0) * torch.tensor([0, 0, 1.0, 0, 0])
    >>> figures = kernel_figures(one_tap, stride=2)
    >>> print(f"flatness {figures.flatness.item():.2f}, aliased {figures.aliased.item():.2f}")
    flatness 1.00, aliased 0.73
    """
    return figures_of(power_spectrum(weight, grid), weight, stride)


def figures_of(power: Tensor, weight: Tensor, stride: int | Sequence[int] = 1) -> KernelFigures:
    """The figures of filters whose energy spectra (filters, *[grid] * axes) are known."""
    axes = power.ndim - 1
    strides = check_ints("stride", stride, axes, least=1)
    flat = power.flatten(1)
    total = flat.sum(1)
    dead = total == 0
    peak = peaks(power)
    frequency = peak.square().sum(1).sqrt()
    half = (flat >= 0.5 * flat.amax(1, keepdim=True)).double().mean(1)
    mean = total / flat.shape[1]
    floor = (FLOOR * mean).clamp(min=torch.finfo(torch.float64).tiny)
    flatness = torch.maximum(flat, floor[:, None]).log().mean(1).exp() / mean
    aliased = (flat * _above_nyquist(strides, power)).sum(1) / total
    nan = torch.full_like(total, math.nan)
    return KernelFigures(
        peak=torch.where(dead[:, None], nan[:, None], peak),
        frequency=torch.where(dead, nan, frequency),
        orientation=torch.where(dead | (frequency == 0), nan, _orientation(peak)),
        bandwidth=torch.where(dead, nan, half ** (1 / axes)),
        flatness=torch.where(dead, nan, flatness.clamp(max=1)),
        aliased=aliased,
        support=effective_support(weight),
    )


def effective_support(weight: Tensor, mass: float = MASS) -> Tensor:
    """The radius in taps of the smallest ring about the kernel's middle within which a share of the mass lies.

    Args:
        weight: (filters, channels, *kernel), 1 to 3 axes.
        mass: a share of the sum of squares, in (0, 1].

    Returns:
        (filters,), float64; NaN for a filter of zeros.

    Raises:
        InputError: a weight of other dimensions, or not finite; another mass.
    """
    if not 0 < mass <= 1:
        raise InputError(f"mass={mass}; allowed: above 0, at most 1")
    radii, within = support_curve(weight)
    enough = within >= mass - 1e-12
    support = radii[enough.int().argmax(1)]
    return torch.where(within[:, -1].isnan(), torch.full_like(support, math.nan), support)


def support_curve(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A kernel's mass (sum of squares, channels summed) against the distance from its middle.

    Args:
        weight: (filters, channels, *kernel), 1 to 3 axes.

    Returns:
        The radii in taps, (R,), and the share of each filter's mass within them, (filters, R); NaN for a filter of
        zeros.

    Raises:
        InputError: a weight of other dimensions, or not finite.
    """
    check_weight(weight)
    energy = weight.detach().double().square().sum(1).flatten(1)
    middle = [torch.arange(n, dtype=torch.float64, device=weight.device) - (n - 1) / 2 for n in weight.shape[2:]]
    square = torch.stack([c.square() for c in torch.meshgrid(*middle, indexing="ij")]).sum(0).flatten()
    rings, ring = square.unique(return_inverse=True)  # squares of halves: exact, so equal distances are equal
    mass = energy.new_zeros(len(energy), len(rings)).index_add_(1, ring, energy)
    return rings.sqrt(), mass.cumsum(1) / mass.sum(1, keepdim=True)


def _above_nyquist(strides: Sequence[int], power: Tensor) -> Tensor:
    """Which frequencies, flattened, a subsampling by the strides cannot represent."""
    axes, grid = len(strides), power.shape[-1]
    frequencies = torch.fft.fftfreq(grid, dtype=torch.float64, device=power.device).abs()
    above = torch.zeros([grid] * axes, dtype=torch.bool, device=power.device)
    for axis, s in enumerate(strides):
        if s > 1:
            above |= (frequencies > 0.5 / s + 1e-12).view([grid if i == axis else 1 for i in range(axes)])
    return above.flatten()


def _orientation(peak: Tensor) -> Tensor:
    """The angle of 2-D wave vectors in degrees, from the direction of a row, downwards; NaN for other axes."""
    if peak.shape[1] != 2:
        return peak.new_full((len(peak),), math.nan)
    return torch.atan2(peak[:, 0], peak[:, 1]).rad2deg().remainder(180)
