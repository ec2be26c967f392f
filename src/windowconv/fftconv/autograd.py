"""The operators as autograd functions: what `torch.func` and forward-mode derivatives need in eager mode.

`torch.library` registers an operator's gradients in a form that `torch.func.grad` refuses (torch 2.15) and that
silently drops forward-mode tangents; `torch.autograd.Function` has rules for both. Compiled code calls the operators.
Torch switches forward mode off while it calls a `jvp`, which would lose the tangents of an outer `jvp`: it is switched
on again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.autograd import Function
from torch.autograd.forward_ad import _set_fwd_grad_enabled as forward_mode
from torch.autograd.forward_ad import unpack_dual

from windowconv.fftconv import batching, derivatives, operator

Pair = tuple[Tensor, Tensor]


class Conv2d(Function):
    """`operator.conv2d`, with its arguments and results."""

    @staticmethod
    def forward(*inputs: Any) -> Pair:
        return operator.conv2d(*inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: Sequence[Any], output: Pair) -> None:
        derivatives.save_for_conv2d(ctx, inputs, output)
        ctx.save_for_forward(*inputs[:2], inputs[3], output[1])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return derivatives.conv2d_vjp(Conv2dBackward.apply, ctx, *grads)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        with forward_mode(True):
            return derivatives.conv2d_jvp(Conv2d.apply, ctx, _primals(ctx), *tangents[:3])

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        return batching.vmap_conv2d(Conv2d.apply, info, in_dims, *inputs)


class Conv2dBackward(Function):
    """`operator.conv2d_backward`, with its arguments and results."""

    @staticmethod
    def forward(*inputs: Any) -> Pair:
        return operator.conv2d_backward(*inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: Sequence[Any], output: Pair) -> None:
        derivatives.save_for_backward(ctx, inputs, output)
        ctx.save_for_forward(*inputs[:4])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return derivatives.backward_vjp(Conv2d.apply, Conv2dBackward.apply, ctx, *grads)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        with forward_mode(True):
            return derivatives.backward_jvp(Conv2dBackward.apply, ctx, _primals(ctx), *tangents[:3])

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        return batching.vmap_conv2d_backward(Conv2dBackward.apply, info, in_dims, *inputs)


def _primals(ctx: Any) -> list[Tensor | None]:
    """The saved tensors without their tangents, which come as arguments: a tangent must have none of its own."""
    return [None if tensor is None else unpack_dual(tensor).primal for tensor in ctx.saved_tensors]
