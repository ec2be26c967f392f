"""A convolution rewritten into one that is cheaper, for `execution` to plan and carry out.

What is rewritten: strides as phases, small groups merged, channel multipliers as repeated channels. Each is a linear
map of the input and the weight, and its transpose is one of their gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor

from windowconv.fftconv import execution, grouping, polyphase
from windowconv.fftconv.problem import Problem

Map = Callable[[Tensor, Problem], Tensor]


@dataclass(frozen=True)
class Rewriting:
    """A problem turned into another: maps of the input and the weight, and their transposes for the gradients."""

    before: Problem
    after: Problem
    input: Map
    input_back: Map
    weight: Map
    weight_back: Map


def convolve(
    problem: Problem,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    window: Tensor | None,
    keep: bool = False,
) -> tuple[Tensor, Tensor]:
    """The convolution of (N, C, H, W) with (K, C / groups, kh, kw), times a window that broadcasts to the weight.

    Returns:
        The output, and the spectrum to give to `gradients` if `keep` and the implementation keeps one, else empty.
    """
    rewritings = rewrite(problem)
    if rewritings:
        weight, window = _windowed(weight, window), None
    for step in rewritings:
        input, weight, problem = step.input(input, step.before), step.weight(weight, step.before), step.after
    return execution.convolve(problem, input, weight, bias, window, keep)


def gradients(
    problem: Problem,
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    window: Tensor | None,
    spectrum: Tensor,
    needs: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of the input and of the weight before its window; None where not needed."""
    rewritings = rewrite(problem)
    rest = None
    if rewritings:
        weight, rest, window = _windowed(weight, window), window, None
    for step in rewritings:
        input, weight, problem = step.input(input, step.before), step.weight(weight, step.before), step.after
    for_input, for_weight = execution.gradients(problem, grad_output, input, weight, window, spectrum, needs)
    for step in reversed(rewritings):
        for_input = None if for_input is None else step.input_back(for_input, step.before)
        for_weight = None if for_weight is None else step.weight_back(for_weight, step.before)
    return for_input, None if for_weight is None else _windowed(for_weight, rest)


@lru_cache(maxsize=4096)
def rewrite(problem: Problem) -> tuple[Rewriting, ...]:
    """The steps from a problem to a cheaper one, of the same outputs."""
    steps: list[Rewriting] = []
    if grouping.multiplier(problem) > 1:
        after = grouping.repeated(problem)
        steps.append(Rewriting(problem, after, grouping.repeat_input, grouping.sum_input, _same, _same))
    elif polyphase.cheaper_phased(problem):
        after = polyphase.phased(problem)
        maps = polyphase.split_input, polyphase.join_input, polyphase.split_weight, polyphase.join_weight
        steps.append(Rewriting(problem, after, *maps))
    last = steps[-1].after if steps else problem
    if grouping.merged_groups(last) > 1:
        maps = _same, _same, grouping.merge_weight, grouping.pick_weight
        steps.append(Rewriting(last, grouping.merged(last), *maps))
    return tuple(steps)


def _same(tensor: Tensor, problem: Problem) -> Tensor:
    return tensor


def _windowed(weight: Tensor, window: Tensor | None) -> Tensor:
    return weight if window is None else (weight * window).to(weight.dtype)
