"""Pooling in the frequency domain: what would fold is cut off, exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from windowconv.errors import InputError
from windowconv.integers import check_ints
from windowconv.windows import WindowLike, as_window, window_values

COMPUTED_IN = {torch.float16: torch.float32, torch.bfloat16: torch.float32}


def frequency_low_pass(input: Tensor, stride: int | tuple[int, ...] = 2, window: WindowLike | None = None) -> Tensor:
    """Subsample by cutting off the spectrum.

    With X the Fourier transform of n samples over n, M = ceil(n / stride) and the frequencies -(M // 2) <= k <
    ceil(M / 2), along each axis

        y[m] = Re sum_k w[k] X[k] exp(2 pi i k m / M).

    Args:
        input: (N, C, *sides) of one axis to three.
        stride: one for all axes, or one for each.
        window: w on the frequencies that are kept, 1 at frequency zero, such as "hamming", against ringing; None is
            all of them as they are.

    Returns:
        (N, C, *outputs), with ceil(side / stride) samples an axis.

    Raises:
        InputError: an input without sides or that is not real and floating, or a stride below 1.

    Not for images with content at the edges that must stay there: the transform joins opposite edges. It costs more
    than a blur.

    Source: Grabinski, Jung, Keuper & Keuper, "FrequencyLowCut pooling", ECCV 2022; with a Hamming window, Grabinski,
    Keuper & Keuper, "Fix your downsampling ASAP!", 2023.
    """
    axes = input.ndim - 2
    if axes not in (1, 2, 3) or 0 in input.shape[2:]:
        raise InputError(f"input={tuple(input.shape)}; allowed: (N, C, *sides) with one to three sides of 1 or more")
    if not input.is_floating_point():
        raise InputError(f"input of {input.dtype}; allowed: real floating-point numbers")
    strides = check_ints("stride", stride, axes, least=1)
    dims = tuple(range(2, input.ndim))
    outputs = [-(-side // step) for side, step in zip(input.shape[2:], strides, strict=True)]
    spectrum = torch.fft.fftn(input.to(COMPUTED_IN.get(input.dtype, input.dtype)), dim=dims, norm="forward")
    for dim, size in zip(dims, outputs, strict=True):
        spectrum = _kept(spectrum, dim, size, window)
    return torch.fft.ifftn(spectrum, dim=dims, norm="forward").real.to(input.dtype)


def _kept(spectrum: Tensor, dim: int, size: int, window: WindowLike | None) -> Tensor:
    """The lowest frequencies along an axis, zero first, times the window."""
    positive = (size + 1) // 2
    parts = [spectrum.narrow(dim, 0, positive)]
    if size > positive:
        parts.append(spectrum.narrow(dim, spectrum.shape[dim] - (size - positive), size - positive))
    kept = torch.cat(parts, dim)
    if window is None or size == 1:
        return kept
    # of an even number of frequencies the lowest has no partner: a periodic window is 1 at zero then, too
    values = np.fft.ifftshift(window_values(replace(as_window(window, (size,)), sym=bool(size % 2)), (size,)))
    shape = [1] * spectrum.ndim
    shape[dim] = size
    return kept * torch.as_tensor(values, dtype=kept.real.dtype, device=kept.device).view(shape)


def _spread(spectrum: Tensor, dim: int, size: int) -> Tensor:
    """An axis' frequencies, zero first, with zeros between the highest and the lowest: `size` of them."""
    positive = (spectrum.shape[dim] + 1) // 2
    low, high = spectrum.split([positive, spectrum.shape[dim] - positive], dim)
    shape = list(spectrum.shape)
    shape[dim] = size - spectrum.shape[dim]
    return torch.cat([low, spectrum.new_zeros(shape), high], dim)


class FrequencyLowPassPool(nn.Module):
    """Pooling that cuts off the spectrum, see `frequency_low_pass`.

    Args:
        stride: one for all axes, or one for each.
        window: on the frequencies that are kept: None (frequency low-cut pooling) or such as "hamming".

    Raises:
        InputError: a stride below 1; a window that is unknown; in the forward pass, an input that does not fit.
    """

    def __init__(self, stride: int | tuple[int, ...] = 2, window: WindowLike | None = None) -> None:
        super().__init__()
        if window is not None:
            as_window(window, (8,))  # an unknown one is refused at once
        self.stride, self.window = stride, window
        check_ints("stride", stride, 1 if isinstance(stride, int) else len(stride), least=1)

    def forward(self, input: Tensor) -> Tensor:
        """The pooled input, (N, C, *sides) -> (N, C, *ceil(sides / stride))."""
        return frequency_low_pass(input, self.stride, self.window)

    def before_subsampling(self, input: Tensor) -> Tensor:
        """The same spectrum on as many samples as the input has: nothing is left that could fold."""
        pooled = frequency_low_pass(input, self.stride, self.window)  # not by the call, which hooks watch
        axes, count = tuple(range(2, input.ndim)), pooled[0, 0].numel()
        spectrum = torch.fft.fftn(pooled.to(COMPUTED_IN.get(input.dtype, input.dtype)), dim=axes)
        for axis in axes:
            spectrum = _spread(spectrum, axis, input.shape[axis])
        dense = torch.fft.ifftn(spectrum, dim=axes).real
        return (dense * (input[0, 0].numel() / count)).to(input.dtype)

    def extra_repr(self) -> str:
        return f"stride={self.stride}, window={self.window}"
