"""The native depthwise convolution by its definition, and its gradients, of one to three axes."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import byref
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format

from windowconv.fftconv.arguments import Geometry
from windowconv.fftconv.native import library as c
from windowconv.fftconv.native.spectra import TYPES
from windowconv.fftconv.pages import ready
from windowconv.fftconv.workspace import workspace

MOST_TAPS = 15  # WC_MOST_TAPS of interface.h
MOST_SCRATCH = 64 << 20  # bytes for each thread; only dilations of dozens of samples need more
LARGEST = 1 << 24  # samples, as the library counts them
Shape = tuple[int, ...]


class _Described(NamedTuple):
    """A problem as the library's structure, the output's shape, and bytes by mode: shared, and for each thread.

    There are sizes for tensors whose channels are apart in memory, and for those where they are neighbours.
    """

    problem: c.Depthwise
    outputs: Shape
    shared: tuple[tuple[int, ...], ...]
    scratch: tuple[tuple[int, ...], ...]


def has_kernel(weight: Shape, groups: int, dtype: torch.dtype) -> bool:
    """Whether a weight of this shape is (C, 1, *taps), one for each group, of sizes and a dtype that are computed."""
    channels, each, *taps = weight
    return each == 1 and channels == groups and 1 < max(taps) <= MOST_TAPS and dtype in TYPES


def supports(input: Shape, weight: Shape, geometry: Geometry, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether this module computes the convolution of an input (N, C, *sides) with a weight (C, 1, *taps)."""
    if device.type != "cpu" or not has_kernel(weight, geometry.groups, dtype) or c.library() is None:
        return False
    if input[1] != weight[0] or min(input) < 1 or min(output_sides(input[2:], weight[2:], geometry)) < 1:
        return False
    if max(*input, *geometry.stride, *geometry.dilation, *map(sum, geometry.padding)) >= LARGEST:
        return False
    return max(map(max, _described(input, weight[2:], geometry).scratch)) <= MOST_SCRATCH


def output_sides(sides: Sequence[int], taps: Sequence[int], geometry: Geometry) -> tuple[int, ...]:
    """The output's sides, as torch counts them."""
    return tuple(
        (n + before + after - d * (k - 1) - 1) // s + 1
        for n, k, s, (before, after), d in zip(
            sides, taps, geometry.stride, geometry.padding, geometry.dilation, strict=True
        )
    )


def forward(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """The output (N, C, *outputs), in the input's memory format.

    Args:
        input: (N, C, *sides), in float32 or bfloat16 like the weight.
        weight: (C, 1, *taps).
        bias: (C,).
    """
    described = _described(tuple(input.shape), tuple(weight.shape[2:]), geometry)
    output = _empty(described.outputs, input)
    bias = None if bias is None else bias.detach().float().resolve_neg().contiguous()
    _compute(described, c.OUTPUT, output, input.resolve_neg(), _dense(weight), bias)
    return output


def input_gradient(grad_output: Tensor, input: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """The gradient of the input, of which only shape and memory format matter; arguments as in `forward`."""
    described = _described(tuple(input.shape), tuple(weight.shape[2:]), geometry)
    grad = _empty(tuple(input.shape), input)
    _compute(described, c.GRADIENT_INPUT, grad_output.resolve_neg(), grad, _dense(weight), None)
    return grad


def weight_gradient(
    grad_output: Tensor, input: Tensor, weight: Tensor, geometry: Geometry, with_bias: bool
) -> tuple[Tensor, Tensor | None]:
    """The gradients of the weight, of which only the shape matters, and of the bias; arguments as in `forward`."""
    described = _described(tuple(input.shape), tuple(weight.shape[2:]), geometry)
    grad = torch.empty(weight.shape, dtype=weight.dtype)
    for_bias = torch.empty(weight.shape[0]) if with_bias else None
    _compute(described, c.GRADIENT_KERNEL, grad_output.resolve_neg(), input.resolve_neg(), grad, for_bias)
    return grad, None if for_bias is None else for_bias.to(weight.dtype)


def _compute(
    described: _Described, mode: int, output: Tensor, input: Tensor, weight: Tensor, bias: Tensor | None
) -> None:
    """One of the library's modes; `weight` and `bias` are contiguous, the latter in float32."""
    together = (output if mode == c.GRADIENT_INPUT else input).stride(1) == 1
    threads, scratch = torch.get_num_threads(), described.scratch[together][mode]
    each = -(-scratch // 4096) * 4096 + 64
    channels, taps = weight.shape[0], weight[0].numel()
    row = c.Tensor(weight.data_ptr(), 0, 0, taps, taps, 1, 1, 1, channels, TYPES[weight.dtype])
    with workspace() as take:
        run = c.Run(threads, each, take.address(threads * each))
        operands = byref(_volume(output)), byref(_volume(input)), byref(row)
        pointer = None if bias is None else bias.data_ptr()
        shared = take.address(described.shared[together][mode])
        status = c.library().wc_direct(byref(described.problem), mode, *operands, pointer, shared, byref(run))
    assert status == 0, "the native operator refused its arguments"


def _described(input: Shape, taps: Shape, geometry: Geometry) -> _Described:
    return _described_for(input, taps, geometry, c.library().wc_lanes())


@lru_cache(maxsize=1024)
def _described_for(input: Shape, taps: Shape, geometry: Geometry, lanes: int) -> _Described:
    """Kept by the lanes of the instruction set in use, on which the sizes depend."""
    outputs = output_sides(input[2:], taps, geometry)
    befores = [before for before, _ in geometry.padding]
    sides = map(c.Side, input[2:], outputs, taps, geometry.stride, geometry.dilation, befores)
    missing = [c.Side(1, 1, 1, 1, 1, 0)] * (3 - len(taps))
    problem = c.Depthwise((c.Side * 3)(*missing, *sides), input[0], input[1])
    modes, opened = (c.OUTPUT, c.GRADIENT_INPUT, c.GRADIENT_KERNEL), c.library()
    shared, scratch = (
        tuple(tuple(size(byref(problem), mode, together) for mode in modes) for together in (False, True))
        for size in (opened.wc_direct_shared, opened.wc_direct_scratch)
    )
    return _Described(problem, (*input[:2], *outputs), shared, scratch)


def _volume(tensor: Tensor) -> c.Volume:
    """A tensor (N, C, *sides) as the library's structure, without a copy."""
    image, channel, *steps = tensor.stride()
    depth, height, width = [0] * (3 - len(steps)) + steps
    plane = (tensor.data_ptr(), 0, image, channel, height, width, tensor.shape[0], 1, tensor.shape[1])
    return c.Volume(c.Tensor(*plane, TYPES[tensor.dtype]), depth)


def _dense(weight: Tensor) -> Tensor:
    return weight.resolve_neg().contiguous()


def _empty(shape: Shape, like: Tensor) -> Tensor:
    """An empty tensor in the memory format of `like`: channels last or contiguous."""
    return ready(torch.empty(shape, dtype=like.dtype, memory_format=suggest_memory_format(like)))
