"""A layer's forward pass by its algorithm: torch's own convolution, or through the frequency domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from windowconv.errors import InputError
from windowconv.fftconv import convolution
from windowconv.fftconv.arguments import DTYPES, Algorithm
from windowconv.fftconv.problem import Problem

if TYPE_CHECKING:
    from windowconv.fftconv.prepared import PreparedKernel
    from windowconv.windowed import WindowedMixin


def convolve(layer: WindowedMixin, input: Tensor) -> Tensor:
    """The convolution of the input with the layer's effective weight.

    Raises:
        InputError: algorithm="fft" for a dtype that it does not take.
    """
    if layer.prepared is not None and (output := _prepared(layer, layer.prepared, input)) is not None:
        return output
    algorithm = route(layer, input)
    if algorithm == "direct":
        return layer._conv_forward(input, layer.effective_weight, layer.bias)  # pyright: ignore[reportCallIssue]
    weight, window = layer.weight_and_window()
    return convolution.convolve(layer.padded(input), weight, layer.bias, layer.geometry(), window, algorithm)


def _prepared(layer: WindowedMixin, kernel: PreparedKernel, input: Any) -> Tensor | None:
    """The output by a kernel that was prepared for inference; None for a call that it does not serve."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling() or _recorded() or not _plain(input):
        return None
    if torch._C._are_functorch_transforms_active() or torch._C._len_torch_dispatch_stack():
        return None
    if not _fits(layer, input) or convolution.autocast_dtype(input) != input.dtype:
        return None
    if not kernel.fits(problem(layer, input), input, layer.made_of()):
        return None
    axes = len(layer.kernel_size)
    padded = layer.padded(input)
    batch = padded if padded.ndim == axes + 2 else padded[None]
    output = kernel.convolve(batch if axes == 2 else batch.unsqueeze(2), layer.bias)
    output = output if axes == 2 else output.squeeze(2)
    return output if padded.ndim == axes + 2 else output[0]


def route(layer: WindowedMixin, input: Any, training: bool | None = None) -> Algorithm:
    """The algorithm that the layer takes for this input; "auto" where only the operator can tell.

    What is recorded rather than computed (export, tracing, meta tensors, subclasses of tensors), and what does not
    fit, goes directly: a record must run without this package, and torch says well what is wrong.

    Args:
        training: whether a backward pass follows; None is what torch's gradient mode says.
    """
    algorithm, weight = layer.algorithm, layer.weight
    if algorithm == "direct" or layer.transposed or _recorded() or not _plain(input) or not _plain(weight):
        return "direct"
    if not _fits(layer, input):
        return "direct"
    if algorithm == "fft" and input.dtype not in DTYPES:
        raise InputError(
            f"{layer.title()}: algorithm='fft' does not take {input.dtype}; allowed: "
            f"{', '.join(str(dtype) for dtype in DTYPES)}, or algorithm='auto'"
        )
    return convolution.resolve(input, weight, layer.geometry(), algorithm, _padded(layer, input), training)


def problem(layer: WindowedMixin, input: Tensor) -> Problem:
    """The problem that the layer is for this input."""
    return convolution.make_problem(_padded(layer, input), tuple(layer.weight.shape), layer.geometry())


def _padded(layer: WindowedMixin, input: Tensor) -> tuple[int, ...]:
    """The shape of the input as a batch, padded with what is not zero."""
    axes = len(layer.kernel_size)
    shape = list(input.shape) if input.ndim == axes + 2 else [1, *input.shape]
    if layer.padding_mode != "zeros":
        sides = layer._reversed_padding_repeated_twice
        for axis in range(axes):
            shape[-1 - axis] += sides[2 * axis] + sides[2 * axis + 1]
    return tuple(shape)


def _recorded() -> bool:
    return torch.compiler.is_exporting() or (not torch.compiler.is_compiling() and bool(torch._C._get_tracing_state()))


def _plain(tensor: Any) -> bool:
    return type(tensor) in (Tensor, nn.Parameter) and tensor.layout is torch.strided and not tensor.is_meta


def _fits(layer: WindowedMixin, input: Tensor) -> bool:
    axes = len(layer.kernel_size)
    if input.ndim not in (axes + 1, axes + 2) or input.shape[-axes - 1] != layer.in_channels:
        return False
    weight = layer.weight
    if input.dtype != weight.dtype and convolution.autocast_dtype(input) != convolution.autocast_dtype(weight):
        return False
    return input.device == weight.device
