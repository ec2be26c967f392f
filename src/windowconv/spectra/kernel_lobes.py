"""Leakage against each kernel's own main lobe, instead of at one radius for all.

L(r) at one r mixes two things: a kernel with a wide main lobe has much of its energy beyond r, and so has a kernel
with high side lobes. Here each kernel is measured by its own lobe. A wide lobe then costs nothing, so that its size
belongs beside every such number.

The main lobe is what climbs to the peak: the frequencies from which steepest ascent on the energy spectrum ends at f.
It ends in the valleys around the peak, in one dimension at the first minimum on either side.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.spectra.curve import (
    GRID,
    TIE,
    check_weight,
    checked_grid,
    fitting_grid,
    peaks,
    power_spectrum,
    square_distance,
)

MULTIPLE = 1.0
PART = 2**17  # frequencies at a time: the processor's cache holds them


@dataclass(frozen=True)
class OwnLobe:
    """Filters against their own main lobes, at +f and -f; NaN for a filter of zeros. All are (filters,), float64.

    Attributes:
        bandwidth: the side in cycles/pixel of the interval, square or cube that is as large as the part of one lobe
            with at least half of the peak's energy.
        leakage: L(m b), with b the bandwidth and m the multiple: the share of energy farther than that from the peaks.
        disc: the share of all frequencies that are not farther: 1 - disc is what white noise would leak.
        outside: the share of energy outside the two lobes.
        area: the share of all frequencies inside them.
    """

    bandwidth: Tensor
    leakage: Tensor
    disc: Tensor
    outside: Tensor
    area: Tensor


def own_lobe(weight: Tensor, multiple: float = MULTIPLE, grid: int | None = None) -> OwnLobe:
    """What each filter leaks beyond its own main lobe, its channels summed in energy.

    Not without `area` or `disc` beside it: a kernel that is little more than one tap has a lobe that covers every
    frequency, leaks nothing by this measure, and selects nothing.

    Args:
        weight: (filters, channels, *kernel), 1 to 3 axes: the *effective* weight of a windowed layer.
        multiple: of the bandwidth, the radius beyond which `leakage` counts, above 0.
        grid: frequencies per axis; areas are multiples of 1 / grid^axes. None is 64, 32 for three axes, or for large
            kernels the next power of two that gives a flat kernel's main lobe eight frequencies.

    Raises:
        InputError: as `power_spectrum`; a multiple that is not above 0.

    Sources: the main lobe between its first minima is Harris's, Proc. IEEE 66(1), 1978; by steepest ascent, for more
    than one axis, it is a watershed (Vincent & Soille, IEEE PAMI 13(6), 1991).

    >>> flat = own_lobe(torch.ones(1, 1, 7, 7))
    >>> print(f"{flat.outside.item():.3f} outside {flat.area.item():.3f} of all frequencies")
    0.173 outside 0.088 of all frequencies
    """
    if not multiple > 0:
        raise InputError(f"multiple={multiple}; allowed: above 0")
    check_weight(weight)
    axes = weight.ndim - 2
    grid = checked_grid(lobe_grid(weight) if grid is None else grid, axes)
    parts = weight.split(max(1, PART // grid**axes))
    columns = zip(*(_columns(power_spectrum(part, grid), multiple) for part in parts), strict=True)
    return OwnLobe(*(torch.cat(held) for held in columns))


def lobe_grid(weight: Tensor) -> int:
    """Frequencies per axis that resolve the main lobes of kernels (filters, channels, *kernel)."""
    return fitting_grid(4 * max(weight.shape[2:]), GRID if weight.ndim < 5 else GRID // 2)


def main_lobe(power: Tensor) -> Tensor:
    """The frequencies in each filter's main lobe at +f, of energy spectra (filters, *[grid] * axes): booleans."""
    return _climbing(power, square_distance(peaks(power), power.shape[-1]))


def _columns(power: Tensor, multiple: float) -> tuple[Tensor, ...]:
    """What `OwnLobe` holds, of energy spectra (filters, *[grid] * axes)."""
    axes, grid = power.ndim - 1, power.shape[-1]
    dims = tuple(range(1, axes + 1))
    peak = peaks(power)
    square = square_distance(peak, grid)
    lobe = _climbing(power, square)
    mirrored = lobe.flip(dims).roll((1,) * axes, dims)  # at -f: place i goes to place -i
    half = lobe & (power >= 0.5 * power.amax(dims, keepdim=True))
    bandwidth = half.double().mean(dims) ** (1 / axes)
    radius = (multiple * bandwidth + 1e-12).square().view(-1, *[1] * axes)
    near = torch.minimum(square, square_distance(-peak, grid)) <= radius
    both = lobe | mirrored
    total = power.sum(dims)
    leakage, outside = ((power * ~region).sum(dims) / total for region in (near, both))
    columns = (bandwidth, leakage, near.double().mean(dims), outside, both.double().mean(dims))
    return tuple(torch.where(total == 0, torch.nan, column) for column in columns)


def _climbing(power: Tensor, square: Tensor) -> Tensor:
    """The frequencies from which steepest ascent ends at the peak, whose squared distance is `square`."""
    axes, grid = power.ndim - 1, power.shape[-1]
    top = square.flatten(1).argmin(1, keepdim=True)
    height = power * (1 - TIE * square.sqrt())  # on a plateau, towards the peak
    height = height.flatten(1).scatter(1, top, torch.inf).view_as(power)  # even if rounding makes it not the highest
    place = torch.arange(grid**axes, device=power.device).view(1, *[grid] * axes).expand_as(power)
    for axis in range(1, axes + 1):  # the highest neighbour, corners included: axis by axis
        height, place = _highest(height, place, axis)
    above = place.flatten(1)
    while not torch.equal(further := above.gather(1, above), above):  # twice as far with each step
        above = further
    return (above == top).view_as(power)


def _highest(height: Tensor, place: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The largest of each value and its two neighbours on an axis of the torus, and its place."""
    best, at = height, place
    for step in (1, -1):
        beside = height.roll(step, axis)
        higher = beside > best
        best, at = torch.where(higher, beside, best), torch.where(higher, place.roll(step, axis), at)
    return best, at
