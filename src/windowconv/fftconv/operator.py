"""The convolution as two operators that torch knows: `windowconv::conv2d` and its gradients.

Registered with shapes for the compiler, derivatives to any order, `vmap` and the direct method's count of operations.
`torch.func.grad` and forward-mode derivatives do not reach a registered operator: see `function.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format
from torch.utils.flop_counter import flop_registry, register_flop_formula

from windowconv.fftconv import backend, batching, derivatives, direct
from windowconv.fftconv.choice import choose
from windowconv.fftconv.problem import Axis, Problem
from windowconv.fftconv.reference import compute_dtype

aten: Any = torch.ops.aten


@torch.library.custom_op("windowconv::conv2d", mutates_args=())
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    window: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    algorithm: str,
    training: bool,
    keep: bool,
) -> tuple[Tensor, Tensor]:
    """The convolution of (N, C, H, W) with (K, C / groups, kh, kw), times a window that broadcasts to the weight.

    Args:
        window: fixed; no gradient flows to it.
        stride, dilation: (height, width).
        padding: zeros (above, below, left, right).
        algorithm: "fft", "direct" (torch's own), or "auto": whichever `choose` expects to be faster, decided at
            every call, for compiled code whose shapes are not known before.
        training: whether a backward pass will follow, for that choice.
        keep: return the input's spectrum for the backward pass.

    Returns:
        The output, and the spectrum: empty unless kept.
    """
    geometry = (stride, padding, dilation, groups)
    problem = make_problem(input.shape, weight.shape, *geometry)
    with _plain(input):
        if _resolve(algorithm, problem, input, training) == "direct":
            output, spectrum = direct.convolve(input, weight, bias, window, *geometry), input.new_empty(0)
        else:
            output, spectrum = backend.convolve(problem, input, weight, bias, window, keep)
        # the compiler expects the dtype of spectra, whichever implementation found nothing to keep
        return output.contiguous(memory_format=_format(input, weight)), spectrum.to(compute_dtype(input.dtype))


@torch.library.custom_op("windowconv::conv2d_backward", mutates_args=())
def conv2d_backward(
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    window: Tensor | None,
    spectrum: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    algorithm: str,
    needs_input: bool,
    needs_weight: bool,
) -> tuple[Tensor, Tensor]:
    """The gradients of `conv2d` for the input and the raw weight; empty where they are not needed.

    Where only the input's gradient is needed, of `input` only the shape is looked at; the same holds for `weight`.
    """
    geometry = (stride, padding, dilation, groups)
    problem = make_problem(input.shape, weight.shape, *geometry)
    needs = (needs_input, needs_weight)
    grad_input, grad_weight = None, None
    with _plain(input):
        if _resolve(algorithm, problem, input, True) == "direct":
            grad_input, grad_weight = direct.gradients(grad_output, input, weight, window, *geometry, needs)
        elif any(needs):
            grad_input, grad_weight = backend.gradients(problem, grad_output, input, weight, window, spectrum, needs)
        return (
            input.new_empty(0) if grad_input is None else grad_input.contiguous(memory_format=_format(input)),
            weight.new_empty(0) if grad_weight is None else grad_weight.contiguous(memory_format=_format(weight)),
        )


def make_problem(
    input: Sequence[int],
    weight: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Problem:
    """The problem of shapes (N, C, H, W) and (K, C / groups, kh, kw), the rest as in `conv2d`."""
    axes = (
        Axis(input[2], weight[2], stride[0], dilation[0], padding[0], padding[1]),
        Axis(input[3], weight[3], stride[1], dilation[1], padding[2], padding[3]),
    )
    return Problem(input[0], input[1], weight[0], groups, axes)


def _resolve(algorithm: str, problem: Problem, input: Tensor, training: bool) -> str:
    return choose(problem, input.dtype, input.device, training) if algorithm == "auto" else algorithm


def _plain(input: Tensor) -> Any:
    """Without autocast, which would change the precision of what an implementation computes with."""
    kind = input.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


def _format(*tensors: Tensor) -> torch.memory_format:
    """Channels-last if one of them is, as torch's convolution does."""
    last = any(suggest_memory_format(tensor) == torch.channels_last for tensor in tensors)
    return torch.channels_last if last else torch.contiguous_format


# --- what torch wants to know -----------------------------------------------------------------------------------------


@conv2d.register_fake
def _conv2d_fake(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    window: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    algorithm: str,
    training: bool,
    keep: bool,
) -> tuple[Tensor, Tensor]:
    outputs = [axis.outputs for axis in make_problem(input.shape, weight.shape, stride, padding, dilation, groups).axes]
    shape = (input.shape[0], weight.shape[0], *outputs)
    length = torch.library.get_ctx().new_dynamic_size() if keep else 0
    return _empty(input, shape, _format(input, weight)), input.new_empty(length, dtype=compute_dtype(input.dtype))


@conv2d_backward.register_fake
def _conv2d_backward_fake(
    grad_output: Tensor, input: Tensor, weight: Tensor, window: Tensor | None, spectrum: Tensor, *options: Any
) -> tuple[Tensor, Tensor]:
    pairs = zip((input, weight), options[-2:], strict=True)
    grads = [_empty(t, t.shape, _format(t)) if needed else t.new_empty(0) for t, needed in pairs]
    return grads[0], grads[1]


def _empty(like: Tensor, shape: Sequence[int], memory_format: torch.memory_format) -> Tensor:
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=memory_format)


conv2d.register_autograd(partial(derivatives.backward, conv2d_backward), setup_context=derivatives.save)
conv2d_backward.register_autograd(
    partial(derivatives.double_backward, conv2d, conv2d_backward), setup_context=derivatives.save_gradients
)
conv2d.register_vmap(partial(batching.convolve, conv2d))
conv2d_backward.register_vmap(partial(batching.gradients, conv2d_backward))


@register_flop_formula(torch.ops.windowconv.conv2d)
def _flops(input: Sequence[int], weight: Sequence[int], *_: Any, out_shape: Any, **__: Any) -> int:
    """The direct method's count, whatever the algorithm."""
    return flop_registry[aten.convolution](input, weight, None, None, None, None, False, out_val=out_shape[0])


@register_flop_formula(torch.ops.windowconv.conv2d_backward)
def _flops_backward(
    grad_output: Sequence[int], input: Sequence[int], weight: Sequence[int], *options: Any, out_shape: Any, **_: Any
) -> int:
    needs = [*options[-2:], False]
    rest = None, None, None, None, False, None, None, needs
    return flop_registry[aten.convolution_backward](grad_output, input, weight, *rest, out_val=out_shape)
