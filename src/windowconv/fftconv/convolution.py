"""The front door: what is public, how a call becomes a problem, how its algorithm is chosen, and who computes it.

fft_conv1d, fft_conv2d, fft_conv3d, or a layer (`windowconv.dispatch`)
    arguments.py    are checked; stride, padding, dilation and groups become a `Geometry`
    lowering.py     one or three axes become two, and the sizes a `Problem` (problem.py)
    choice.py       "auto" becomes "fft" or "direct": a cost model (cost.py, rates.py, calibration.py)
"direct"
    direct.py       torch's own convolution
"depthwise"
    depthwise.py    the native operator's sums over the taps (native/direct.py)
"fft"
    autograd.py     derivatives in eager mode (derivatives.py, batching.py)
    operator.py     the operators that torch and its compiler know
    rewriting.py    strides as phases (polyphase.py), groups merged or repeated (grouping.py)
    execution.py    planned (tile_plan.py); whole, or in blocks that fit the work space (blocks.py, workspace.py)
    native/         in C++, or
    reference.py    in PyTorch (transform.py, tiling.py, dft_tables.py)
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor

from windowconv.fftconv import choice, depthwise, operator, settings
from windowconv.fftconv.arguments import (
    DTYPES,
    Algorithm,
    Geometry,
    Ints,
    check_algorithm,
    check_depthwise,
    check_dtype,
    check_size,
    check_tensors,
    make_geometry,
)
from windowconv.fftconv.autocast import apply_autocast, autocast_dtype
from windowconv.fftconv.autograd import Conv2d
from windowconv.fftconv.direct import direct_forward
from windowconv.fftconv.lowering import lower_geometry, lower_shapes, lower_tensors, raise_output
from windowconv.fftconv.problem import Problem, cached_problem
from windowconv.functional import window_factor, windowed_weight
from windowconv.windows import WindowLike

# --- what is public ---------------------------------------------------------------------------------------------------


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
    """`torch.nn.functional.conv1d` of `weight * window`: (N, C, L) or (C, L) with (K, C / groups, taps).

    Everything else is as in `fft_conv2d`.
    """
    return _convolve(1, input, weight, bias, stride, padding, dilation, groups, window, algorithm)


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

    Exact up to rounding, forward and backward. Derivatives of any order and mode, `torch.func`, autocast and
    `torch.compile` (with the window given as a tensor) work as for torch's own.

    Args:
        input: (N, C, H, W) or (C, H, W), in float64, float32, bfloat16 or float16.
        weight: (K, C / groups, kh, kw).
        bias: (K,) or None.
        stride, padding, dilation: samples, one int or (height, width); `padding` may be "same" or "valid".
        groups: as in torch.
        window: as in `apply_window`, or None. A tensor that requires a gradient gets one.
        algorithm: "fft", "direct" (torch's own, for any dtype), "depthwise" (the native sums over the taps, for a
            group for each channel; torch's own where those are not available), or "auto": the one expected to be
            faster.

    Returns:
        (N, K, H', W') or (K, H', W'), in the input's dtype, or autocast's.

    Raises:
        InputError: what torch's own refuses too; with "fft", other dtypes; with "depthwise", other groups.

    Source: overlap-save with the discrete Fourier transform, Oppenheim & Schafer, "Discrete-Time Signal Processing",
    section 8.7. Not for 1x1 kernels, few channels or single small images: "auto" computes those directly.

    >>> import torch
    >>> x, w = torch.rand(1, 3, 16, 16), torch.rand(8, 3, 7, 7)
    >>> torch.allclose(fft_conv2d(x, w, padding=3), torch.conv2d(x, w, padding=3), atol=1e-4)
    True
    """
    return _convolve(2, input, weight, bias, stride, padding, dilation, groups, window, algorithm)


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
    """`torch.nn.functional.conv3d` of `weight * window`: (N, C, D, H, W) or (C, D, H, W) with (K, C / groups, d, h, w).

    Everything else is as in `fft_conv2d`.
    """
    return _convolve(3, input, weight, bias, stride, padding, dilation, groups, window, algorithm)


choice.set_candidate(fft_conv2d)  # what is measured against torch's own; `choice` lies below this file


