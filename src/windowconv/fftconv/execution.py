"""A problem planned and carried out: by the native operator or the reference, whole or in blocks, or else directly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from windowconv.fftconv import reference
from windowconv.fftconv.arguments import Geometry
from windowconv.fftconv.blocks import Block, GradientSum, divide, warn_too_large
from windowconv.fftconv.direct import direct_backward, direct_forward
from windowconv.fftconv.native import convolution as native
from windowconv.fftconv.problem import Problem
from windowconv.fftconv.tile_plan import TilePlan, make_plan
from windowconv.fftconv.tiling import is_channels_last
from windowconv.fftconv.workspace import workspace_limit

Gradients = tuple[Tensor | None, Tensor | None]


class Implementation(Protocol):
    """A module that carries out plans; `reference` documents the arguments."""

    @property
    def forward(
        self,
    ) -> Callable[[TilePlan, Tensor, Tensor, Tensor | None, Tensor | None, bool], tuple[Tensor, Tensor]]:
        """(plan, input, weight, bias, window, keep) to the output and the input's spectrum."""
        ...

    @property
    def backward(
        self,
    ) -> Callable[[TilePlan, Tensor, Tensor, Tensor, Tensor | None, Tensor, tuple[bool, bool]], Gradients]:
        """(plan, grad_output, input, weight, window, spectrum, needs) to the gradients of input and weight."""
        ...


def implementation(dtype: torch.dtype, device: torch.device) -> Implementation:
    """The implementation for tensors of a dtype on a device."""
    return native if native.supports(device, dtype) else reference


def forward_in_blocks(
    problem: Problem, input: Tensor, weight: Tensor, bias: Tensor | None, window: Tensor | None, keep: bool
) -> tuple[Tensor, Tensor]:
    """The output (N, K, H', W') and, if `keep` and in one block, the input's spectrum; else an empty tensor.

    Args:
        input: (N, C, H, W).
        weight: (K, C / groups, kh, kw).
        bias: (K,).
        window: (kh, kw).
    """
    plan = make_plan(problem)
    blocks = _blocks(plan, input)
    if blocks is None:
        return direct_forward(input, weight, bias, window, geometry_of(problem)), input.new_empty(0)
    module = implementation(input.dtype, input.device)
    if len(blocks) <= 1:
        return module.forward(plan, input, weight, bias, window, keep)
    last = is_channels_last(input) or is_channels_last(weight)
    memory_format = torch.channels_last if last else torch.contiguous_format
    output = input.new_empty(problem.outputs).contiguous(memory_format=memory_format)
    for block in blocks:
        part = input[block.images, block.inputs], weight[block.outputs], None if bias is None else bias[block.outputs]
        block_plan = replace(plan, problem=block.problem)
        output[block.images, block.outputs], _ = module.forward(block_plan, *part, window, False)
    return output, input.new_empty(0)


def backward_in_blocks(
    problem: Problem,
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    window: Tensor | None,
    spectrum: Tensor,
    needs: tuple[bool, bool],
) -> Gradients:
    """The gradients of the input and of the raw weight, in their shapes; None where not needed.

    Args:
        grad_output: (N, K, H', W').
        input, weight, window: as in `forward_in_blocks`.
        spectrum: what that returned, or an empty tensor.
        needs: whether the gradients of (input, weight) are needed.
    """
    plan = make_plan(problem)
    blocks = _blocks(plan, input)
    if blocks is None:
        return direct_backward(grad_output, input, weight, window, geometry_of(problem), needs)
    module = implementation(input.dtype, input.device)
    if len(blocks) <= 1:
        return module.backward(plan, grad_output, input, weight, window, spectrum, needs)
    for_input, for_weight = GradientSum(input) if needs[0] else None, GradientSum(weight) if needs[1] else None
    for block in blocks:
        block_plan = replace(plan, problem=block.problem)
        part = grad_output[block.images, block.outputs], input[block.images, block.inputs], weight[block.outputs]
        of_input, of_weight = module.backward(block_plan, *part, window, input.new_empty(0), needs)
        if for_input is not None and of_input is not None:
            for_input.add((block.images, block.inputs), of_input)
        if for_weight is not None and of_weight is not None:
            for_weight.add((block.outputs,), of_weight)
    return (
        None if for_input is None else for_input.result(),
        None if for_weight is None else for_weight.result(),
    )


def geometry_of(problem: Problem) -> Geometry:
    """Stride, padding, dilation and groups of (height, width), as `direct` takes them."""
    height, width = problem.axes
    padding = (height.before, height.after), (width.before, width.after)
    return Geometry((height.stride, width.stride), padding, (height.dilation, width.dilation), problem.groups)


def _blocks(plan: TilePlan, input: Tensor) -> list[Block] | None:
    """The blocks that the work space allows; None, with a warning, if it is too small for any."""
    limit = workspace_limit()
    division = divide(plan, limit, max(4, input.dtype.itemsize))
    if division is None:
        warn_too_large(plan, limit)
        return None
    return list(division.blocks(plan.problem))
