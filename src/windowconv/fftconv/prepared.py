"""A kernel prepared for inference: its spectrum, packed once, for images of one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from windowconv.fftconv import rewriting
from windowconv.fftconv.blocks import divide
from windowconv.fftconv.native import convolution as native
from windowconv.fftconv.problem import Problem
from windowconv.fftconv.tile_plan import TilePlan, make_plan, training_cost
from windowconv.fftconv.tiling import is_channels_last
from windowconv.fftconv.workspace import workspace_limit

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Preparation:
    """The cost and gain of preparing a convolution's kernel.

    Args:
        plan: of the rewritten problem.
        bytes: what the packed kernel takes.
        gain: the time that each call saves, in multiply-adds.
    """

    problem: Problem
    plan: TilePlan
    bytes: int
    gain: float


def plan_preparation(problem: Problem, dtype: torch.dtype) -> Preparation | None:
    """How to prepare a kernel; None where the native operator does not compute the problem in one block.

    Args:
        problem: with the batch size of an example.
        dtype: the input's and the weight's.
    """
    if not native.supports(CPU, dtype) or problem.batch == 0:
        return None
    plan = make_plan(rewriting.rewritten(problem))
    if plan.problem.empty:
        return None
    division = divide(plan, workspace_limit())
    if division is None or len(list(division.blocks(plan.problem))) != 1:
        return None
    kernels_only = replace(plan, problem=replace(plan.problem, batch=0))
    return Preparation(problem, plan, native.packed_bytes(plan), training_cost(kernels_only) / 3)


class PreparedKernel:
    """A packed kernel and the tensors it was computed from; if one of them changes, it serves no more calls.

    It is a cache: copies and pickles of it are None.
    """

    def __init__(
        self, preparation: Preparation, weight: Tensor, window: Tensor | None, sources: Sequence[Tensor]
    ) -> None:
        """Transform and pack `weight * window`.

        Args:
            weight: (K, C / groups, kh, kw).
            window: broadcasts to the weight.
            sources: the tensors that `weight` and `window` were computed from; no inference tensors, whose changes
                are not counted.
        """
        self.preparation = preparation
        self.sources = [(tensor, tensor._version) for tensor in sources]  # torch's count of in-place changes
        self.dtype, self.channels_last = weight.dtype, is_channels_last(weight)
        kernels, factor = rewriting.rewrite_weight(weight.detach(), window, preparation.problem)
        self.packed = native.pack(preparation.plan, kernels, factor)

    def serves(self, problem: Problem, input: Tensor, sources: Sequence[Tensor]) -> bool:
        """Whether it serves a call: of the same sizes but for the batch, with the same unchanged sources."""
        if problem.batch == 0 or input.dtype != self.dtype or len(sources) != len(self.sources):
            return False
        if replace(problem, batch=self.preparation.problem.batch) != self.preparation.problem:
            return False
        pairs = zip(sources, self.sources, strict=True)
        return all(now is then and now._version == version for now, (then, version) in pairs)

    def forward(self, input: Tensor, bias: Tensor | None) -> Tensor:
        """The output (N, K, H', W') for an input (N, C, H, W) and a bias (K,), without gradients."""
        last = is_channels_last(input) or self.channels_last
        prepared, batch = self.preparation, input.shape[0]
        images = rewriting.rewrite_input(input, prepared.problem)
        plan = replace(prepared.plan, problem=replace(prepared.plan.problem, batch=batch))
        return native.forward_packed(plan, images, self.packed, bias, last)

    def __deepcopy__(self, memo: Any) -> None:
        return None

    def __reduce__(self) -> Any:
        return type(None), ()
