"""A convolution's arguments as torch spells them: made uniform, or refused with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from windowconv.errors import InputError, unknown

Ints = int | tuple[int, ...]
Algorithm = Literal["auto", "direct", "fft"]
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)  # what the frequency domain takes


class Geometry(NamedTuple):
    """Stride, padding (before, after) and dilation of each axis, and the groups."""

    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int


def check_algorithm(algorithm: object) -> None:
    """An `InputError` for anything but "auto", "direct" and "fft"."""
    if algorithm not in get_args(Algorithm):
        raise unknown("algorithm", algorithm, get_args(Algorithm))


def make_geometry(
    kernel: Sequence[int], stride: Ints, padding: Ints | str, dilation: Ints, groups: int = 1
) -> Geometry:
    """The geometry of a kernel's size and torch's arguments; one int stands for all axes.

    Raises:
        InputError: a stride or dilation below 1, negative padding, another number of axes, an unknown word, or
            padding="same" with a stride.
    """
    axes = len(kernel)
    strides = _each("stride", stride, axes, 1)
    dilations = _each("dilation", dilation, axes, 1)
    if not isinstance(padding, str):
        return Geometry(strides, tuple((p, p) for p in _each("padding", padding, axes, 0)), dilations, groups)
    if padding == "valid":
        return Geometry(strides, ((0, 0),) * axes, dilations, groups)
    if padding != "same":
        raise unknown("padding", padding, ["same", "valid"])
    if max(strides) > 1:
        raise InputError(f"padding='same' with stride={stride}; allowed: stride 1, or padding in numbers")
    total = [d * (k - 1) for d, k in zip(dilations, kernel, strict=True)]
    return Geometry(strides, tuple((t // 2, t - t // 2) for t in total), dilations, groups)


def _each(name: str, value: Ints, axes: int, least: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    if len(values) == 1:
        values = values * axes
    if len(values) != axes or not all(isinstance(v, int | torch.SymInt) and v >= least for v in values):
        raise InputError(f"{name}={value!r}; allowed: an int of {least} or more, or {axes} of them")
    return values


def check_tensors(axes: int, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> None:
    """Ranks, channels, groups, dtypes and devices of a convolution with `axes` axes.

    Raises:
        InputError: one that does not fit, by name.
    """
    for name, tensor in (("input", input), ("weight", weight), ("bias", bias)):
        if not (isinstance(tensor, Tensor) or (name == "bias" and tensor is None)):
            raise InputError(f"{name} is a {type(tensor).__name__}; allowed: a tensor")
    sides = ", ".join(["D", "H", "W"][3 - axes :] if axes > 1 else ["L"])
    if weight.ndim != axes + 2 or 0 in weight.shape:
        raise InputError(
            f"weight of shape {_shape(weight)}; allowed: (out, in / groups, {sides.lower()}), none of them 0"
        )
    if input.ndim not in (axes + 1, axes + 2) or 0 in input.shape[-axes - 1 :]:
        raise InputError(
            f"input of shape {_shape(input)}; allowed: (N, C, {sides}) or (C, {sides}), none of them 0 but N"
        )
    if not isinstance(groups, int) or groups < 1:
        raise InputError(f"groups={groups!r}; allowed: an int of 1 or more")
    channels, expected = input.shape[-axes - 1], weight.shape[1] * groups
    if channels != expected:
        raise InputError(
            f"input has {channels} channels, but a weight of shape {_shape(weight)} with groups={groups} "
            f"takes {expected}"
        )
    if weight.shape[0] % groups:
        raise InputError(f"groups={groups} does not divide the weight's {weight.shape[0]} output channels")
    if bias is not None and tuple(bias.shape) != (weight.shape[0],):
        raise InputError(f"bias of shape {_shape(bias)}; allowed: ({weight.shape[0]},), one for each output channel")
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor is not None and tensor.dtype != input.dtype:
            raise InputError(f"{name} is {tensor.dtype}, but the input {input.dtype}; allowed: the same for both")
        if tensor is not None and tensor.device != input.device:
            raise InputError(
                f"{name} is on {tensor.device}, but the input on {input.device}; allowed: the same for both"
            )


def check_dtype(input: Tensor) -> None:
    """An `InputError` for a dtype that the frequency domain does not take."""
    if input.dtype not in DTYPES:
        allowed = ", ".join(str(dtype) for dtype in DTYPES)
        raise InputError(f"input is {input.dtype}; allowed: {allowed}; for another dtype use algorithm='direct'")


def check_size(sides: Sequence[int], kernel: Sequence[int], geometry: Geometry) -> None:
    """An `InputError` for an input smaller than the kernel."""
    for n, k, (before, after), dilation in zip(sides, kernel, geometry.padding, geometry.dilation, strict=True):
        reach = dilation * (k - 1) + 1
        if n + before + after < reach:
            raise InputError(
                f"an input of {n} with padding {before} + {after} is smaller than the kernel, which reaches over "
                f"{reach}; use a larger input, more padding or a smaller kernel"
            )


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
