"""Groups rewritten for the implementations: small ones merged, and channel multipliers removed.

Groups of few channels make small, slow matrix products: a few neighbours are merged into one group whose weight is
block-diagonal. A depthwise convolution with several outputs a channel becomes one with one output a channel, of
repeated channels.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from windowconv.fftconv.problem import Problem

SMALL_GROUP = 16  # groups of fewer input channels are merged
MERGED_GROUP = 32  # the most input channels of a merged group


def merged_groups(problem: Problem) -> int:
    """How many neighbouring groups to merge into one; 1 for none."""
    channels = problem.in_channels // problem.groups
    if problem.depthwise or channels >= SMALL_GROUP:
        return 1
    most = min(problem.groups, MERGED_GROUP // channels)
    return max(count for count in range(1, most + 1) if problem.groups % count == 0)


def merged(problem: Problem) -> Problem:
    """The problem of the merged groups."""
    return replace(problem, groups=problem.groups // merged_groups(problem))


def merge_weight(weight: Tensor, problem: Problem) -> Tensor:
    """(K, C / groups, h, w) as (K, C / merged groups, h, w): each group's weights, and zeros for its neighbours."""
    outputs, channels, height, width = weight.shape
    whole = weight.new_zeros(outputs, channels * merged_groups(problem), height, width)
    _blocks(whole, problem).copy_(weight.unflatten(0, _merged_shape(problem)).movedim(1, -1))
    return whole


def pick_weight(whole: Tensor, problem: Problem) -> Tensor:
    """The transpose of `merge_weight`."""
    return _blocks(whole, problem).movedim(-1, 1).flatten(0, 2)


def _blocks(whole: Tensor, problem: Problem) -> Tensor:
    """The groups' own weights in a merged one: (merged groups, K of a group, C of a group, h, w, groups in one)."""
    count = merged_groups(problem)
    channels = problem.in_channels // problem.groups
    return whole.unflatten(1, (count, channels)).unflatten(0, _merged_shape(problem)).diagonal(dim1=1, dim2=3)


def _merged_shape(problem: Problem) -> tuple[int, int, int]:
    count = merged_groups(problem)
    return problem.groups // count, count, problem.out_channels // problem.groups


def multiplier(problem: Problem) -> int:
    """How often to repeat each input channel so that each output has one of its own; 1 for not at all."""
    alone = problem.groups > 1 and problem.in_channels == problem.groups
    return problem.out_channels // problem.groups if alone else 1


def repeated(problem: Problem) -> Problem:
    """The depthwise problem of the repeated channels."""
    return replace(problem, in_channels=problem.out_channels, groups=problem.out_channels)


def repeat_input(images: Tensor, problem: Problem) -> Tensor:
    """(N, C, H, W) with each channel repeated: (N, K, H, W)."""
    return images.repeat_interleave(multiplier(problem), dim=1)


def sum_input(repeats: Tensor, problem: Problem) -> Tensor:
    """The transpose of `repeat_input`."""
    return repeats.unflatten(1, (problem.in_channels, multiplier(problem))).sum(2)
