"""Windowed convolutions as pure functions: torch's own, of `weight * window`.

The signatures are those of `torch.nn.functional` with one more keyword-only argument. Not for a training loop with a
named window: these functions look up its values at every call, which `torch.compile` cannot trace; a layer keeps them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from windowconv.errors import InputError
from windowconv.windows import WindowLike, get_window

HALVES = (torch.bfloat16, torch.float16)
Ints = int | tuple[int, ...]


def apply_window(weight: Tensor, window: WindowLike = "hamming", *, axes: int | None = None) -> Tensor:
    """The effective weight, `weight * window` over the kernel's axes (the last ones).

    Args:
        weight: (out, in / groups, *kernel), or (in, out / groups, *kernel) of a transposed convolution.
        window: as in `get_window`. A tensor of the kernel's shape, with leading dimensions that broadcast to the
            channels or without, is used itself, in the weight's precision, so that gradients flow to it.
        axes: the number of the kernel's axes; None is all dimensions but two.

    Raises:
        InputError: as `get_window`; a window tensor with NaN or infinities, with channels other than the weight's,
            or one that requires a gradient and does not have the kernel's shape.

    >>> import torch
    >>> apply_window(torch.ones(1, 1, 7))
    tensor([[[0.0800, 0.3100, 0.7700, 1.0000, 0.7700, 0.3100, 0.0800]]])
    """
    return windowed_weight(weight, window_factor(weight, window, axes))


def windowed_weight(weight: Tensor, factor: Tensor | None) -> Tensor:
    """`weight * factor`, rounded once to the weight's dtype: the one product of weight and window in the library.

    Args:
        weight: a convolution's weight, or its gradient, of any shape.
        factor: the window's values, which broadcast to the weight; None multiplies by nothing.
    """
    if factor is None:
        return weight
    if isinstance(factor, Tensor) and factor.dtype in HALVES and _is_trained(factor):
        product = weight.float() * factor.float()  # so that the factor's gradient, a sum that cancels, is rounded once
    else:
        product = weight * factor
    if (
        isinstance(weight, Tensor) and product.dtype == weight.dtype
    ):  # `to` costs as much as the product of a small layer
        return product
    return product.to(weight.dtype)


def _is_trained(factor: Tensor) -> bool:
    """Whether a gradient is wanted of it; an exported graph has none, and torch.export cannot ask."""
    return not torch.compiler.is_exporting() and factor.requires_grad


def window_factor(weight: Tensor, window: WindowLike = "hamming", axes: int | None = None) -> Tensor:
    """The window's values in the weight's precision and on its device, in a shape that broadcasts to the weight.

    Arguments and errors are those of `apply_window`.
    """
    axes = weight.ndim - 2 if axes is None else axes
    if not 1 <= axes <= min(weight.ndim, 3):
        raise InputError(f"weight.shape={tuple(weight.shape)} has a kernel of {axes} axes; allowed: 1 to 3")
    size = tuple(weight.shape[weight.ndim - axes :])
    if isinstance(window, Tensor) and tuple(window.shape[-axes:]) == size:
        if not torch.compiler.is_compiling() and not _finite(window):
            raise InputError("window=NaN or infinite values; allowed: finite numbers")
        over, channels = tuple(weight.shape[: weight.ndim - axes]), tuple(window.shape[:-axes])
        fits = all(w in (1, c) for w, c in zip(reversed(channels), reversed(over), strict=False))
        if len(channels) > len(over) or not fits:
            raise InputError(
                f"window.shape={tuple(window.shape)} does not fit weight.shape={tuple(weight.shape)}; "
                f"allowed: {size}, or with leading dimensions that broadcast to the weight's"
            )
        return window.to(real_dtype(weight))
    if isinstance(window, Tensor) and window.requires_grad:
        raise InputError(
            f"window.shape={tuple(window.shape)} of a window that requires a gradient; allowed: the kernel's shape, "
            f"{size}, or a detached window"
        )
    return get_window(window, size, dtype=real_dtype(weight), device=weight.device)


def real_dtype(weight: Tensor) -> torch.dtype:
    """The dtype of a window for this weight, which may be complex."""
    return weight.dtype.to_real() if weight.is_complex() else weight.dtype


def _finite(window: Tensor) -> bool:
    try:
        return bool(torch.isfinite(window).all())
    except RuntimeError:  # inside vmap values cannot be read
        return True


def _effective(weight: Tensor, window: WindowLike, axes: int) -> Tensor:
    if weight.ndim != axes + 2:
        raise InputError(f"weight.shape={tuple(weight.shape)}; allowed: {axes + 2} dimensions")
    return apply_window(weight, window)


def windowed_conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    window: WindowLike = "hamming",
) -> Tensor:
    """`torch.nn.functional.conv1d` of an input (N, C, L) or (C, L) with `weight * window`.

    `window` and errors are as in `apply_window`.
    """
    weight = _effective(weight, window, 1)
    return F.conv1d(input, weight, bias, stride, padding, dilation, groups)


def windowed_conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    window: WindowLike = "hamming",
) -> Tensor:
    """`torch.nn.functional.conv2d` of an input (N, C, H, W) or (C, H, W) with `weight * window`.

    `window` and errors are as in `apply_window`.
    """
    weight = _effective(weight, window, 2)
    return F.conv2d(input, weight, bias, stride, padding, dilation, groups)


def windowed_conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    window: WindowLike = "hamming",
) -> Tensor:
    """`torch.nn.functional.conv3d` of an input (N, C, D, H, W) or (C, D, H, W) with `weight * window`.

    `window` and errors are as in `apply_window`.
    """
    weight = _effective(weight, window, 3)
    return F.conv3d(input, weight, bias, stride, padding, dilation, groups)


def windowed_conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
    *,
    window: WindowLike = "hamming",
) -> Tensor:
    """`torch.nn.functional.conv_transpose1d` of an input (N, C, L) or (C, L) with `weight * window`.

    `window` and errors are as in `apply_window`.
    """
    weight = _effective(weight, window, 1)
    return F.conv_transpose1d(input, weight, bias, stride, padding, output_padding, groups, dilation)


def windowed_conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
    *,
    window: WindowLike = "hamming",
) -> Tensor:
    """`torch.nn.functional.conv_transpose2d` of an input (N, C, H, W) or (C, H, W) with `weight * window`.

    `window` and errors are as in `apply_window`.
    """
    weight = _effective(weight, window, 2)
    return F.conv_transpose2d(input, weight, bias, stride, padding, output_padding, groups, dilation)


def windowed_conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
    *,
    window: WindowLike = "hamming",
) -> Tensor:
    """`torch.nn.functional.conv_transpose3d` of an input (N, C, D, H, W) or (C, D, H, W) with `weight * window`.

    `window` and errors are as in `apply_window`.
    """
    weight = _effective(weight, window, 3)
    return F.conv_transpose3d(input, weight, bias, stride, padding, output_padding, groups, dilation)
