"""Networks as they are used after training: parallel kernels are one, constructed ones are weights."""

from __future__ import annotations

from typing import Protocol, TypeVar, runtime_checkable

from torch import nn

Network = TypeVar("Network", bound=nn.Module)


@runtime_checkable
class Mergeable(Protocol):
    """A module that another, cheaper one computes the same as, in evaluation."""

    def merged(self) -> nn.Module:
        """That module, with its parameters."""
        ...


def merge(network: Network) -> Network:
    """Every mergeable module in a network replaced by its merged one, in place; most networks have none."""
    for name, child in list(network.named_children()):
        if isinstance(child, Mergeable):
            setattr(network, name, child.merged())
        else:
            merge(child)
    return network
