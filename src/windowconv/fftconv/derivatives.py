"""The derivatives of the convolution and of its gradients, to any order.

With a fixed window m, y = conv(x, m w) and its gradients B(gy, x, w) = (conv'(gy, m w), m corr(x, gy)) are closed: the
derivatives of B for (ggx, ggw) are conv(ggx, m w) + conv(x, m ggw) for gy, B(gy, ., ggw)[0] for x, B(gy, ggx, .)[1]
for w. All is bilinear, so forward-mode derivatives are the same two again. `conv2d` and `gradients` are the operators
themselves, or what `function.py` makes of them; the arguments are theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

Call = Callable[..., tuple[Tensor, Tensor]]
Some = Tensor | None


def save(ctx: Any, inputs: Sequence[Any], output: tuple[Tensor, Tensor]) -> None:
    """What the convolution's derivatives need."""
    input, weight, _, window, *geometry, algorithm, _, _ = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(input, weight, window, output[1])
    ctx.options = (*geometry, algorithm)
    ctx.shape = output[0].shape


def backward(gradients: Call, ctx: Any, grad_output: Some, _: None) -> tuple[Some, ...]:
    """The convolution's gradients; none that is not needed is computed."""
    grads: list[Some] = [None] * 11
    if grad_output is None:
        return tuple(grads)
    input, weight, window, spectrum = ctx.saved_tensors
    needs = ctx.needs_input_grad[:2]
    if any(needs):
        pair = gradients(grad_output, input, weight, window, spectrum, *ctx.options, *needs)
        grads[:2] = [grad if needed else None for grad, needed in zip(pair, needs, strict=True)]
    if ctx.needs_input_grad[2]:
        grads[2] = grad_output.sum((0, 2, 3))
    return tuple(grads)


def forward_mode(
    conv2d: Call, ctx: Any, saved: Sequence[Any], t_input: Some, t_weight: Some, t_bias: Some
) -> tuple[Some, None]:
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


def save_gradients(ctx: Any, inputs: Sequence[Any], output: tuple[Tensor, Tensor]) -> None:
    """What the gradients' derivatives need."""
    grad_output, input, weight, window, _, *options, needs_input, needs_weight = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(grad_output, input, weight, window)
    ctx.options = options
    ctx.needs = (needs_input, needs_weight)


def double_backward(conv2d: Call, gradients: Call, ctx: Any, *grads: Some) -> tuple[Some, ...]:
    """The gradients' own gradients for the output's gradient, the input and the weight."""
    grad_output, input, weight, window = ctx.saved_tensors
    gg_input, gg_weight = [grad if needed else None for grad, needed in zip(grads, ctx.needs, strict=True)]
    result: list[Some] = [None] * 12
    options, nothing = ctx.options, weight.new_empty(0)  # a kept spectrum is that of another input
    if ctx.needs_input_grad[0]:
        pairs = ((gg_input, weight), (input, gg_weight))
        parts = [
            conv2d(x, w, None, window, *options, True, False)[0] for x, w in pairs if x is not None and w is not None
        ]
        result[0] = _total(parts)
    if ctx.needs_input_grad[1] and gg_weight is not None:
        result[1] = gradients(grad_output, input, gg_weight, window, nothing, *options, True, False)[0]
    if ctx.needs_input_grad[2] and gg_input is not None:
        result[2] = gradients(grad_output, gg_input, weight, window, nothing, *options, False, True)[1]
    return tuple(result)


def gradients_forward_mode(
    gradients: Call, ctx: Any, saved: Sequence[Any], t_grad: Some, t_input: Some, t_weight: Some
) -> tuple[Tensor, Tensor]:
    """The gradients' tangents for those of the output's gradient, the input and the weight."""
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
            pair = gradients(gy, x, w, window, nothing, *options, of_input, of_weight)
            for parts, part, needed in zip(pairs, pair, (of_input, of_weight), strict=True):
                parts.extend([part] if needed else [])
    zeros = [t.new_zeros(t.shape if needed else 0) for t, needed in ((input, needs_input), (weight, needs_weight))]
    return sum(pairs[0], zeros[0]), sum(pairs[1], zeros[1])


def _total(parts: Sequence[Tensor]) -> Some:
    return sum(parts[1:], parts[0]) if parts else None
