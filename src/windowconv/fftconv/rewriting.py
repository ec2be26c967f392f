"""Convolutions rewritten into cheaper ones, which `execution` then plans and carries out.

Strides become phases (`polyphase`); small groups are merged, and repeated channels replace channel multipliers
(`grouping`). Each rewriting is a linear map of the input and of the weight; the transposes map their gradients back.
This is also where the window joins the weight, unless the implementations can fold it into the kernel's transform.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor

from windowconv.fftconv import execution, grouping, polyphase
from windowconv.fftconv.problem import Problem
from windowconv.functional import windowed_weight

Map = Callable[[Tensor, Problem], Tensor]


@dataclass(frozen=True)
class Rewriting:
    """A problem turned into another of the same outputs: maps of the input and the weight, and their transposes.

    Each map takes a tensor and the problem `before`.
    """

    before: Problem
    after: Problem
    input: Map
    input_transpose: Map
    weight: Map
    weight_transpose: Map


@lru_cache(maxsize=4096)
def rewrite(problem: Problem) -> tuple[Rewriting, ...]:
    """The rewritings that lead from a problem to the one that is planned; empty if none pays."""
    steps: list[Rewriting] = []
    if grouping.multiplier(problem) > 1:
        maps = grouping.repeat_input, grouping.sum_input, _identity, _identity
        steps.append(Rewriting(problem, grouping.repeated(problem), *maps))
    elif polyphase.cheaper_phased(problem):
        maps = polyphase.split_input, polyphase.join_input, polyphase.split_weight, polyphase.join_weight
        steps.append(Rewriting(problem, polyphase.phased(problem), *maps))
    last = steps[-1].after if steps else problem
    if grouping.merged_groups(last) > 1:
        maps = _identity, _identity, grouping.merge_weight, grouping.pick_weight
        steps.append(Rewriting(last, grouping.merged(last), *maps))
    return tuple(steps)


def rewritten(problem: Problem) -> Problem:
    """The problem that is planned: the last one of `rewrite`."""
    steps = rewrite(problem)
    return steps[-1].after if steps else problem


def rewrite_input(input: Tensor, problem: Problem) -> Tensor:
    """The input (N, C, H, W) of `problem` as that of `rewritten(problem)`."""
    for step in rewrite(problem):
        input = step.input(input, step.before)
    return input


def rewrite_weight(weight: Tensor, window: Tensor | None, problem: Problem) -> tuple[Tensor, Tensor | None]:
    """The weight (K, C / groups, kh, kw) of `problem` as that of `rewritten(problem)`, and its window.

    A window of the kernel's own shape, (kh, kw), is returned as it is for an unchanged problem; any other is multiplied
    into the weight, and None is returned.
    """
    if not _folds(window, problem):
        weight, window = windowed_weight(weight, window), None
    for step in rewrite(problem):
        weight = step.weight(weight, step.before)
    return weight, window


def forward_rewritten(
    problem: Problem,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    window: Tensor | None,
    keep: bool = False,
) -> tuple[Tensor, Tensor]:
    """The convolution of a problem in the frequency domain.

    Args:
        input: (N, C, H, W).
        weight: (K, C / groups, kh, kw).
        bias: (K,).
        window: broadcasts to the weight.
        keep: return the input's spectrum too, for `backward_rewritten`.

    Returns:
        The output (N, K, H', W') and the spectrum, flat: empty unless the implementation keeps one.
    """
    kernels, factor = rewrite_weight(weight, window, problem)
    return execution.forward_in_blocks(rewritten(problem), rewrite_input(input, problem), kernels, bias, factor, keep)


def backward_rewritten(
    problem: Problem,
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    window: Tensor | None,
    spectrum: Tensor,
    needs: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of the input and of the raw weight, in their shapes; None where not needed.

    Args:
        grad_output: (N, K, H', W').
        input, weight, window: as in `forward_rewritten`.
        spectrum: what that returned, or an empty tensor.
        needs: whether the gradients of (input, weight) are needed.
    """
    kernels, factor = rewrite_weight(weight, window, problem)
    images = rewrite_input(input, problem)
    for_input, for_weight = execution.backward_in_blocks(
        rewritten(problem), grad_output, images, kernels, factor, spectrum, needs
    )
    for step in reversed(rewrite(problem)):
        for_input = None if for_input is None else step.input_transpose(for_input, step.before)
        for_weight = None if for_weight is None else step.weight_transpose(for_weight, step.before)
    if for_weight is not None and factor is None:
        for_weight = windowed_weight(for_weight, window)
    return for_input, for_weight


def _folds(window: Tensor | None, problem: Problem) -> bool:
    """Whether an implementation multiplies the window in while it reads the kernels: one window for all of them."""
    taps = tuple(axis.taps for axis in problem.axes)
    return window is not None and tuple(window.shape) == taps and not rewrite(problem)


def _identity(tensor: Tensor, problem: Problem) -> Tensor:
    return tensor
