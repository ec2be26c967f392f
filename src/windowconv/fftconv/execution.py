"""A convolution planned and carried out: by the native operator or the reference, whole or in blocks, or directly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from windowconv.fftconv import direct, reference
from windowconv.fftconv.blocks import Block, Division, Sum, divide, tell_too_large
from windowconv.fftconv.native import convolution as native
from windowconv.fftconv.plan import Plan, make_plan
from windowconv.fftconv.problem import Problem
from windowconv.fftconv.samples import is_channels_last
from windowconv.fftconv.workspace import workspace_limit

Gradients = tuple[Tensor | None, Tensor | None]


class Implementation(Protocol):
    """What carries out a plan; the documented one is `reference`."""

    @property
    def convolve(self) -> Callable[[Plan, Tensor, Tensor, Tensor | None, Tensor | None, bool], tuple[Tensor, Tensor]]:
        """(plan, input, weight, bias, window, keep) to the output and the input's spectrum."""
        ...

    @property
    def gradients(
        self,
    ) -> Callable[[Plan, Tensor, Tensor, Tensor, Tensor | None, Tensor, tuple[bool, bool]], Gradients]:
        """(plan, grad_output, input, weight, window, spectrum, needs) to the gradients of input and weight."""
        ...


def implementation(dtype: torch.dtype, device: torch.device) -> Implementation:
    """What carries out plans for tensors of this kind."""
    return native if native.supports(device, dtype) else reference


def convolve(
    problem: Problem, input: Tensor, weight: Tensor, bias: Tensor | None, window: Tensor | None, keep: bool
) -> tuple[Tensor, Tensor]:
    """The output, and the input's spectrum if it is to be kept and was made in one piece."""
    plan = make_plan(problem)
    blocks = _blocks(plan, input)
    if blocks is None:
        return direct.convolve(input, weight, bias, window, *_geometry(problem)), input.new_empty(0)
    module = implementation(input.dtype, input.device)
    if len(blocks) <= 1:
        return module.convolve(plan, input, weight, bias, window, keep)
    last = is_channels_last(input) or is_channels_last(weight)
    shape = (problem.batch, problem.out_channels, *(axis.outputs for axis in problem.axes))
    output = input.new_empty(shape).contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    for block in blocks:
        part = input[block.images, block.inputs], weight[block.outputs], None if bias is None else bias[block.outputs]
        inside = replace(plan, problem=block.problem)
        output[block.images, block.outputs], _ = module.convolve(inside, *part, _window(window, weight, block), False)
    return output, input.new_empty(0)


def gradients(
    problem: Problem,
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    window: Tensor | None,
    spectrum: Tensor,
    needs: tuple[bool, bool],
) -> Gradients:
    """The gradients of the input and of the raw weight; None where not needed."""
    plan = make_plan(problem)
    blocks = _blocks(plan, input)
    if blocks is None:
        return direct.gradients(grad_output, input, weight, window, *_geometry(problem), needs)
    module = implementation(input.dtype, input.device)
    if len(blocks) <= 1:
        return module.gradients(plan, grad_output, input, weight, window, spectrum, needs)
    for_input, for_weight = Sum(input) if needs[0] else None, Sum(weight) if needs[1] else None
    for block in blocks:
        inside = replace(plan, problem=block.problem)
        part = grad_output[block.images, block.outputs], input[block.images, block.inputs], weight[block.outputs]
        nothing = input.new_empty(0)
        of_input, of_weight = module.gradients(inside, *part, _window(window, weight, block), nothing, needs)
        if for_input is not None and of_input is not None:
            for_input.add((block.images, block.inputs), of_input)
        if for_weight is not None and of_weight is not None:
            for_weight.add((block.outputs,), of_weight)
    return (
        None if for_input is None else for_input.result(),
        None if for_weight is None else for_weight.result(),
    )


def _blocks(plan: Plan, input: Tensor) -> list[Block] | None:
    """The blocks that the work space allows; None if it allows not even the smallest."""
    limit = workspace_limit()
    division: Division | None = divide(plan, limit, max(4, input.dtype.itemsize))
    if division is None:
        tell_too_large(plan, limit)
        return None
    return list(division.blocks(plan.problem))


def _window(window: Tensor | None, weight: Tensor, block: Block) -> Tensor | None:
    """The window of a block's kernels: a part of it where it differs by output channel."""
    if window is None or window.ndim < weight.ndim or window.shape[0] == 1:
        return window
    return window[block.outputs]


def _geometry(problem: Problem) -> tuple[list[int], list[int], list[int], int]:
    """Stride, padding, dilation and groups as `direct` takes them."""
    height, width = problem.axes
    padding = [height.before, height.after, width.before, width.after]
    return [height.stride, width.stride], padding, [height.dilation, width.dilation], problem.groups
