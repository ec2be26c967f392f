"""A layer's envelope: how large its taps are by their place, beside the window, and noise of the same envelope."""

from __future__ import annotations

import torch
from torch import Tensor

from windowconv.errors import InputError, not_finite
from windowconv.integers import check_int
from windowconv.spectra.curve import check_weight


def rms_profile(weight: Tensor) -> Tensor:
    """The root mean square of a layer's kernels, tap by tap: its envelope.

        p(t) = sqrt(mean of w(t)^2 over filters and channels)

    Args:
        weight: (filters, channels, *kernel), 1 to 3 axes: the *effective* weight of a windowed layer.

    Returns:
        (*kernel), float64.

    Raises:
        InputError: a weight of other dimensions, or not finite.

    >>> rms_profile(torch.tensor([[[3.0, 1.0]], [[3.0, -1.0]]])).tolist()
    [3.0, 1.0]
    """
    check_weight(weight)
    return weight.detach().double().square().mean((0, 1)).sqrt()


def window_power(profile: Tensor, window: Tensor) -> float | None:
    """The power of a window that a profile resembles: 0 if it is flat, 1 if it is the window, 2 if its square.

    The slope of the regression of log p(t) on log w(t), by least squares over the taps where both are above zero.

    A window times kernels whose taps are alike gives 1. Training does not keep them alike: in steps on the raw weight
    the effective weight w v moves at w^2 times the learning rate, and weight decay draws it to zero all the same, so
    that kernels which are mostly learned come near 2.

    Not for a window that hardly varies, whose logarithms say nothing.

    Args:
        profile: as `rms_profile` gives it, (*kernel).
        window: of the layer, (*kernel).

    Returns:
        None where there are not two taps above zero at which the window differs.

    Raises:
        InputError: tensors of different shapes, with negative, NaN or infinite values.

    >>> hamming = torch.hamming_window(7, periodic=False, dtype=torch.float64)
    >>> print(f"{window_power(3 * hamming**2, hamming):.3f}")
    2.000
    """
    for name, given in (("profile", profile), ("window", window)):
        if not torch.isfinite(given).all():
            raise not_finite(name, int((~torch.isfinite(given)).sum()))
        if bool((given < 0).any()):
            raise InputError(f"{name} has the value {given.min().item():.3g}; allowed: 0 or above")
    if profile.shape != window.shape:
        raise InputError(f"window.shape={tuple(window.shape)}; allowed: the profile's, {tuple(profile.shape)}")
    held = (profile > 0) & (window > 0)
    if not bool(held.any()):
        return None
    x, y = window[held].double().log(), profile[held].double().log()
    x = x - x.mean()
    spread = float(x.square().sum())
    return float((x * (y - y.mean())).sum()) / spread if spread > 1e-12 else None


def shaped_noise(profile: Tensor, count: int = 512, seed: int = 0) -> Tensor:
    """Random kernels of a given envelope: independent normal numbers times the profile.

    What these leak is the part of a layer's leakage that the sizes of its taps explain; what is left is due to how
    taps go together.

    Args:
        profile: as `rms_profile` gives it, (*kernel), 1 to 3 axes.
        count: how many kernels, at least 1.
        seed: of the random numbers.

    Returns:
        (count, 1, *kernel), float64, on the profile's device.

    Raises:
        InputError: a profile of other dimensions, or not finite; a count below 1.

    >>> shaped_noise(torch.tensor([0.5, 1.0, 0.5]), count=4).shape
    torch.Size([4, 1, 3])
    """
    check_weight(profile[None, None])
    size = (check_int("count", count, 1), 1, *profile.shape)
    noise = torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return noise.to(profile.device) * profile.double()
