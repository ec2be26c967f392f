"""Sizes, padding and offsets of a kernel that grows or shrinks while the layer's output keeps its shape.

A kernel of k taps and padding p at dilation d that becomes one of k' taps needs the padding p' = p + d (k' - k) / 2 at
each end. The same holds for a transposed layer, whose output padding is unchanged.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.errors import InputError
from windowconv.integers import as_int, as_ints
from windowconv.tables import by_sign

Convolution = Any  # any of torch's six convolutions; their common base is private
Size = tuple[int, ...]
KernelSize = int | Mapping[int, int] | Callable[[str, nn.Module], int | Sequence[int] | None] | None


def copy_model(model: Any) -> Any:
    """A deep copy of a model; an `InputError` where torch cannot make one.

    Tensors that hooks compute before each call (pruned weights, the older weight norm), which torch does not copy, are
    copied by value.
    """
    computed = {
        id(held): held.detach().clone()
        for module in model.modules()
        for held in vars(module).values()
        if isinstance(held, Tensor) and not held.is_leaf
    }
    try:
        result = copy.deepcopy(model, computed)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"model={type(model).__name__} cannot be copied; use inplace=True: {reason[:120]}") from None
    originals = dict(model.named_modules())
    for name, module in result.named_modules():  # torchvision's feature extractors lose the evaluation mode
        module.training = originals[name].training
    return result


def kernel_taps(layer: Convolution) -> Size:
    """The layer's kernel size, in Python's ints."""
    return tuple(int(k) for k in layer.kernel_size)


def grown_size(name: str, layer: Convolution, kernel_size: KernelSize) -> Size:
    """The kernel's size in taps that `kernel_size` gives this layer.

    Args:
        name: the layer's name in its model.
        kernel_size: an int for every axis but those that are larger or have one tap; a mapping from old to new sizes,
            axis by axis; a callable (name, layer) to an int, one int an axis, or None; or None for no change.

    Raises:
        InputError: a size below 1, with another number of axes, or below the layer's own.
    """
    old = kernel_taps(layer)
    if kernel_size is None:
        return old
    given: Any = kernel_size
    if (least := as_int(kernel_size)) is not None:
        if least < 1:
            raise InputError(f"kernel_size={kernel_size!r}; allowed: an int of 1 or more, in taps")
        given = [max(k, least) if k > 1 else k for k in old]
    elif isinstance(kernel_size, Mapping):
        new_of = {as_int(k): n for k, n in kernel_size.items()}
        given = [new_of.get(k, k) for k in old]
    elif callable(kernel_size):
        given = kernel_size(name, layer)
        given = old if given is None else given
    else:
        raise InputError(f"kernel_size={kernel_size!r}; allowed: an int, a mapping from old to new, or a callable")
    new = as_ints(given)
    if new is not None and as_int(given) is not None:
        new = new * len(old)
    if new is None or len(new) != len(old):
        raise InputError(
            f"layer {name!r}: kernel_size={given!r} for a kernel of {by_sign(old)}; allowed: one int an axis"
        )
    if any(n < k for n, k in zip(new, old, strict=True)):
        raise InputError(f"layer {name!r}: kernel_size={by_sign(new)} would shrink its {by_sign(old)} kernel")
    return new


def grown_padding(name: str, layer: Convolution, size: Size) -> str | Size:
    """The padding, in samples, that keeps the layer's output shape with a kernel of `size` taps.

    Raises:
        InputError: a size of another parity, for which there is none, or negative padding.
    """
    old = kernel_taps(layer)
    if layer.padding == "same" or size == old:
        return layer.padding
    padding = (0,) * len(old) if layer.padding == "valid" else layer.padding
    new = []
    for p, d, k, n in zip(padding, layer.dilation, old, size, strict=True):
        if d * (n - k) % 2:
            raise InputError(
                f"layer {name!r}: no padding keeps the output's shape when {k} taps become {n}; allowed: sizes of "
                f"the same parity, such as {n + 1} (or exclude the layer)"
            )
        new.append(p + d * (n - k) // 2)
    if any(p < 0 for p in new):
        raise InputError(f"layer {name!r}: its padding {padding} cannot shrink to that of a {by_sign(size)} kernel")
    return tuple(new)


def tap_offset(name: str, layer: Convolution, size: Size) -> Size:
    """The index of the old kernel's first tap in a kernel of `size` taps with which the layer computes the same.

    Raises:
        InputError: a size for which the old taps fall between the new ones.
    """
    old = kernel_taps(layer)
    offsets = []
    for d, k, n in zip(layer.dilation, old, size, strict=True):
        # "same" pads by d (k - 1) in all, with the odd sample at the end
        before = d * (n - 1) // 2 - d * (k - 1) // 2 if layer.padding == "same" else d * (n - k) // 2
        if before % d or (layer.padding != "same" and (n - k) % 2):
            raise InputError(
                f"layer {name!r}: {k} taps cannot be centred in {n} at dilation {d}; allowed: an even difference"
            )
        offsets.append(before // d)
    return tuple(offsets)


def embed_kernel(weight: Tensor, size: Size, offsets: Size) -> Tensor:
    """`weight`, (K, C / groups, *taps), at `offsets` in a kernel of `size` taps that is zero elsewhere."""
    new = weight.new_zeros(*weight.shape[:2], *size)
    inside = tuple(slice(o, o + k) for o, k in zip(offsets, weight.shape[2:], strict=True))
    new[(..., *inside)] = weight
    return new


def set_geometry(layer: Convolution, size: Size, padding: str | Size) -> None:
    """Set a layer's kernel size and padding, and what torch derives from them; not its weight."""
    plain = next(c for c in type(layer).__mro__ if c.__module__ == "torch.nn.modules.conv")
    options = {} if not layer.transposed else {"output_padding": layer.output_padding}
    twin: Convolution = plain(  # of one channel: a layer without any would make torch warn
        1,
        1,
        size,
        stride=layer.stride,
        padding=padding,
        dilation=layer.dilation,
        padding_mode=layer.padding_mode,
        device=torch.device("meta"),
        **options,
    )
    for attribute in ("kernel_size", "padding", "_reversed_padding_repeated_twice"):
        setattr(layer, attribute, getattr(twin, attribute))
