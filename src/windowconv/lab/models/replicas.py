"""Networks of one architecture that are trained in one process: one, or several at once, each on batches of its own."""

from __future__ import annotations

import copy
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from windowconv.errors import InputError
from windowconv.lab.models.stacked_batch_norm import norms_at_once
from windowconv.lab.models.stacked_windows import windows_at_once


class Part(NamedTuple):
    """A tensor of one network: the tensor that is trained, or a slice of it."""

    whole: Tensor
    place: int | None

    def of(self, tensor: Tensor) -> Tensor:
        """The network's part, of its parameter's shape, of a tensor of the whole's shape, such as its momentum."""
        return tensor if self.place is None else tensor[self.place]


class Replicas(nn.Module, ABC):
    """What the training loop trains: images (R, N, C, H, W) to outputs (R, N, classes) of R networks."""

    @property
    @abstractmethod
    def networks(self) -> list[nn.Module]:
        """The R networks themselves; they have the trained weights after `pull`."""

    @abstractmethod
    def parts(self, index: int) -> Iterator[tuple[str, Part]]:
        """The parameters of network `index` by name."""

    def pull(self) -> None:
        """Give the networks the trained weights."""

    def push(self) -> None:
        """Take the networks' weights as those that are trained."""


class Alone(Replicas):
    """One network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @property
    def networks(self) -> list[nn.Module]:
        return [self.network]

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images[0])[None]

    def parts(self, index: int) -> Iterator[tuple[str, Part]]:
        for name, parameter in self.network.named_parameters():
            yield name, Part(parameter, None)


class Stacked(Replicas):
    """Several networks as one: each parameter and buffer stacked along a new first dimension, run by vmap.

    Worth it where one network is too small to fill a device, as a GPU. Each network's loss has no gradient in another,
    and SGD is element by element, so the results are those of separate runs but for rounding.

    Args:
        networks: with the same layers and sizes; their weights may differ.

    Raises:
        InputError: fewer than two, or of several kinds; at the forward pass, a network that draws random numbers
            (dropout), since each alone would draw others.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        if len(networks) < 2:
            raise InputError(f"networks={len(networks)}; allowed: two or more to be trained at once")
        self._networks = list(networks)  # a list, so that torch does not count their weights too
        try:
            parameters, buffers = stack_module_state(list(networks))
        except RuntimeError as error:
            raise InputError(f"networks to be trained at once must be alike: {' '.join(str(error).split())}") from None
        skeleton = norms_at_once(copy.deepcopy(networks[0]))
        buffers |= windows_at_once(skeleton, networks)
        self._names = list(parameters)
        self._buffer_names = list(buffers)
        self._skeleton = [skeleton]
        for i, tensor in enumerate(parameters.values()):
            self.register_parameter(f"parameter{i}", nn.Parameter(tensor.detach(), tensor.requires_grad))
        for i, tensor in enumerate(buffers.values()):
            self.register_buffer(f"buffer{i}", tensor)

    @property
    def networks(self) -> list[nn.Module]:
        return self._networks

    def forward(self, images: Tensor) -> Tensor:
        skeleton = self._skeleton[0]
        if skeleton.training != self.training:
            skeleton.train(self.training)

        def one(parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor], images: Tensor) -> Tensor:
            return functional_call(skeleton, (dict(parameters), dict(buffers)), (images,))

        parameters = dict(zip(self._names, self.parameters(), strict=True))
        buffers = dict(zip(self._buffer_names, self.buffers(), strict=True))
        try:
            with warnings.catch_warnings():  # of steps that vmap takes network by network
                warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
                return torch.vmap(one)(parameters, buffers, images)
        except RuntimeError as error:
            if "randomness" not in str(error):
                raise
            raise InputError("networks with dropout cannot be trained at once; leave --seeds-at-once at 1") from None

    def parts(self, index: int) -> Iterator[tuple[str, Part]]:
        for name, parameter in zip(self._names, self.parameters(), strict=True):
            yield name, Part(parameter, index)

    @torch.no_grad()
    def pull(self) -> None:
        for i, network in enumerate(self._networks):
            for whole, single in self._pairs(network):
                single.copy_(whole[i])

    @torch.no_grad()
    def push(self) -> None:
        for i, network in enumerate(self._networks):
            for whole, single in self._pairs(network):
                whole[i].copy_(single)

    def _pairs(self, network: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
        """Each stacked tensor with the network's own of the same name."""
        own = {**dict(network.named_parameters()), **dict(network.named_buffers())}
        stacked = [*self.parameters(), *self.buffers()]
        for name, whole in zip([*self._names, *self._buffer_names], stacked, strict=True):
            if name in own:  # a network computes its windows itself
                yield whole, own[name]


def laid_out(images: Tensor, channels_last: bool) -> Tensor:
    """Images (R, N, C, H, W) of one network in its memory format; those of stacked ones are laid out by vmap."""
    if not channels_last or len(images) > 1:
        return images
    return images[0].contiguous(memory_format=torch.channels_last)[None]
