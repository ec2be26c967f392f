"""The convolution as two operators that torch knows: `windowconv::conv2d` and `windowconv::conv2d_backward`.

Registered with output shapes for the compiler, derivatives of any order, `vmap` and the direct method's operation
count. `torch.func.grad` and forward-mode derivatives do not reach a registered operator: see `autograd`.
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

from windowconv.fftconv import batching, choice, derivatives, rewriting
from windowconv.fftconv.direct import direct_backward, direct_forward
from windowconv.fftconv.execution import geometry_of
from windowconv.fftconv.problem import Problem, cached_problem, make_problem
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
    """The convolution of (N, C, H, W) with the windowed weight.

    Args:
        input: (N, C, H, W).
        weight: (K, C / groups, kh, kw).
        bias: (K,).
        window: broadcasts to the weight; no gradient flows to it.
        stride, dilation: samples along (height, width).
        padding: zeros (above, below, left, right).
        algorithm: "fft", "direct", or "auto": `choice.choose` decides at every call, for compiled code that does not
            know its shapes in advance.
        training: whether a backward pass follows; only "auto" asks.
        keep: return the input's spectrum for the backward pass.

    Returns:
        The output (N, K, H', W') and the spectrum, flat: empty unless kept.
    """
    problem = _problem(input, weight, stride, padding, dilation, groups)
    with _without_autocast(input):
        if _chosen(algorithm, problem, input, training) == "direct":
            output = direct_forward(input, weight, bias, window, geometry_of(problem))
            spectrum = input.new_empty(0)
        else:
            output, spectrum = rewriting.forward_rewritten(problem, input, weight, bias, window, keep)
        # the compiler expects the dtype of spectra of an empty one too
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
    """The gradients of `conv2d` for the input and the raw weight, in their shapes; empty where not needed.

    If only the input's gradient is needed, only the shape of `input` matters, not its values; the same for `weight`.

    Args:
        grad_output: (N, K, H', W').
        spectrum: what `conv2d` returned, or an empty tensor.
        needs_input, needs_weight: which gradients to compute.
    """
    problem = _problem(input, weight, stride, padding, dilation, groups)
    needs = (needs_input, needs_weight)
    grad_input, grad_weight = None, None
    with _without_autocast(input):
        if _chosen(algorithm, problem, input, True) == "direct":
            grad_input, grad_weight = direct_backward(grad_output, input, weight, window, geometry_of(problem), needs)
        elif any(needs):
            operands = grad_output, input, weight, window, spectrum
            grad_input, grad_weight = rewriting.backward_rewritten(problem, *operands, needs)
        return (
            input.new_empty(0) if grad_input is None else grad_input.contiguous(memory_format=_format(input)),
            weight.new_empty(0) if grad_weight is None else grad_weight.contiguous(memory_format=_format(weight)),
        )


def _problem(
    input: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Problem:
    """The problem of a call's arguments, built once for all calls of these sizes."""
    shapes = tuple(input.shape), tuple(weight.shape)
    return cached_problem(*shapes, tuple(stride), tuple(padding), tuple(dilation), groups)


def _chosen(algorithm: str, problem: Problem, input: Tensor, training: bool) -> str:
    return choice.choose(problem, input.dtype, input.device, training) if algorithm == "auto" else algorithm


def _without_autocast(input: Tensor) -> Any:
    """A context without autocast, which would lower the precision of an implementation's own products."""
    kind = input.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


def _format(*tensors: Tensor) -> torch.memory_format:
    """Channels-last if one of them is, as in torch's convolution."""
    last = any(suggest_memory_format(tensor) == torch.channels_last for tensor in tensors)
    return torch.channels_last if last else torch.contiguous_format


# --- registration with torch ------------------------------------------------------------------------------------------


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
    # built anew: sizes may be symbols here, which no cache takes
    shape = make_problem(input.shape, weight.shape, stride, padding, dilation, groups).outputs
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


conv2d.register_autograd(partial(derivatives.conv2d_vjp, conv2d_backward), setup_context=derivatives.save_for_conv2d)
conv2d_backward.register_autograd(
    partial(derivatives.backward_vjp, conv2d, conv2d_backward), setup_context=derivatives.save_for_backward
)
conv2d.register_vmap(partial(batching.vmap_conv2d, conv2d))
conv2d_backward.register_vmap(partial(batching.vmap_conv2d_backward, conv2d_backward))


@register_flop_formula(torch.ops.windowconv.conv2d)
def _flops(input: Sequence[int], weight: Sequence[int], *_: Any, out_shape: Any, **__: Any) -> int:
    """The direct method's operations, whatever the algorithm."""
    return flop_registry[aten.convolution](input, weight, None, None, None, None, False, out_val=out_shape[0])


@register_flop_formula(torch.ops.windowconv.conv2d_backward)
def _flops_backward(
    grad_output: Sequence[int], input: Sequence[int], weight: Sequence[int], *options: Any, out_shape: Any, **_: Any
) -> int:
    needs = [*options[-2:], False]
    rest = None, None, None, None, False, None, None, needs
    return flop_registry[aten.convolution_backward](grad_output, input, weight, *rest, out_val=out_shape)
