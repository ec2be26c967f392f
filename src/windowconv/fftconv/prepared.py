"""A kernel made ready for inference: its spectrum, packed once, for inputs of one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from windowconv.fftconv import backend
from windowconv.fftconv.blocks import divide
from windowconv.fftconv.native import convolution as native
from windowconv.fftconv.plan import Plan, make_plan, training_cost
from windowconv.fftconv.problem import Problem
from windowconv.fftconv.samples import is_channels_last
from windowconv.fftconv.workspace import workspace_limit

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Preparation:
    """What preparing a convolution's kernel would take and save."""

    problem: Problem
    plan: Plan  # of the problem as it is carried out
    bytes: int
    gain: float  # multiply-adds' worth of time that a call saves


def preparation(problem: Problem, dtype: torch.dtype) -> Preparation | None:
    """How a kernel would be prepared; None where the native operator does not take it in one piece."""
    if not native.supports(CPU, dtype) or problem.batch == 0:
        return None
    steps = backend.rewrite(problem)
    plan = make_plan(steps[-1].after if steps else problem)
    if not all(axis.touching for axis in plan.problem.axes):
        return None
    division = divide(plan, workspace_limit())
    if division is None or len(list(division.blocks(plan.problem))) != 1:
        return None
    without = replace(plan, problem=replace(plan.problem, batch=0))
    return Preparation(problem, plan, native.packed_bytes(plan), training_cost(without) / 3)


class PreparedKernel:
    """A packed kernel, and the tensors that it was made of: it is out of date when one of them changes.

    It is a cache: copies and pickles of it are None.
    """

    def __init__(self, how: Preparation, weight: Tensor, window: Tensor | None, made_of: Sequence[Tensor]) -> None:
        """Pack `weight * window`, which was made of the tensors `made_of`."""
        self.how = how
        self.made_of = [(tensor, _version(tensor)) for tensor in made_of]
        self.dtype, self.channels_last = weight.dtype, is_channels_last(weight)
        self.steps = backend.rewrite(how.problem)
        weight = weight.detach()
        if self.steps:
            weight = weight if window is None else (weight * window).to(weight.dtype)
            window = None
            for step in self.steps:
                weight = step.weight(weight, step.before)
        self.packed = native.pack(how.plan, weight, window)

    def fits(self, problem: Problem, input: Tensor, made_of: Sequence[Tensor]) -> bool:
        """Whether it serves such a call: the same sizes but for the batch, made of the same unchanged tensors."""
        if problem.batch == 0 or input.dtype != self.dtype or len(made_of) != len(self.made_of):
            return False
        if replace(problem, batch=self.how.problem.batch) != self.how.problem:
            return False
        pairs = zip(made_of, self.made_of, strict=True)
        return all(now is then and _version(now) == version for now, (then, version) in pairs)

    def convolve(self, input: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution of (N, C, H, W), without gradients."""
        last = is_channels_last(input) or self.channels_last
        batch = input.shape[0]
        for step in self.steps:
            input = step.input(input, replace(step.before, batch=batch))
        plan = replace(self.how.plan, problem=replace(self.how.plan.problem, batch=batch))
        return native.convolve_packed(plan, input, self.packed, bias, last)

    def __deepcopy__(self, memo: Any) -> None:
        return None

    def __reduce__(self) -> Any:
        return type(None), ()


def _version(weight: Tensor) -> int:
    return -1 if weight.is_inference() else weight._version
