"""What is inside a layer's kernels: the taps that they use, and what they leak beside their own main lobes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from torch import Tensor

from windowconv.integers import check_int
from windowconv.spectra.curve import check_weight, leakage_curve
from windowconv.spectra.filters import sampled
from windowconv.spectra.kernel_lobes import lobe_grid, own_lobe
from windowconv.spectra.profile import rms_profile, shaped_noise, window_power
from windowconv.spectra.taps import central_energy, edge_energy, effective_side, participation_ratio

KERNELS = 128  # of a layer's single kernels, and of noise: a mean's standard error is then about 0.01
NOISE_RADII = (1 / 8, 1 / 4)


@dataclass(frozen=True)
class KernelShape:
    """A layer's kernels, all together; where a number does not exist, it is None.

    Attributes:
        profile: the root mean square of the layer's kernels at each tap, (*kernel).
        window: the window's values there, (*kernel); None for a plain layer.
        central: the share of the layer's energy in the central interval, square or cube, by its side in taps.
        side: the side in taps of the smallest of them with 95 % of the energy.
        participation: how many taps the energy takes part in.
        edge: the share of the energy in the edge taps.
        window_power: the power of the window that the profile resembles: 1, the window; 2, its square.
        own_bandwidth, own_leakage, own_disc, outside_lobe, lobe_area: means over single kernels: see `OwnLobe`.
        noise_eighth, noise_quarter: L(1/8) and L(1/4) of noise with this profile, the mean over kernels.
        noise_own_leakage, noise_outside_lobe: of that noise, as `own_leakage` and `outside_lobe`.
    """

    profile: Tensor
    window: Tensor | None
    central: Mapping[int, float]
    side: float | None
    participation: float | None
    edge: float | None
    window_power: float | None
    own_bandwidth: float | None
    own_leakage: float | None
    own_disc: float | None
    outside_lobe: float | None
    lobe_area: float | None
    noise_eighth: float | None
    noise_quarter: float | None
    noise_own_leakage: float | None
    noise_outside_lobe: float | None

    def figures(self) -> dict[str, float | None]:
        """All single numbers, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)[3:]}


def kernel_shape(
    weight: Tensor, window: Tensor | None = None, kernels: int = KERNELS, grid: int | None = None
) -> KernelShape:
    """Measure a layer's kernels: where their energy lies, and what they leak beside their own main lobes.

    Tap by tap, the energies of all kernels are summed: these numbers are the layer's. Lobes are of single kernels.

    Not for ranking networks: a kernel can be small, or clean, and of no use.

    Args:
        weight: (filters, channels, *kernel), 1 to 3 axes: the *effective* weight of a windowed layer.
        window: its window, (*kernel).
        kernels: how many single kernels, sampled at random, and how many of noise.
        grid: frequencies per axis; None as in `own_lobe`.

    Raises:
        InputError: as `power_spectrum` and `window_power`; fewer than one kernel.

    >>> import torch
    >>> shape = kernel_shape(torch.ones(1, 1, 7, 7))
    >>> print(f"{shape.side:.0f} taps a side, {shape.participation:.0f} in all, {shape.edge:.2f} at the edge")
    7 taps a side, 49 in all, 0.49 at the edge
    """
    check_weight(weight)
    kernels = check_int("kernels", kernels, 1)
    grid = lobe_grid(weight) if grid is None else grid
    profile = rms_profile(weight)
    power = None if window is None else window_power(profile, window.to(profile))
    layer = weight.detach().flatten(0, 1)[None]  # one filter, all kernels its channels
    sides, held = central_energy(layer)
    lobes = own_lobe(sampled(weight, kernels), grid=grid)
    noise = shaped_noise(profile, kernels)
    curve, noise_lobes = leakage_curve(noise, NOISE_RADII, grid).leakage, own_lobe(noise, grid=grid)
    return KernelShape(
        profile=profile.cpu(),
        window=None if window is None else window.detach().double().cpu(),
        central={round(side): share for side, share in zip(sides.tolist(), held[0].tolist(), strict=True)},
        side=_mean(effective_side(layer)),
        participation=_mean(participation_ratio(layer)),
        edge=_mean(edge_energy(layer)),
        window_power=power,
        own_bandwidth=_mean(lobes.bandwidth),
        own_leakage=_mean(lobes.leakage),
        own_disc=_mean(lobes.disc),
        outside_lobe=_mean(lobes.outside),
        lobe_area=_mean(lobes.area),
        noise_eighth=_mean(curve[:, 0]),
        noise_quarter=_mean(curve[:, 1]),
        noise_own_leakage=_mean(noise_lobes.leakage),
        noise_outside_lobe=_mean(noise_lobes.outside),
    )


def _mean(values: Tensor) -> float | None:
    mean = float(values.nanmean())
    return None if mean != mean else mean
