"""Depthwise convolutions by their definition, in the native operator: algorithm="depthwise".

torch computes the weight's gradient of kernels wider than three taps through dense blocks of zeros. This sums over the
taps directly, forward and backward. What it cannot compute is torch's own: other dtypes and devices, `torch.func`,
forward-mode derivatives. Second derivatives go through torch's convolution too.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format
from torch.autograd import Function, forward_ad
from torch.utils.flop_counter import flop_registry, register_flop_formula

from windowconv.fftconv.arguments import Geometry
from windowconv.fftconv.direct import direct_backward, direct_forward
from windowconv.fftconv.native import direct as native
from windowconv.fftconv.native import library

aten: Any = torch.ops.aten
FASTER = range(4, 15)  # taps of the longest axis: up to 3 torch's own gradients are fast, from 15 "fft" is as fast
FEWEST = 16  # channels; of a block of 32 lanes the others are lost
WIDE = 28  # columns from which torch's own forward pass of contiguous images is slower
Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]


def computes(shape: Sequence[Any], weight: Tensor, geometry: Geometry, dtype: torch.dtype) -> bool:
    """Whether the native operator computes the convolution of an input of `shape` (N, C, *sides), in `dtype`.

    While compiling, the sizes of images count as known: the operator takes torch's own for those that do not suit it.
    """
    if not native.has_kernel(tuple(weight.shape), geometry.groups, dtype) or weight.device.type != "cpu":
        return False
    if torch.compiler.is_compiling():
        return native_is_here()
    if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
        return False
    if any(isinstance(size, torch.SymInt) for size in shape):
        return False  # a tracer's symbol can be neither looked up nor compared
    return native.supports(tuple(shape), tuple(weight.shape), geometry, dtype, weight.device)


@torch.compiler.assume_constant_result  # the compiler need not trace it
def native_is_here() -> bool:
    """Whether the native operator was built and is in use."""
    return library.library() is not None


def expected_faster(weight: Tensor, training: bool) -> bool:
    """Whether it was measured to be faster than torch's own for such kernels, whatever the images' size.

    Args:
        weight: (C, 1, *taps).
        training: whether a backward pass follows; forward alone, torch's own is as fast.
    """
    return training and weight.shape[0] >= FEWEST and max(weight.shape[2:]) in FASTER


def depthwise_forward(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """The output (N, C, *outputs).

    Args:
        input: (N, C, *sides), with one to three axes, as `computes` wants it.
        weight: (C, 1, *taps), in the input's dtype, times its window.
        bias: (C,).
    """
    if torch.compiler.is_compiling():
        return depthwise(input, weight, bias, *_flat(geometry))
    tensors = (input, weight) if bias is None else (input, weight, bias)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return _Depthwise.apply(input, weight, bias, geometry)
    return _forward(input, weight, bias, geometry)


class _Depthwise(Function):
    """The convolution in eager mode: without the cost of a registered operator, which small layers feel."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(input, weight)
        ctx.geometry = geometry
        return _forward(input, weight, bias, geometry)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        input, weight = ctx.saved_tensors
        needs = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled():  # this pass will be differentiated
            return *_torch_backward(grads[0], input, weight, ctx.geometry, needs), None
        return *_backward(grads[0], input, weight, ctx.geometry, needs), None


