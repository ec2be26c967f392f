"""A network that subsamples as an arm does: its strided layers compute at stride 1, then the arm's layer follows."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn

from windowconv.errors import InputError
from windowconv.lab.models.arm import Arm
from windowconv.lab.models.arm_axes import Subsampling, find_choice

POOLS = (nn.MaxPool2d, nn.AvgPool2d)


class InPlaceOfPool(nn.Module):
    """A layer that subsamples, with the output's size of a pool.

    Args:
        layer: keeps ceil(side / stride) samples an axis.
        pool: whose place it takes; as it leaves out the last samples of odd sides, they are cut off.
    """

    def __init__(self, layer: nn.Module, pool: Any) -> None:
        super().__init__()
        self.layer = layer
        self.kernel_size, self.stride, self.padding = (
            _side(pool, attribute) for attribute in ("kernel_size", "stride", "padding")
        )

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H', W') of the pool."""
        for axis in (2, 3):
            outputs = (input.shape[axis] + 2 * self.padding - self.kernel_size) // self.stride + 1
            input = input.narrow(axis, 0, min(input.shape[axis], self.stride * outputs))
        return self.layer(input)


def put_subsampling(network: nn.Module, arm: Arm) -> None:
    """The arm's subsampling after every strided convolution and in the place of every strided pool, in place.

    A 1x1 convolution gets its input subsampled, which is the same for what is linear, and cheaper. Patch embeddings
    (stride = kernel) and adaptive pools stay as they are.

    Raises:
        InputError: a network that subsamples nowhere, or in a way that the arm does not go with.
    """
    if arm.subsampling == "none":
        return
    choice = find_choice(arm.subsampling)
    if not isinstance(choice, Subsampling):
        raise InputError(f"arm={arm.name!r}: -{arm.subsampling} is of a package that is not installed any more")
    try:
        changed = _replace(network, choice)
    except InputError as error:
        raise InputError(f"arm={arm.name!r}: {error}") from None
    if not changed:
        kind = type(network).__name__
        raise InputError(f"arm={arm.name!r}: the {kind} has no strided layer; allowed: networks that subsample")


def _replace(network: nn.Module, choice: Subsampling) -> int:
    """How many layers were replaced."""
    count = 0
    for name, child in list(network.named_children()):
        if isinstance(child, (nn.Conv2d, *POOLS)) and _side(child, "stride") > 1:
            made = _after_convolution(child, choice) if isinstance(child, nn.Conv2d) else _for_pool(child, choice)
            count += made is not child
            setattr(network, name, made)
        else:
            count += _replace(child, choice)
    return count


def _after_convolution(convolution: nn.Conv2d, choice: Subsampling) -> nn.Module:
    stride = _side(convolution, "stride")
    is_pointwise = max(convolution.kernel_size) == 1
    if choice.adaptive and is_pointwise:
        raise InputError(
            f"-{choice.name} chooses its samples by the input, and branches that are added would choose differently; "
            "allowed: networks without strided 1x1 convolutions, such as airbench, small or vgg11-bn"
        )
    if tuple(convolution.kernel_size) == (stride, stride):
        return convolution
    convolution.stride = (1, 1)
    steps = [("convolution", convolution), ("subsampling", choice(stride))]
    return nn.Sequential(OrderedDict(reversed(steps) if is_pointwise else steps))


def _for_pool(pool: Any, choice: Subsampling) -> nn.Module:
    if pool.ceil_mode or getattr(pool, "return_indices", False):
        raise InputError(f"-{choice.name} in the place of {pool}; allowed: pools without ceil_mode and indices")
    stride = _side(pool, "stride")
    if not choice.after_max:
        return InPlaceOfPool(choice(stride), pool)
    pool.stride = 1
    return nn.Sequential(OrderedDict(pool=pool, subsampling=choice(stride)))


def _side(layer: Any, attribute: str) -> int:
    """A layer's stride, kernel size or padding, where it is the same along both axes."""
    given = getattr(layer, attribute)
    sides = set(given) if isinstance(given, tuple | list) else {given}
    if len(sides) > 1:
        raise InputError(f"{attribute}={given} of a {type(layer).__name__}; allowed: the same along both axes")
    return sides.pop()
