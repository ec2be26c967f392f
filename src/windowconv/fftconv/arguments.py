"""A convolution's arguments as torch spells them: checked, and made uniform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from windowconv.errors import InputError, unknown
from windowconv.integers import check_int, check_ints

Ints = int | tuple[int, ...]
Algorithm = Literal["auto", "direct", "fft", "depthwise"]
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)  # those of algorithm="fft"


class Geometry(NamedTuple):
    """Stride, zeros of padding (before, after) and dilation of each axis, in samples, and the number of groups."""

    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int


def check_algorithm(algorithm: object) -> None:
    """Raise an `InputError` for anything but "auto", "direct", "fft" and "depthwise"."""
    if algorithm not in get_args(Algorithm):
        raise unknown("algorithm", algorithm, get_args(Algorithm))


def make_geometry(
    kernel: Sequence[int], stride: Ints, padding: Ints | str, dilation: Ints, groups: int = 1
) -> Geometry:
    """The geometry of torch's arguments.

    Args:
        kernel: taps of each axis.
        stride, padding, dilation: samples, one int for all axes or one for each; `padding` may be "same" or "valid".
        groups: as in torch.

    Raises:
        InputError: a stride or dilation below 1, negative padding, another number of axes, an unknown word, or
            padding="same" with a stride.
    """
    axes = len(kernel)
    groups = check_int("groups", groups, 1)
    strides = check_ints("stride", stride, axes, 1)
    dilations = check_ints("dilation", dilation, axes, 1)
    if not isinstance(padding, str):
        return Geometry(strides, tuple((p, p) for p in check_ints("padding", padding, axes, 0)), dilations, groups)
    if padding == "valid":
        return Geometry(strides, ((0, 0),) * axes, dilations, groups)
    if padding != "same":
        raise unknown("padding", padding, ["same", "valid"])
    if max(strides) > 1:
        raise InputError(f"padding='same' with stride={stride}; allowed: stride=1, or padding in samples")
    total = [d * (k - 1) for d, k in zip(dilations, kernel, strict=True)]
    return Geometry(strides, tuple((t // 2, t - t // 2) for t in total), dilations, groups)


def check_tensors(axes: int, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> None:
    """Check the ranks, channels, groups, dtypes and devices of a convolution with `axes` axes.

    Args:
        input: (N, C, *sides) or (C, *sides).
        weight: (K, C / groups, *taps).
        bias: (K,) or None.

    Raises:
        InputError: naming the argument that does not fit.
    """
    for name, tensor in (("input", input), ("weight", weight), ("bias", bias)):
        if not (isinstance(tensor, Tensor) or (name == "bias" and tensor is None)):
            raise InputError(f"{name}={type(tensor).__name__}; allowed: a tensor")
    sides = ", ".join(["D", "H", "W"][3 - axes :] if axes > 1 else ["L"])
    if weight.ndim != axes + 2 or 0 in weight.shape:
        raise InputError(f"weight.shape={_shape(weight)}; allowed: (out, in / groups, {sides.lower()}), none of them 0")
    if input.ndim not in (axes + 1, axes + 2) or 0 in input.shape[-axes - 1 :]:
        raise InputError(f"input.shape={_shape(input)}; allowed: (N, C, {sides}) or (C, {sides}), none but N of them 0")
    groups = check_int("groups", groups, 1)
    channels, expected = input.shape[-axes - 1], weight.shape[1] * groups
    if channels != expected:
        raise InputError(
            f"input.shape={_shape(input)} has {channels} channels; allowed: {expected}, for "
            f"weight.shape={_shape(weight)} and groups={groups}"
        )
    if weight.shape[0] % groups:
        raise InputError(f"groups={groups}; allowed: a divisor of the weight's {weight.shape[0]} output channels")
    if bias is not None and tuple(bias.shape) != (weight.shape[0],):
        raise InputError(f"bias.shape={_shape(bias)}; allowed: ({weight.shape[0]},), one for each output channel")
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor is not None and tensor.dtype != input.dtype:
            raise InputError(f"{name}.dtype={tensor.dtype}; allowed: the input's, {input.dtype}")
        if tensor is not None and tensor.device != input.device:
            raise InputError(f"{name}.device={tensor.device}; allowed: the input's, {input.device}")


def check_dtype(input: Tensor) -> None:
    """Raise an `InputError` for a dtype that algorithm="fft" does not support."""
    if input.dtype not in DTYPES:
        allowed = ", ".join(str(dtype) for dtype in DTYPES)
        raise InputError(f"input.dtype={input.dtype}; allowed: {allowed}, or algorithm='direct'")


def check_depthwise(weight: Tensor, groups: int) -> None:
    """Raise an `InputError` for a weight (K, C / groups, *taps) that algorithm="depthwise" does not compute."""
    if weight.shape[1] > 1 or weight.shape[0] != groups:
        raise InputError(
            f"groups={groups} with weight.shape={_shape(weight)}; allowed with algorithm='depthwise': one group, one "
            "input and one output for each channel"
        )


def check_size(sides: Sequence[int], kernel: Sequence[int], geometry: Geometry) -> None:
    """Raise an `InputError` for an input whose `sides`, padded, are shorter than the `kernel`, both in samples."""
    for n, k, padding, dilation in zip(sides, kernel, geometry.padding, geometry.dilation, strict=True):
        reach = dilation * (k - 1) + 1
        if n + sum(padding) < reach:
            raise too_small(n, padding, reach)


def too_small(size: int, padding: tuple[int, int], reach: int, prefix: str = "") -> InputError:
    """The error, after `prefix`, for a side of `size` samples and its padding below the kernel's `reach`."""
    return InputError(
        f"{prefix}input side={size} with padding={padding[0]} + {padding[1]} is smaller than the kernel; allowed: "
        f"{reach} or more in all (a larger input, more padding or a smaller kernel)"
    )


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
