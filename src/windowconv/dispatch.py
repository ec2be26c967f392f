"""A layer's forward pass by its algorithm: torch's own convolution, or one of this package's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from windowconv.errors import InputError
from windowconv.fftconv.arguments import DTYPES, Algorithm
from windowconv.fftconv.autocast import apply_autocast, autocast_dtype
from windowconv.fftconv.convolution import choose_algorithm, convolve, problem_of
from windowconv.fftconv.direct import HALVES, direct_forward, gradient_misreads
from windowconv.fftconv.prepared import PreparedKernel
from windowconv.fftconv.problem import Problem
from windowconv.tracing import is_recorded

if TYPE_CHECKING:
    from windowconv.windowed import WindowedMixin


def convolve_layer(layer: WindowedMixin, input: Tensor) -> Tensor:
    """The convolution of the input with the layer's effective weight: (N, K, *outputs) or (K, *outputs).

    Args:
        layer: a windowed layer that is not transposed.
        input: (N, C, *sides) or (C, *sides).

    Raises:
        InputError: algorithm="fft" for a dtype that it does not support.
    """
    if layer.prepared is not None and (output := _prepared_forward(layer, layer.prepared, input)) is not None:
        return output
    algorithm = layer_algorithm(layer, input)
    if algorithm == "direct":
        if _misread(layer, input):
            return direct_forward(*apply_autocast(input, layer.effective_weight, layer.bias), None, layer.geometry())
        return layer._conv_forward(input, layer.effective_weight, layer.bias)  # pyright: ignore[reportCallIssue]
    weight, window = layer.weight_and_window()
    return convolve(layer.padded(input), weight, layer.bias, window, layer.geometry(), algorithm)


def layer_algorithm(layer: WindowedMixin, input: Any, training: bool | None = None) -> Algorithm:
    """The algorithm that computes the layer for this input; "auto" while compiling, if only the operator can choose.

    What is recorded rather than computed (export, tracing, meta tensors, tensor subclasses) is direct: a record must
    run without this package. So is an input that does not fit: torch's own error is clear.

    Args:
        training: whether a backward pass follows; None is what torch's gradient mode says.
    """
    algorithm, weight = layer.algorithm, layer.weight
    if algorithm == "direct" or layer.transposed or is_recorded() or not _is_plain(input) or not _is_plain(weight):
        return "direct"
    if not _fits(layer, input):
        return "direct"
    if algorithm == "fft" and input.dtype not in DTYPES:
        raise InputError(
            f"{layer.title()}: algorithm='fft' does not support {input.dtype}; allowed: "
            f"{', '.join(str(dtype) for dtype in DTYPES)}, or algorithm='auto'"
        )
    shape = _padded_shape(layer, input)
    return choose_algorithm(algorithm, input, weight, layer.geometry(), shape=shape, training=training)


def layer_problem(layer: WindowedMixin, input: Tensor) -> Problem:
    """The layer's 2-D problem for an input (N, C, *sides) or (C, *sides)."""
    return problem_of(_padded_shape(layer, input), tuple(layer.weight.shape), layer.geometry())


def _prepared_forward(layer: WindowedMixin, kernel: PreparedKernel, input: Any) -> Tensor | None:
    """The output of a kernel prepared for inference; None for a call that it does not serve."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling() or is_recorded() or not _is_plain(input):
        return None
    if torch._C._are_functorch_transforms_active() or torch._C._len_torch_dispatch_stack():
        return None
    if not _fits(layer, input) or autocast_dtype(input) != input.dtype:
        return None
    if not kernel.serves(layer_problem(layer, input), input, layer.weight_sources()):
        return None
    axes = len(layer.kernel_size)
    padded = layer.padded(input)
    batch = padded if padded.ndim == axes + 2 else padded[None]
    output = kernel.forward(batch if axes == 2 else batch.unsqueeze(2), layer.bias)
    output = output if axes == 2 else output.squeeze(2)
    return output if padded.ndim == axes + 2 else output[0]


def _misread(layer: WindowedMixin, input: Any) -> bool:
    """Whether torch's own convolution cannot be trusted with this call's gradient, see `gradient_misreads`."""
    if layer.transposed or layer.padding_mode != "zeros" or not _is_plain(input):
        return False
    dtype = autocast_dtype(input)
    return dtype in HALVES and _fits(layer, input) and gradient_misreads(input, dtype, layer.geometry())


def _padded_shape(layer: WindowedMixin, input: Tensor) -> tuple[int, ...]:
    """The shape (N, C, *sides) of the input as it is convolved, after padding other than with zeros."""
    axes = len(layer.kernel_size)
    shape = list(input.shape) if input.ndim == axes + 2 else [1, *input.shape]
    if layer.padding_mode != "zeros":
        ends = layer._reversed_padding_repeated_twice
        for axis in range(axes):
            shape[-1 - axis] += ends[2 * axis] + ends[2 * axis + 1]
    return tuple(shape)


def _is_plain(tensor: Any) -> bool:
    return type(tensor) in (Tensor, nn.Parameter) and tensor.layout is torch.strided and not tensor.is_meta


def _fits(layer: WindowedMixin, input: Tensor) -> bool:
    """Whether the input's rank, channels, dtype and device are the layer's."""
    axes = len(layer.kernel_size)
    if 0 in layer.weight.shape:  # a layer without channels: there is nothing to transform
        return False
    if input.ndim not in (axes + 1, axes + 2) or input.shape[-axes - 1] != layer.in_channels:
        return False
    weight = layer.weight
    if input.dtype != weight.dtype and autocast_dtype(input) != autocast_dtype(weight):
        return False
    return input.device == weight.device
