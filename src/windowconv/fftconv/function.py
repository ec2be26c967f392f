"""The operators as autograd functions: what `torch.func` and forward-mode derivatives need in eager mode.

`torch.library` registers an operator's gradients in a form that `torch.func.grad` refuses (torch 2.15) and that drops
forward-mode tangents without a word; `torch.autograd.Function` has rules for both. Compiled code calls the operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.autograd import Function

from windowconv.fftconv import batching, derivatives, operator

Pair = tuple[Tensor, Tensor]


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
        return derivatives.forward_mode(Convolution.apply, ctx, *tangents[:3])

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
        return derivatives.gradients_forward_mode(Gradients.apply, ctx, *tangents[:3])

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        """Many at once."""
        return batching.gradients(Gradients.apply, info, in_dims, *inputs)
