"""A network's dense kernels brought into an arm's form, with its taps."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from windowconv.errors import InputError
from windowconv.lab.models.arm import Arm
from windowconv.lab.models.arm_axes import Choice, Form, find_choice

Network = TypeVar("Network", bound=nn.Module)


def put_kernels(network: Network, arm: Arm) -> Network:
    """The arm's form and taps in a network whose kernels have the arm's sizes already, in place.

    Kernels of one tap stay as they are.

    Raises:
        InputError: a choice that is not installed any more, or a network that it replaces nothing in.
    """
    for name in (arm.form, arm.taps):
        if name in ("dense", "stack", "free"):
            continue
        choice = find_choice(name)
        if choice is None:
            raise InputError(f"arm={arm.name!r}: -{name} is of a package that is not installed any more")
        if not _replace(network, choice):
            raise InputError(
                f"arm={arm.name!r}: -{name} suits no layer of the {type(network).__name__}; "
                "allowed: networks with convolutions of more than one tap behind the first"
            )
    return network


def unwindowed(arm: Arm) -> str | None:
    """The name pattern of the convolutions of an arm's form that get no window."""
    form = find_choice(arm.form) if arm.form != "dense" else None
    return form.unwindowed if isinstance(form, Form) else None


def _replace(network: nn.Module, choice: Choice) -> int:
    """How many convolutions of more than one tap a choice replaced."""
    count = 0
    for name, child in list(network.named_children()):
        if isinstance(child, nn.Conv2d) and max(child.kernel_size) > 1:
            made = choice(child)
            count += made is not child
            setattr(network, name, made)
        else:
            count += _replace(child, choice)
    return count
