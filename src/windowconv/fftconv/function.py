"""The operators as autograd functions: what `torch.func` and forward-mode derivatives need in eager mode.

`torch.library` registers an operator's gradients in a form that `torch.func.grad` refuses (torch 2.15) and that drops
forward-mode tangents without a word; `torch.autograd.Function` has rules for both. Compiled code calls the operators.
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


def _primals(ctx: Any) -> list[Tensor | None]:
    """What was saved, without its tangents: those come as arguments, and a tangent must have none of its own."""
    return [None if tensor is None else unpack_dual(tensor).primal for tensor in ctx.saved_tensors]


class Convolution(Function):
    """`operator.conv2d`, whose arguments these are."""

    @staticmethod
    def forward(*inputs: Any) -> Pair:
        """The output and the spectrum."""
        return operator.conv2d(*inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: Sequence[Any], output: Pair) -> None:
        """What the derivatives need."""
        derivatives.save(ctx, inputs, output)
        ctx.save_for_forward(*inputs[:2], inputs[3], output[1])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """The gradients."""
        return derivatives.backward(Gradients.apply, ctx, *grads)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """The tangents."""
        with forward_mode(True):
            return derivatives.forward_mode(Convolution.apply, ctx, _primals(ctx), *tangents[:3])

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        """Many at once."""
        return batching.convolve(Convolution.apply, info, in_dims, *inputs)


class Gradients(Function):
    """`operator.conv2d_backward`, whose arguments these are."""

    @staticmethod
    def forward(*inputs: Any) -> Pair:
        """The gradients for the input and the weight."""
        return operator.conv2d_backward(*inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: Sequence[Any], output: Pair) -> None:
        """What the derivatives need."""
        derivatives.save_gradients(ctx, inputs, output)
        ctx.save_for_forward(*inputs[:4])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """The gradients' gradients."""
        return derivatives.double_backward(Convolution.apply, Gradients.apply, ctx, *grads)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """The tangents."""
        with forward_mode(True):
            return derivatives.gradients_forward_mode(Gradients.apply, ctx, _primals(ctx), *tangents[:3])

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        """Many at once."""
        return batching.gradients(Gradients.apply, info, in_dims, *inputs)
