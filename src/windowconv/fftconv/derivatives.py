"""The derivatives of the convolution and of its gradients, to any order.

For a fixed window m, the convolution y = conv(x, m w) and its gradients B(gy, x, w) = (conv'(gy, m w), m corr(x, gy))
are closed under differentiation. With ggx and ggw the gradients that arrive at B's two outputs, those of its inputs are

    gy: conv(ggx, m w) + conv(x, m ggw)        x: B(gy, ., ggw)[0]        w: B(gy, ggx, .)[1]

All of this is bilinear, so forward-mode derivatives (Jacobian-vector products) are the same two functions again.

`conv2d` and `conv2d_backward` below are the operators themselves, or the functions that `autograd` makes of them. All
tensors have the shapes documented in `operator`; a gradient or tangent has that of its tensor, or is None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

Operator = Callable[..., tuple[Tensor, Tensor]]
Maybe = Tensor | None


def save_for_conv2d(ctx: Any, inputs: Sequence[Any], output: tuple[Tensor, Tensor]) -> None:
    """Save what the convolution's derivatives need, from its arguments and its output and spectrum."""
    input, weight, _, window, *geometry, algorithm, _, _ = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(input, weight, window, output[1])
    ctx.options = (*geometry, algorithm)
    ctx.shape = output[0].shape


def conv2d_vjp(conv2d_backward: Operator, ctx: Any, grad_output: Maybe, _: None) -> tuple[Maybe, ...]:
    """The gradients of `conv2d` for its eleven arguments; only those needed are computed."""
    grads: list[Maybe] = [None] * 11
    if grad_output is None:
        return tuple(grads)
    input, weight, window, spectrum = ctx.saved_tensors
    needs = ctx.needs_input_grad[:2]
    if any(needs):
        pair = conv2d_backward(grad_output, input, weight, window, spectrum, *ctx.options, *needs)
        grads[:2] = [grad if needed else None for grad, needed in zip(pair, needs, strict=True)]
    if ctx.needs_input_grad[2]:
        grads[2] = grad_output.sum((0, 2, 3))
    return tuple(grads)


def conv2d_jvp(
    conv2d: Operator, ctx: Any, saved: Sequence[Any], t_input: Maybe, t_weight: Maybe, t_bias: Maybe
) -> tuple[Maybe, None]:
    """The output's tangent for those of the input, the weight and the bias."""
    input, weight, window, _ = saved
    parts = [
        conv2d(x, w, None, window, *ctx.options, True, False)[0]
        for x, w in ((t_input, weight), (input, t_weight))
        if x is not None and w is not None
    ]
    if t_bias is not None:
        parts.append(t_bias[:, None, None].expand(ctx.shape))
    return _total(parts), None


def save_for_backward(ctx: Any, inputs: Sequence[Any], output: tuple[Tensor, Tensor]) -> None:
    """Save what the derivatives of the gradients need, from the arguments of `conv2d_backward`."""
    grad_output, input, weight, window, _, *options, needs_input, needs_weight = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(grad_output, input, weight, window)
    ctx.options = options
    ctx.needs = (needs_input, needs_weight)


def backward_vjp(conv2d: Operator, conv2d_backward: Operator, ctx: Any, *grads: Maybe) -> tuple[Maybe, ...]:
    """The gradients of `conv2d_backward` for its twelve arguments: the output's gradient, the input and the weight."""
    grad_output, input, weight, window = ctx.saved_tensors
    gg_input, gg_weight = [grad if needed else None for grad, needed in zip(grads, ctx.needs, strict=True)]
    result: list[Maybe] = [None] * 12
    options, nothing = ctx.options, weight.new_empty(0)  # a kept spectrum is of another input
    if ctx.needs_input_grad[0]:
        pairs = ((gg_input, weight), (input, gg_weight))
        parts = [
            conv2d(x, w, None, window, *options, True, False)[0] for x, w in pairs if x is not None and w is not None
        ]
        result[0] = _total(parts)
    if ctx.needs_input_grad[1] and gg_weight is not None:
        result[1] = conv2d_backward(grad_output, input, gg_weight, window, nothing, *options, True, False)[0]
    if ctx.needs_input_grad[2] and gg_input is not None:
        result[2] = conv2d_backward(grad_output, gg_input, weight, window, nothing, *options, False, True)[1]
    return tuple(result)


def backward_jvp(
    conv2d_backward: Operator, ctx: Any, saved: Sequence[Any], t_grad: Maybe, t_input: Maybe, t_weight: Maybe
) -> tuple[Tensor, Tensor]:
    """The tangents of both gradients for those of the output's gradient, the input and the weight."""
    grad_output, input, weight, window = saved
    needs_input, needs_weight = ctx.needs
    options, nothing = ctx.options, weight.new_empty(0)
    pairs: list[list[Tensor]] = [[], []]
    for gy, x, w, of_input, of_weight in (
        (t_grad, input, weight, needs_input, needs_weight),
        (grad_output, t_input, t_weight, needs_input and t_weight is not None, needs_weight and t_input is not None),
    ):
        if gy is not None and (of_input or of_weight):
            x, w = input if x is None else x, weight if w is None else w
            pair = conv2d_backward(gy, x, w, window, nothing, *options, of_input, of_weight)
            for parts, part, needed in zip(pairs, pair, (of_input, of_weight), strict=True):
                parts.extend([part] if needed else [])
    zeros = [t.new_zeros(t.shape if needed else 0) for t, needed in ((input, needs_input), (weight, needs_weight))]
    return sum(pairs[0], zeros[0]), sum(pairs[1], zeros[1])


def _total(parts: Sequence[Tensor]) -> Maybe:
    return sum(parts[1:], parts[0]) if parts else None
