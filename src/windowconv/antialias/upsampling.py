"""Upsampling by the transposed blur: what `BlurPool` took apart is put together again."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.antialias.blurring import PADDING_MODES, PaddingMode, as_taps
from windowconv.antialias.filters import BINOMIAL, Filter, blur_taps
from windowconv.errors import InputError
from windowconv.integers import check_ints

CONVOLVE_TRANSPOSED: Any = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


class _BlurUpsample(nn.Module):
    """What the three classes share."""

    axes: int
    taps: Tensor

    def __init__(
        self,
        stride: int | tuple[int, ...] = 2,
        taps: int | None = None,
        *,
        window: Filter = BINOMIAL,
        cutoff: float | None = None,
        padding_mode: PaddingMode = "replicate",
    ) -> None:
        super().__init__()
        self.stride = check_ints("stride", stride, self.axes, least=1)
        if padding_mode not in PADDING_MODES:
            raise InputError(f"padding_mode={padding_mode!r}; allowed: {', '.join(PADDING_MODES)}")
        most = max(self.stride)
        values = blur_taps(2 * most - 1 if taps is None else taps, window, cutoff, most)
        if len(values) < most:
            raise InputError(f"taps={len(values)}; allowed: at least the stride, {most}, or samples stay empty")
        self.window, self.cutoff, self.padding_mode = window, cutoff, padding_mode
        self.register_buffer("taps", as_taps(values), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        """Upsampled: (N, C, *sides) -> (N, C, *sides times stride), or without N."""
        if input.ndim not in (self.axes + 1, self.axes + 2):
            raise InputError(
                f"input={tuple(input.shape)}; allowed: (N, C, *sides) or (C, *sides) with {self.axes} sides"
            )
        batch = input if input.ndim == self.axes + 2 else input[None]
        sides, channels, length = batch.shape[2:], batch.shape[1], len(self.taps)
        edge = -(-length // min(self.stride))  # samples beyond an edge that reach inside
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        padded = F.pad(batch, [edge] * (2 * self.axes), mode)
        kernel = self.taps.to(batch)
        for _ in range(self.axes - 1):
            kernel = kernel[..., None] * self.taps.to(batch)
        weight = (math.prod(self.stride) * kernel).expand(channels, 1, *kernel.shape)
        whole = CONVOLVE_TRANSPOSED[self.axes](padded, weight, stride=self.stride, groups=channels)
        for axis, (side, step) in enumerate(zip(sides, self.stride, strict=True), start=2):
            whole = whole.narrow(axis, edge * step + (length - 1) // 2, side * step)
        return whole if input.ndim == self.axes + 2 else whole[0]

    def extra_repr(self) -> str:
        stride = self.stride[0] if len(set(self.stride)) == 1 else self.stride
        return f"stride={stride}, taps={len(self.taps)}, window={self.window}, {self.padding_mode}"


class BlurUpsample1d(_BlurUpsample):
    """Upsampling by the transposed blur along one axis; arguments as `BlurUpsample2d`."""

    axes = 1


class BlurUpsample2d(_BlurUpsample):
    """Upsampling by the transposed filter of `BlurPool2d`, times the product of the strides.

    Between the samples are zeros at first, which make copies of the spectrum; the low pass removes them. A binomial
    filter for a stride of 2 keeps a constant constant; others do nearly.

    Args:
        stride, taps, window, cutoff: as in `BlurPool2d`; taps at least the stride.
        padding_mode: what lies beyond the input's edges. With "zeros" it is the transposed operation, and edges are
            darker; "reflect" and "circular" need as many samples as the filter reaches.

    Raises:
        InputError: a number out of range, fewer taps than the stride, a window that does not fit.

    Not for enlarging photographs: `torch.nn.functional.interpolate` treats their edges.

    Source: Crochiere & Rabiner, *Multirate Digital Signal Processing*, 1983, section 2.4.

    >>> import torch
    >>> BlurUpsample2d()(torch.ones(1, 3, 4, 4)).shape
    torch.Size([1, 3, 8, 8])
    """

    axes = 2


class BlurUpsample3d(_BlurUpsample):
    """Upsampling by the transposed blur along three axes; arguments as `BlurUpsample2d`."""

    axes = 3
