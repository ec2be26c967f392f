"""Where in a kernel its energy lies: in how large a central square, in how many taps, how much of it at the edge."""

from __future__ import annotations

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.spectra.curve import check_weight

SHARE = 0.95  # of a kernel's energy, within its effective side


def central_energy(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A kernel's energy (sum of squares, channels summed) in central intervals, squares or cubes.

        share(s) = sum of |w(t)|^2 over taps t with |t_a - (k_a - 1) / 2| <= (s - 1) / 2 on each axis a, over all taps

    Args:
        weight: (filters, channels, *kernel), 1 to 3 axes: the *effective* weight of a windowed layer.

    Returns:
        The sides s in taps, (S,): every second one, those that share the kernel's middle; and the share of each
        filter's energy in them, (filters, S); NaN for a filter of zeros.

    Raises:
        InputError: a weight of other dimensions, or not finite.

    >>> sides, share = central_energy(torch.ones(1, 1, 5, 5))
    >>> print([f"{side:.0f}: {held:.2f}" for side, held in zip(sides, share[0])])
    ['1: 0.04', '3: 0.36', '5: 1.00']
    """
    energy = tap_energy(weight).flatten(1)
    middle = [
        (torch.arange(k, dtype=torch.float64, device=weight.device) - (k - 1) / 2).abs() for k in weight.shape[2:]
    ]
    distance = torch.stack(torch.meshgrid(*middle, indexing="ij")).amax(0).flatten()
    rings, ring = distance.unique(return_inverse=True)  # halves: exact
    held = energy.new_zeros(len(energy), len(rings)).index_add_(1, ring, energy)
    return 2 * rings + 1, held.cumsum(1) / held.sum(1, keepdim=True)


def effective_side(weight: Tensor, share: float = SHARE) -> Tensor:
    """The side in taps of the smallest central square that holds a share of a kernel's energy.

    Not for comparing kernels of an even with those of an odd size: their squares have even and odd sides.

    Args:
        weight: (filters, channels, *kernel), 1 to 3 axes: the *effective* weight of a windowed layer.
        share: of the sum of squares, in (0, 1].

    Returns:
        (filters,), float64; NaN for a filter of zeros.

    Raises:
        InputError: a weight of other dimensions, or not finite; another share.

    >>> effective_side(torch.ones(1, 1, 7, 7)).item()
    7.0
    """
    if not 0 < share <= 1:
        raise InputError(f"share={share}; allowed: above 0, at most 1")
    sides, held = central_energy(weight)
    side = sides[(held >= share - 1e-12).int().argmax(1)]
    return torch.where(held[:, -1].isnan(), torch.nan, side)


def participation_ratio(weight: Tensor) -> Tensor:
    """How many taps a kernel's energy takes part in: all of them for a flat kernel, 1 for a single tap.

        P = (sum of e(t))^2 / sum of e(t)^2, with e(t) the energy of tap t, summed over channels

    Args:
        weight: (filters, channels, *kernel), 1 to 3 axes: the *effective* weight of a windowed layer.

    Returns:
        (filters,), float64, in [1, taps]; NaN for a filter of zeros.

    Raises:
        InputError: a weight of other dimensions, or not finite.

    Source: the inverse of Bell & Dean's participation ratio, Discuss. Faraday Soc. 50, 1970.

    >>> participation_ratio(torch.tensor([[[1.0, 0, 0]], [[1, 1, 1]]])).tolist()
    [1.0, 3.0]
    """
    energy = tap_energy(weight).flatten(1)
    energy = energy / energy.amax(1, keepdim=True)  # squares of tiny or huge energies would leave float64
    return energy.sum(1).square() / energy.square().sum(1)


def edge_energy(weight: Tensor) -> Tensor:
    """The share of a kernel's energy in its edge taps: the first and the last of any axis of more than one tap.

    Not for comparing sizes as such: of a flat kernel's taps 0.89 are at the edge at 3x3, 0.49 at 7x7.

    Args:
        weight: (filters, channels, *kernel), 1 to 3 axes: the *effective* weight of a windowed layer.

    Returns:
        (filters,), float64, in [0, 1]; NaN for a filter of zeros.

    Raises:
        InputError: a weight of other dimensions, or not finite.

    >>> print(f"{edge_energy(torch.ones(1, 1, 7, 7)).item():.2f}")
    0.49
    """
    energy = tap_energy(weight)
    inside = energy[(slice(None), *(slice(1, -1) if k > 1 else slice(None) for k in weight.shape[2:]))]
    total = energy.flatten(1).sum(1)
    return (total - inside.flatten(1).sum(1)).clamp(min=0) / total


def tap_energy(weight: Tensor) -> Tensor:
    """Each filter's energy by tap, its channels summed: (filters, *kernel), float64."""
    check_weight(weight)
    return weight.detach().double().square().sum(1)
