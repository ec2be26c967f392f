"""What a window would change in a network's present filters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.convolving import convolving_layers
from windowconv.effective import CONVOLUTIONS, UnknownWeightError
from windowconv.errors import InputError
from windowconv.spectra.curve import leakage_curve
from windowconv.spectra.filters import filters_of, sampled, select_layers
from windowconv.spectra.network import PAIRS, SCALARS, common_grid
from windowconv.windowed import WindowedMixin
from windowconv.windows import Window, WindowLike, as_window, window_values

SMALLEST = 5  # taps per axis: below, a tapering window leaves one tap or so
GROWN = 7  # what smaller kernels are grown to, as in the paper


@dataclass(frozen=True)
class WindowEffect:
    """A layer without a window, and what a window would change.

    Attributes:
        layer, kernel: its name and its kernel's size.
        now: L(1/8) and L(1/4), the mean over single kernels.
        after: the same for the present kernels times the window; None where the kernel is too small.
        kept: the share of the kernels' energy that the window keeps; None likewise.
        least: L(1/8) and L(1/4) of the window itself at `size`: what a pure grating leaks under it.
        size: the kernel's size, or the size to grow it to.
    """

    layer: str
    kernel: tuple[int, ...]
    now: tuple[float, float]
    after: tuple[float, float] | None
    kept: float | None
    least: tuple[float, float]
    size: tuple[int, ...]

    @property
    def change(self) -> float | None:
        """The change of L(1/4) by the window on the present kernels; negative is less leakage."""
        return None if self.after is None else self.after[1] - self.now[1]


def window_effects(
    model: nn.Module, window: WindowLike = "hamming", layers: Sequence[str] | None = None
) -> tuple[WindowEffect, ...]:
    """What a window would change in each of torch's convolutions that has none, largest change first.

    Kernels of fewer than five taps per axis are too small for a tapering window, which leaves little more than the
    middle tap. They come last, highest leakage first, with the size to grow them to.

    Not a prediction of accuracy: it describes the present kernels, and training with the window finds others.

    Args:
        model: any module tree; nothing is run, but for layers that compute their weight in `forward`.
        window: as in `as_window`.
        layers: names of layers, or of modules that hold layers; all if None.

    Raises:
        InputError: as `leakage`; a window that cannot be made at a layer's size.
    """
    effects = []
    found, left_out = convolving_layers(model)
    if not found and not left_out:
        raise InputError(f"model={type(model).__name__}; allowed: a model with convolutions")
    wanted = select_layers({**found, **left_out}, layers)
    chosen: dict[str, Any] = {name: layer for name, layer in wanted.items() if isinstance(layer, CONVOLUTIONS)}
    for name, layer in chosen.items():
        windowed = isinstance(layer, WindowedMixin) and layer.window != Window("boxcar")
        if windowed or layer.transposed or max(layer.kernel_size) == 1 or max(layer.dilation) > 1:
            continue
        try:
            weight = filters_of(name, layer)
        except UnknownWeightError:  # `leakage` gives the reason
            continue
        if bool((weight == 0).all()):
            continue
        effects.append(_effect(name, sampled(weight, PAIRS), window))
    return tuple(sorted(effects, key=lambda e: (e.change is None, e.change or 0.0, -e.now[1])))


def fit_for_window(taps: int) -> int:
    """A side's taps if they are enough for a window or one; else what to grow them to, of the same parity.

    >>> [fit_for_window(taps) for taps in (1, 2, 3, 4, 5)]
    [1, 8, 7, 8, 5]
    """
    return taps if taps == 1 or taps >= SMALLEST else GROWN + (taps + GROWN) % 2


def _effect(name: str, kernels: Tensor, window: WindowLike) -> WindowEffect:
    """The effect of a window on single kernels (pairs, 1, *kernel)."""
    size = tuple(kernels.shape[2:])
    fits = min(k for k in size if k > 1) >= SMALLEST
    target = size if fits else tuple(map(fit_for_window, size))
    values = torch.tensor(window_values(as_window(window, target), target))
    least = _means(values[None, None])
    now = _means(kernels)
    if not fits:
        return WindowEffect(name, size, now, None, None, least, target)
    under = kernels.double() * values.to(kernels.device)
    kept = float(under.square().sum() / (kernels.double().square().sum() * values.square().max()))
    if kept == 0 or math.isnan(kept):
        raise InputError(
            f"window={window!r} is zero wherever the kernels of layer {name!r} are not; allowed: another window"
        )
    return WindowEffect(name, size, now, _means(under), kept, least, size)


def _means(kernels: Tensor) -> tuple[float, float]:
    low, high = leakage_curve(kernels, SCALARS, common_grid([kernels])).leakage.nanmean(0).tolist()
    return low, high