def _forward(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    if torch._C._len_torch_dispatch_stack():  # somebody watches the operators
        return depthwise(input, weight, bias, *_flat(geometry))
    return _fast_forward(input, weight, bias, geometry)


def _fast_forward(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """The native output, or torch's own where that is as fast: for images with channels last, and narrow ones."""
    memory_format = suggest_memory_format(input)
    if memory_format != torch.contiguous_format or (input.ndim == 4 and input.shape[3] < WIDE):
        with _without_autocast(input):
            return direct_forward(input, weight, bias, None, geometry).contiguous(memory_format=memory_format)
    return native.forward(input, weight, bias, geometry)


def _backward(
    grad_output: Tensor, input: Tensor, weight: Tensor, geometry: Geometry, needs: Sequence[bool]
) -> Gradients:
    if torch._C._len_torch_dispatch_stack():
        grads = depthwise_backward(grad_output, input, weight, *_flat(geometry), list(needs))
        for_input, for_weight, for_bias = (g if needed else None for g, needed in zip(grads, needs, strict=True))
        return for_input, for_weight, for_bias
    return _native_backward(grad_output, input, weight, geometry, needs)


def _native_backward(
    grad_output: Tensor, input: Tensor, weight: Tensor, geometry: Geometry, needs: Sequence[bool]
) -> Gradients:
    for_input = native.input_gradient(grad_output, input, weight, geometry) if needs[0] else None
    if not needs[1]:
        return for_input, None, _sum(grad_output) if needs[2] else None
    return for_input, *native.weight_gradient(grad_output, input, weight, geometry, needs[2])


def _torch_backward(
    grad_output: Tensor, input: Tensor, weight: Tensor, geometry: Geometry, needs: Sequence[bool]
) -> Gradients:
    pair = direct_backward(grad_output, input, weight, None, geometry, (needs[0], needs[1]))
    return *pair, _sum(grad_output) if needs[2] else None


def _sum(grad_output: Tensor) -> Tensor:
    return grad_output.sum((0, *range(2, grad_output.ndim)))


def _flat(geometry: Geometry) -> tuple[list[int], list[int], list[int]]:
    """Stride, zeros (before, after) of each axis in turn, and dilation, as the operators take them."""
    return list(geometry.stride), [end for pair in geometry.padding for end in pair], list(geometry.dilation)


def _geometry(input: Tensor, stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]) -> Geometry:
    pairs = tuple(zip(padding[::2], padding[1::2], strict=True))
    return Geometry(tuple(stride), pairs, tuple(dilation), input.shape[1])


# --- as operators that torch and its compiler know --------------------------------------------------------------------


@torch.library.custom_op("windowconv::depthwise", mutates_args=())
def depthwise(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """The depthwise convolution of (N, C, *sides) with (C, 1, *taps) and a bias (C,): (N, C, *outputs).

    Args:
        stride, dilation: samples along each axis.
        padding: zeros (before, after) of each axis in turn.
    """
    geometry = _geometry(input, stride, padding, dilation)
    if native.supports(tuple(input.shape), tuple(weight.shape), geometry, input.dtype, input.device):
        return _fast_forward(input, weight, bias, geometry)
    with _without_autocast(input):
        output = direct_forward(input, weight, bias, None, geometry)
    return output.contiguous(memory_format=suggest_memory_format(input))


@torch.library.custom_op("windowconv::depthwise_backward", mutates_args=())
def depthwise_backward(
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    needs: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of `depthwise` for the input, the weight and the bias; empty where not needed."""
    geometry = _geometry(input, stride, padding, dilation)
    native_here = native.supports(tuple(input.shape), tuple(weight.shape), geometry, input.dtype, input.device)
    with _without_autocast(input):
        grads = (_native_backward if native_here else _torch_backward)(grad_output, input, weight, geometry, needs)
    for_input, for_weight, for_bias = (input.new_empty(0) if grad is None else grad for grad in grads)
    if needs[0]:
        for_input = for_input.contiguous(memory_format=suggest_memory_format(input))
    return for_input, for_weight.contiguous(), for_bias


@depthwise.register_fake
def _depthwise_fake(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    outputs = native.output_sides(input.shape[2:], weight.shape[2:], _geometry(input, stride, padding, dilation))
    return _fake(input, (*input.shape[:2], *outputs))


@depthwise_backward.register_fake
def _depthwise_backward_fake(
    grad_output: Tensor, input: Tensor, weight: Tensor, *options: Any
) -> tuple[Tensor, Tensor, Tensor]:
    needs, nothing = options[-1], input.new_empty(0)
    return (
        _fake(input, input.shape) if needs[0] else nothing,
        weight.new_empty(weight.shape) if needs[1] else input.new_empty(0),
        weight.new_empty(weight.shape[0]) if needs[2] else input.new_empty(0),
    )


def _fake(like: Tensor, shape: Sequence[int]) -> Tensor:
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=suggest_memory_format(like))


def _save(ctx: Any, inputs: Sequence[Any], output: Tensor) -> None:
    input, weight, _, *ctx.options = inputs
    ctx.save_for_backward(input, weight)


def _differentiate(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
    needs = list(ctx.needs_input_grad[:3])
    grads = depthwise_backward(grad_output, *ctx.saved_tensors, *ctx.options, needs)
    return *(grad if needed else None for grad, needed in zip(grads, needs, strict=True)), None, None, None


depthwise.register_autograd(_differentiate, setup_context=_save)


def _without_autocast(input: Tensor) -> Any:
    kind = input.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


@register_flop_formula(torch.ops.windowconv.depthwise)
def _flops(input: Sequence[int], weight: Sequence[int], *_: Any, out_shape: Any, **__: Any) -> int:
    return flop_registry[aten.convolution](input, weight, None, None, None, None, False, out_val=out_shape)


@register_flop_formula(torch.ops.windowconv.depthwise_backward)
def _flops_backward(
    grad_output: Sequence[int], input: Sequence[int], weight: Sequence[int], *options: Any, out_shape: Any, **_: Any
) -> int:
    rest = None, None, None, None, False, None, None, list(options[-1])
    return flop_registry[aten.convolution_backward](grad_output, input, weight, *rest, out_val=out_shape)
