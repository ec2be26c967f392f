"""Pooling that blurs before it subsamples."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.antialias.blurring import PADDING_MODES, PaddingMode, as_taps, blur
from windowconv.antialias.filters import BINOMIAL, Filter, blur_taps
from windowconv.errors import InputError
from windowconv.integers import check_ints

MAX_POOL: Any = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


class _BlurPool(nn.Module):
    """What the three classes share; their docstrings say what the arguments are."""

    axes: int
    taps: Tensor

    def __init__(
        self,
        stride: int | tuple[int, ...] = 2,
        taps: int | None = None,
        *,
        window: Filter = BINOMIAL,
        cutoff: float | None = None,
        padding_mode: PaddingMode = "reflect",
    ) -> None:
        super().__init__()
        self.stride = check_ints("stride", stride, self.axes, least=1)
        if padding_mode not in PADDING_MODES:
            raise InputError(f"padding_mode={padding_mode!r}; allowed: {', '.join(PADDING_MODES)}")
        most = max(self.stride)
        values = blur_taps(2 * most - 1 if taps is None else taps, window, cutoff, most)
        self.window, self.cutoff = window, cutoff
        self.padding_mode: PaddingMode = padding_mode
        self.register_buffer("taps", as_taps(values), persistent=False)  # a constant, no state

    def forward(self, input: Tensor) -> Tensor:
        """Blurred and subsampled: (N, C, *sides) -> (N, C, *ceil(sides / stride)), or without N."""
        return blur(input, self.taps, self.stride, self.padding_mode)

    def before_subsampling(self, input: Tensor) -> Tensor:
        """What is subsampled: (N, C, *sides), of which the output is every stride-th sample."""
        return blur(input, self.taps, (1,) * self.axes, self.padding_mode)

    def extra_repr(self) -> str:
        stride = self.stride[0] if len(set(self.stride)) == 1 else self.stride
        cutoff = "" if self.cutoff is None else f", cutoff={self.cutoff:g}"
        return f"stride={stride}, taps={len(self.taps)}, window={self.window}{cutoff}, {self.padding_mode}"


class BlurPool1d(_BlurPool):
    """Blur and subsample along one axis; arguments as `BlurPool2d`."""

    axes = 1


class BlurPool2d(_BlurPool):
    """Blur and subsample: a fixed low pass on every channel, then every stride-th sample.

    What lies above 1 / (2 stride) cycles a sample would fold to lower frequencies; the low pass weakens it first.
    It has no parameters and no state.

    Args:
        stride: of the subsampling, one for all axes or one for each.
        taps: of the filter; None is 2 stride - 1, of the longest stride: `[1, 2, 1] / 4` for a stride of 2.
        window: "binomial", or a window that cuts off an ideal low pass, as in `blur_taps`.
        cutoff: of that, in cycles a sample; None is 1 / (2 stride).
        padding_mode: "reflect", "replicate", "circular", or "zeros".

    Raises:
        InputError: a number out of range; a window that does not fit; in the forward pass, an input that is too small
            for its padding.

    Not for upsampling, see `BlurUpsample2d`; and not where phase matters, such as for reading exact positions.

    Source: Zhang, "Making convolutional networks shift-invariant again", ICML 2019.

    >>> import torch
    >>> BlurPool2d()(torch.ones(1, 3, 7, 8)).shape
    torch.Size([1, 3, 4, 4])
    """

    axes = 2


class BlurPool3d(_BlurPool):
    """Blur and subsample along three axes; arguments as `BlurPool2d`."""

    axes = 3


class _MaxBlurPool(_BlurPool):
    """What the three classes share."""

    def __init__(
        self,
        kernel_size: int | tuple[int, ...] = 2,
        stride: int | tuple[int, ...] = 2,
        padding: int | tuple[int, ...] = 0,
        taps: int | None = None,
        *,
        window: Filter = BINOMIAL,
        cutoff: float | None = None,
        padding_mode: PaddingMode = "reflect",
    ) -> None:
        super().__init__(stride, taps, window=window, cutoff=cutoff, padding_mode=padding_mode)
        self.kernel_size = check_ints("kernel_size", kernel_size, self.axes, least=1)
        self.padding = check_ints("padding", padding, self.axes, least=0)
        if any(2 * edge > size for edge, size in zip(self.padding, self.kernel_size, strict=True)):
            raise InputError(f"padding={padding!r}; allowed: at most half of kernel_size={kernel_size!r}")

    def forward(self, input: Tensor) -> Tensor:
        """The largest value around every sample, blurred and subsampled; shapes as torch's max pooling."""
        return super().forward(MAX_POOL[self.axes](input, self.kernel_size, 1, self.padding))

    def before_subsampling(self, input: Tensor) -> Tensor:
        """The largest value around every sample, blurred."""
        return super().before_subsampling(MAX_POOL[self.axes](input, self.kernel_size, 1, self.padding))

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, padding={self.padding}, {super().extra_repr()}"


class MaxBlurPool1d(_MaxBlurPool):
    """Max pooling that blurs before it subsamples, along one axis; arguments as `MaxBlurPool2d`."""

    axes = 1


class MaxBlurPool2d(_MaxBlurPool):
    """Max pooling in two steps: the largest value around every sample, then `BlurPool2d`.

    The output's shape is that of `torch.nn.MaxPool2d(kernel_size, stride, padding)`.

    Args:
        kernel_size, stride, padding: as of torch's.
        taps, window, cutoff, padding_mode: of the blur, as in `BlurPool2d`.

    Raises:
        InputError: as `BlurPool2d`; a padding above half of the kernel.

    Source: Zhang, "Making convolutional networks shift-invariant again", ICML 2019, section 3.2.
    """

    axes = 2


class MaxBlurPool3d(_MaxBlurPool):
    """Max pooling that blurs before it subsamples, along three axes; arguments as `MaxBlurPool2d`."""

    axes = 3
