"""`torch.nn.functional.conv1d/2d/3d` through the frequency domain: same arguments, same results, large kernels cheap.

One axis goes as a picture of one row. Three go as pictures whose channels are the depth's taps too: the input is
copied as many times as the kernel is deep, over the stride. Both by torch's own operations, so that what holds for two
axes (derivatives, `vmap`, compilation) holds for all.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.nn import functional as F

from windowconv.fftconv import operator, settings
from windowconv.fftconv.arguments import (
    DTYPES,
    Algorithm,
    Geometry,
    Ints,
    check_algorithm,
    check_dtype,
    check_size,
    check_tensors,
    make_geometry,
)
from windowconv.fftconv.choice import choose, ever_faster
from windowconv.fftconv.direct import windowed
from windowconv.fftconv.function import Convolution
from windowconv.fftconv.problem import Axis, Problem
from windowconv.functional import window_factor
from windowconv.windows import WindowLike

DIRECT: Any = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def fft_conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    window: WindowLike = None,
    algorithm: Algorithm = "fft",
) -> Tensor:
    """`torch.nn.functional.conv1d` of `weight * window`; all as in `fft_conv2d`."""
    return _checked(1, input, weight, bias, stride, padding, dilation, groups, window, algorithm)


def fft_conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    window: WindowLike = None,
    algorithm: Algorithm = "fft",
) -> Tensor:
    """`torch.nn.functional.conv2d` of `weight * window` through the frequency domain.

    Exact up to rounding, in forward and backward pass. Derivatives of any order and mode, `torch.func`, autocast and
    `torch.compile` (with a window given as a tensor) work as with torch's own.

    Args:
        input, weight, bias, stride, padding, dilation, groups: as in `torch.nn.functional.conv2d`; float64, float32,
            bfloat16 or float16.
        window: as in `apply_window`, or None. A tensor that needs a gradient gets one.
        algorithm: "fft", "direct" (torch's own, for any dtype), or "auto": the one that is expected to be faster.

    Raises:
        InputError: what torch's own refuses too; with "fft", other dtypes.

    >>> import torch
    >>> x, w = torch.rand(1, 3, 16, 16), torch.rand(8, 3, 7, 7)
    >>> torch.allclose(fft_conv2d(x, w, padding=3), torch.conv2d(x, w, padding=3), atol=1e-4)
    True
    """
    return _checked(2, input, weight, bias, stride, padding, dilation, groups, window, algorithm)


def fft_conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    window: WindowLike = None,
    algorithm: Algorithm = "fft",
) -> Tensor:
    """`torch.nn.functional.conv3d` of `weight * window`; all as in `fft_conv2d`."""
    return _checked(3, input, weight, bias, stride, padding, dilation, groups, window, algorithm)


def convolve(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    window: Tensor | None,
    algorithm: Algorithm,
) -> Tensor:
    """A convolution of one to three axes whose arguments are known to fit.

    Args:
        input: (N, C, *sides) or (C, *sides).
        window: fixed; broadcasts to the weight.
        algorithm: under `torch.compile`, "auto" is decided at every call by the sizes then.
    """
    axes = weight.ndim - 2
    if input.ndim == axes + 1:
        return convolve(input[None], weight, bias, geometry, window, algorithm)[0]
    route = resolve(input, weight, geometry, algorithm)
    if route == "direct":
        return _direct(input, weight, bias, geometry, window)
    input, weight, bias = in_autocast(input, weight, bias)
    return {1: _row, 2: _picture, 3: _volume}[axes](input, weight, bias, geometry, window, route)


def resolve(
    input: Tensor,
    weight: Tensor,
    geometry: Geometry,
    algorithm: Algorithm,
    shape: tuple[int, ...] | None = None,
    training: bool | None = None,
) -> Algorithm:
    """The algorithm that "auto" means for an input; it stays "auto" where sizes are not known yet.

    Args:
        shape: that of the batch which will be convolved; None is the input's.
        training: whether a backward pass follows; None is what torch's gradient mode says.
    """
    if torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active():
        return "direct"  # torch 2.15 compiles no operator but its own inside `torch.func`
    if algorithm != "auto":
        return algorithm
    dtype = autocast_dtype(input)
    if dtype not in DTYPES or weight.shape[2:].numel() == 1 or torch.compiler.is_exporting():
        return "direct"
    if torch.compiler.is_compiling():
        return "auto" if _ever_faster(dtype, input.device) else "direct"
    problem = make_problem(tuple(shape or input.shape), tuple(weight.shape), geometry)
    return choose(problem, dtype, input.device, _training(input, weight) if training is None else training)


@torch.compiler.assume_constant_result  # a compiler need not look inside
def _ever_faster(dtype: torch.dtype, device: torch.device) -> bool:
    return ever_faster(2, dtype, device)


def make_problem(input: tuple[int, ...], weight: tuple[int, ...], geometry: Geometry) -> Problem:
    """The 2-D problem that a convolution of these shapes is, or goes as."""
    parts = zip(input[2:], weight[2:], geometry.stride, geometry.dilation, geometry.padding, strict=True)
    axes = [Axis(n, k, s, d, *p) for n, k, s, d, p in parts]
    if len(axes) == 1:
        axes.insert(0, Axis(1, 1))
    batch, folded = (1, 1) if len(axes) == 2 else (axes[0].outputs, axes[0].taps)
    return Problem(batch * input[0], folded * input[1], weight[0], geometry.groups, (axes[-2], axes[-1]))


def autocast_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype in which torch's convolution would compute, autocast included."""
    if _autocasts(tensor) and tensor.is_floating_point() and tensor.dtype != torch.float64:
        return torch.get_autocast_dtype(tensor.device.type)
    return tensor.dtype


def in_autocast(input: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """The tensors as autocast would hand them to torch's convolution."""
    if not _autocasts(input):
        return input, weight, bias
    bias = None if bias is None else bias.to(autocast_dtype(bias))
    return input.to(autocast_dtype(input)), weight.to(autocast_dtype(weight)), bias


def _autocasts(tensor: Tensor) -> bool:
    kind = tensor.device.type
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)


def _checked(
    axes: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Ints,
    padding: Ints | str,
    dilation: Ints,
    groups: int,
    window: WindowLike,
    algorithm: Algorithm,
) -> Tensor:
    check_algorithm(algorithm)
    check_tensors(axes, input, weight, bias, groups)
    kernel = tuple(weight.shape[2:])
    geometry = make_geometry(kernel, stride, padding, dilation, groups)
    check_size(input.shape[-axes:], kernel, geometry)
    if algorithm == "fft":
        check_dtype(input)
    factor = None if window is None else window_factor(weight, window)
    if isinstance(window, Tensor) and factor is not None and _may_need_gradient(window):
        weight, factor = weight * factor, None
    return convolve(input, weight, bias, geometry, factor, algorithm)


def _may_need_gradient(window: Tensor) -> bool:
    if torch.compiler.is_compiling():  # there the product costs nothing
        return True
    return window.requires_grad or is_functorch_wrapped_tensor(window)


def _training(input: Tensor, weight: Tensor) -> bool:
    return torch.is_grad_enabled() and (input.requires_grad or weight.requires_grad)


def _direct(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, window: Tensor | None) -> Tensor:
    stride, padding, dilation, groups = geometry
    if any(before != after for before, after in padding):
        input = F.pad(input, [side for pair in reversed(padding) for side in pair])
        padding = ((0, 0),) * len(padding)
    even = [before for before, _ in padding]
    return DIRECT[len(padding)](input, windowed(weight, window), bias, stride, even, dilation, groups)


Route = Literal["auto", "direct", "fft"]


def _picture(
    input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, window: Tensor | None, algorithm: Route
) -> Tensor:
    stride, ((top, bottom), (left, right)), dilation, groups = geometry
    training, compiling = _training(input, weight), torch.compiler.is_compiling()
    keep = not compiling and weight.requires_grad and training and settings.keeps_spectra()
    call = operator.conv2d if compiling else Convolution.apply
    sides = [top, bottom, left, right]
    return call(input, weight, bias, window, stride, sides, dilation, groups, algorithm, training, keep)[0]


def _row(
    input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, window: Tensor | None, algorithm: Route
) -> Tensor:
    stride, padding, dilation, groups = geometry
    flat = Geometry((1, *stride), ((0, 0), *padding), (1, *dilation), groups)
    window = None if window is None else window.unsqueeze(-2)
    return _picture(input.unsqueeze(2), weight.unsqueeze(2), bias, flat, window, algorithm).squeeze(2)


def _volume(
    input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, window: Tensor | None, algorithm: Route
) -> Tensor:
    stride, ((front, back), *padding), dilation, groups = geometry
    if front or back:
        input = F.pad(input, (0, 0, 0, 0, front, back))
    depth = (input.shape[2] - dilation[0] * (weight.shape[2] - 1) - 1) // stride[0] + 1
    starts = [dilation[0] * tap for tap in range(weight.shape[2])]
    slices = [input[:, :, start : start + stride[0] * (depth - 1) + 1 : stride[0]] for start in starts]
    pictures = torch.stack([s.transpose(1, 2) for s in slices], 3).flatten(2, 3).flatten(0, 1)
    if window is not None:
        window = window.expand(*window.shape[:-4], weight.shape[1], *weight.shape[2:]).flatten(-4, -3)
    flat = Geometry(stride[1:], tuple(padding), dilation[1:], groups)
    output = _picture(pictures, weight.flatten(1, 2), bias, flat, window, algorithm)
    return output.unflatten(0, (input.shape[0], depth)).movedim(1, 2).contiguous()