def _convolve(
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
    """Check the arguments, choose an algorithm and compute."""
    check_algorithm(algorithm)
    check_tensors(axes, input, weight, bias, groups)
    kernel = tuple(weight.shape[2:])
    geometry = make_geometry(kernel, stride, padding, dilation, groups)
    check_size(input.shape[-axes:], kernel, geometry)
    if algorithm == "fft":
        check_dtype(input)
    elif algorithm == "depthwise":
        check_depthwise(weight, groups)
    factor = None if window is None else window_factor(weight, window)
    if isinstance(window, Tensor) and _may_require_gradient(window):
        weight, factor = windowed_weight(weight, factor), None
    chosen = choose_algorithm(algorithm, input, weight, geometry)
    if chosen == "direct":
        return direct_forward(input, weight, bias, factor, geometry)
    return convolve(input, weight, bias, factor, geometry, chosen)


def _may_require_gradient(window: Tensor) -> bool:
    """Whether a gradient may flow to the window; the operators take a window for fixed."""
    if torch.compiler.is_compiling():  # compiled, the product costs nothing
        return True
    return window.requires_grad or is_functorch_wrapped_tensor(window)


# --- how a call becomes a problem -------------------------------------------------------------------------------------


def problem_of(input: tuple[int, ...], weight: tuple[int, ...], geometry: Geometry) -> Problem:
    """The 2-D problem of the shapes (N, C, *sides) and (K, C / groups, *taps) of one to three axes."""
    stride, padding, dilation, groups = lower_geometry(geometry)
    return cached_problem(*lower_shapes(input, weight, geometry), stride, _flat(padding), dilation, groups)


def _flat(padding: tuple[tuple[int, int], ...]) -> tuple[int, int, int, int]:
    """Zeros (above, below, left, right), as the operators take them."""
    (top, bottom), (left, right) = padding
    return top, bottom, left, right


# --- how the algorithm is chosen --------------------------------------------------------------------------------------


def choose_algorithm(
    algorithm: Algorithm,
    input: Tensor,
    weight: Tensor,
    geometry: Geometry,
    *,
    shape: tuple[int, ...] | None = None,
    training: bool | None = None,
) -> Algorithm:
    """ "fft", "depthwise" or "direct"; while compiling also "auto": the operator chooses at every call, by its sizes.

    Args:
        algorithm: what was asked for.
        input: (N, C, *sides) or (C, *sides).
        weight: (K, C / groups, *taps).
        shape: (N, C, *sides) of what will be convolved; None is the input's.
        training: whether a backward pass follows; None is what torch's gradient mode says.
    """
    compiling = torch.compiler.is_compiling()
    if compiling and torch._C._are_functorch_transforms_active():
        return "direct"  # torch 2.15 compiles no operator but its own inside `torch.func`
    if algorithm in ("direct", "fft"):
        return algorithm
    dtype = autocast_dtype(input)
    if dtype not in DTYPES or weight.shape[2:].numel() == 1 or torch.compiler.is_exporting():
        return "direct"
    if shape is None:
        shape = tuple(input.shape if input.ndim == weight.ndim else (1, *input.shape))
    training = _needs_backward(input, weight) if training is None else training
    if algorithm == "depthwise" or depthwise.expected_faster(weight, training):
        if depthwise.computes(shape, weight, geometry, dtype):
            return "depthwise"
        if algorithm == "depthwise":
            return "direct"
    if compiling:
        return "auto" if _ever_faster(dtype, input.device) else "direct"
    if any(isinstance(size, torch.SymInt) for size in shape):
        return "direct"  # a tracer's symbol can be neither looked up nor compared
    problem = problem_of(shape, tuple(weight.shape), geometry)
    return choice.choose(problem, dtype, input.device, training)


@torch.compiler.assume_constant_result  # the compiler need not trace it
def _ever_faster(dtype: torch.dtype, device: torch.device) -> bool:
    return choice.ever_faster(dtype, device)


def _needs_backward(input: Tensor, weight: Tensor) -> bool:
    return torch.is_grad_enabled() and (input.requires_grad or weight.requires_grad)


# --- who computes it --------------------------------------------------------------------------------------------------


def convolve(
    input: Tensor, weight: Tensor, bias: Tensor | None, window: Tensor | None, geometry: Geometry, algorithm: Algorithm
) -> Tensor:
    """The convolution by the operators, for arguments that fit: (N, K, *outputs), or (K, *outputs) without a batch.

    Args:
        input: (N, C, *sides) or (C, *sides), with one to three axes.
        weight: (K, C / groups, *taps).
        bias: (K,).
        window: broadcasts to the weight; no gradient flows to it.
        algorithm: what `choose_algorithm` returned, other than "direct".
    """
    if input.ndim < weight.ndim:
        return convolve(input[None], weight, bias, window, geometry, algorithm)[0]
    input, weight, bias = apply_autocast(input, weight, bias)
    if algorithm == "depthwise":
        return depthwise.depthwise_forward(input, windowed_weight(weight, window), bias, geometry)
    images, kernels, factor = lower_tensors(input, weight, window, geometry)
    stride, padding, dilation, groups = lower_geometry(geometry)
    training, compiling = _needs_backward(images, kernels), torch.compiler.is_compiling()
    keep = not compiling and kernels.requires_grad and training and settings.keeps_spectra()
    conv2d = operator.conv2d if compiling else Conv2d.apply
    options = stride, _flat(padding), dilation, groups, algorithm, training, keep
    return raise_output(conv2d(images, kernels, bias, factor, *options)[0], input, weight, geometry)
