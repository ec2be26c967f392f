"""`vmap` for the operators: the mapped axis joins the batch, the output channels or the groups.

- One kernel for all members: the axis joins the batch.
- One input for all members (or, in the weight's gradient, one input and many output gradients): it joins the output
  channels.
- Otherwise it joins the groups, which makes one convolution for each member.

A mapped tensor has the shape documented in `operator`, with a members' axis moved to the front.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

Pair = tuple[Tensor, Tensor]


def vmap_conv2d(
    op: Callable[..., Pair],
    info: Any,
    in_dims: Sequence[int | None],
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
) -> tuple[Pair, tuple[int | None, None]]:
    """The `vmap` rule of `operator.conv2d` (`op`): its outputs and their mapped axes; no spectrum is kept.

    Args:
        info: its `batch_size` is the number of members.
        in_dims: the mapped axis of each tensor; None for one that all members share.
    """
    many, x_many, w_many, bias_many, m_many = info.batch_size, *(dim is not None for dim in in_dims[:4])
    x, w, m = _front(input, in_dims[0]), _front(weight, in_dims[1]), _front_or_none(window, in_dims[3])
    added = _front_or_none(bias, in_dims[2])

    def call(x: Tensor, w: Tensor, m: Tensor | None, groups: int, bias: Tensor | None = None) -> Pair:
        return op(x, w, bias, m, stride, padding, dilation, groups, algorithm, training, False)

    if not (w_many or m_many):
        inside = None if bias_many else added
        output, spectrum = call(x.flatten(0, 1) if x_many else x, w, m, groups, inside)
        if not (x_many or bias_many):
            return (output, spectrum), (None, None)
        output = output.unflatten(0, (many, -1)) if x_many else output[None]
        added = added if bias_many else None
    elif x_many:
        output, spectrum = call(_to_channels(x), *_kernels(w, m, w_many, m_many, many, _stack), many * groups)
        output = _from_channels(output, many)
    else:
        w, m = _kernels(w, m, w_many, m_many, many, _among_outputs(groups))
        output, spectrum = call(x, w, m, groups)
        output = output.unflatten(1, (groups, many, -1)).movedim(2, 0).flatten(2, 3)
    if added is not None:
        output = output + (added[:, None] if bias_many else added)[..., None, None]
    return (output, spectrum), (0, None)


def vmap_conv2d_backward(
    op: Callable[..., Pair],
    info: Any,
    in_dims: Sequence[int | None],
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
) -> tuple[Pair, tuple[int | None, int | None]]:
    """The `vmap` rule of `operator.conv2d_backward` (`op`); each gradient takes the cheapest way of its own.

    Args: as in `vmap_conv2d`.
    """
    many, gy_many, x_many, w_many, m_many = info.batch_size, *(dim is not None for dim in in_dims[:4])
    gy, x, w = [_front(t, d) for t, d in zip((grad_output, input, weight), in_dims, strict=False)]
    m, nothing = _front_or_none(window, in_dims[3]), spectrum.new_empty(0)

    def call(gy: Tensor, x: Tensor, w: Tensor, m: Tensor | None, groups: int, needs: tuple[bool, bool]) -> Pair:
        return op(gy, x, w, m, nothing, stride, padding, dilation, groups, algorithm, *needs)

    input_by_groups = needs_input and (w_many or m_many)
    weight_by_groups = needs_weight and (x_many or m_many)
    grad_input, grad_weight = x.new_empty(0), w.new_empty(0)
    input_dim, weight_dim = None, None
    if input_by_groups or weight_by_groups:
        sides = _to_channels(_every(gy, gy_many, many)), _to_channels(_every(x, x_many, many))
        kernels = _kernels(w, m, w_many, m_many, many, _stack)
        grads = call(*sides, *kernels, many * groups, (input_by_groups, weight_by_groups))
        if input_by_groups:
            grad_input, input_dim = _from_channels(grads[0], many), 0
        if weight_by_groups:
            grad_weight, weight_dim = grads[1].unflatten(0, (many, -1)), 0
    x, w = x[0] if x_many else x, w[0] if w_many else w  # from here on only the shape of a mapped tensor matters
    if needs_input and not input_by_groups:
        if gy_many:
            shape = x.new_empty(()).expand(many * x.shape[0], *x.shape[1:])
            grad_input = call(gy.flatten(0, 1), shape, w, m, groups, (True, False))[0].unflatten(0, (many, -1))
            input_dim = 0
        else:
            grad_input = call(gy, x, w, m, groups, (True, False))[0]
    if needs_weight and not weight_by_groups:
        if gy_many:
            outputs = gy.unflatten(2, (groups, -1)).movedim(0, 2).flatten(1, 3)
            kernels = _kernels(w, m, False, False, many, _among_outputs(groups))
            grad_weight = call(outputs, x, *kernels, groups, (False, True))[1]
            grad_weight = grad_weight.unflatten(0, (groups, many, -1)).movedim(1, 0).flatten(1, 2)
            weight_dim = 0
        else:
            grad_weight = call(gy, x, w, m, groups, (False, True))[1]
    return (grad_input, grad_weight), (input_dim, weight_dim)


def _front(tensor: Tensor, dim: int | None) -> Tensor:
    return tensor if dim is None else tensor.movedim(dim, 0)


def _front_or_none(tensor: Tensor | None, dim: int | None) -> Tensor | None:
    return None if tensor is None else _front(tensor, dim)


def _every(tensor: Tensor, batched: bool, many: int) -> Tensor:
    return tensor if batched else tensor.expand(many, *tensor.shape)


def _to_channels(tensor: Tensor) -> Tensor:
    """(members, N, C, H, W) -> (N, members * C, H, W)."""
    return tensor.movedim(0, 1).flatten(1, 2)


def _from_channels(tensor: Tensor, many: int) -> Tensor:
    """(N, members * C, H, W) -> (members, N, C, H, W)."""
    return tensor.unflatten(1, (many, -1)).movedim(1, 0)


def _stack(weight: Tensor) -> Tensor:
    """(members, K, ...) -> (members * K, ...): each member's groups after those of the one before."""
    return weight.flatten(0, 1)


def _among_outputs(groups: int) -> Callable[[Tensor], Tensor]:
    """(members, groups * K, ...) -> (groups * members * K, ...)."""
    return lambda weight: weight.unflatten(1, (groups, -1)).movedim(0, 1).flatten(0, 2)


def _kernels(
    weight: Tensor,
    window: Tensor | None,
    weight_batched: bool,
    window_batched: bool,
    many: int,
    fold: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor | None]:
    """All members' weights and windows as one weight and one window; a window shared by all kernels is kept.

    Args:
        weight: (K, C / groups, kh, kw), with members in front if `weight_batched`.
        window: broadcasts to one member's weight, with members in front if `window_batched`.
        fold: joins the members of (members, K, ...) to K.
    """
    weights = _every(weight, weight_batched, many)
    if window is None:
        return fold(weights), None
    if not window_batched and window.shape[:-2].numel() == 1:
        return fold(weights), window
    if window_batched:
        window = window.reshape(many, *[1] * (weights.ndim - window.ndim), *window.shape[1:])
    return fold(weights), fold(window.expand(weights.shape))
