"""The weight that arrives in torch's convolution when a layer runs: for layers that compute it in their `forward`."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode  # documented in torch's notes on extending it

from windowconv.kernel_geometry import kernel_taps
from windowconv.layers import PLAIN, WINDOWED
from windowconv.windowed import WindowedMixin


def overrides_forward(layer: nn.Module) -> bool:
    """Whether a convolution computes something else than torch's class, or ours, with its weight."""
    base = next(c for c in type(layer).__mro__ if c in WINDOWED or c in PLAIN)
    changed = (getattr(type(layer), name) is not getattr(base, name) for name in ("forward", "_conv_forward"))
    return "forward" in layer.__dict__ or any(changed)


def observed_weight(twin: Any, hooks: bool = False) -> Tensor | str:
    """The weight with which torch convolves when the layer is called; if there is not one, why not.

    The layer is called twice, on random inputs: a weight that depends on the input is none of the layer's.

    Args:
        twin: a torch convolution's, to which the call may assign (`windowconv.reparametrized.shallow_twin`), in
            evaluation mode and without gradients.
        hooks: call the hooks before the forward pass too, one of which sets the weight.
    """
    twin._buffers = {name: None if b is None else b.clone() for name, b in twin._buffers.items()}
    twin._forward_hooks = OrderedDict()
    if isinstance(twin, WindowedMixin):
        twin.prepared, twin.algorithm = None, "direct"  # through torch
    found = []
    for seed in (0, 1):
        try:
            twin._modules = copy.deepcopy(twin._modules)  # whose state is theirs
            with torch.random.fork_rng(devices=[]), _Convolutions() as calls:
                (twin if hooks else twin.forward)(_random_input(twin, seed))
        except Exception as error:
            return f"its forward pass fails on a random input ({' '.join(str(error).split())[:120]})"
        fitting = [w for w in calls.weights if tuple(w.shape) == weight_shape(twin)]
        if len(fitting) != 1:
            count = f"{len(fitting)} convolutions" if fitting else "no convolution"
            return f"its forward pass calls {count} of torch's with a weight of its shape"
        found += fitting
    return found[0] if torch.equal(*found) else "its weight depends on the input"


def weight_shape(layer: Any) -> tuple[int, ...]:
    """The shape of a convolution's weight in torch's layout."""
    ends = (layer.in_channels, layer.out_channels) if layer.transposed else (layer.out_channels, layer.in_channels)
    return int(ends[0]), int(ends[1]) // int(layer.groups), *kernel_taps(layer)


def _random_input(layer: Any, seed: int) -> Tensor:
    """An input (2, C, *sides) that is larger than the kernel and what any mode of padding asks for."""
    axes = zip(kernel_taps(layer), layer.dilation, layer.stride, strict=True)
    sides = [2 * d * (k - 1) + 2 * s + 2 for k, d, s in axes]
    reference = next(layer.parameters(), torch.zeros(()))
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(2, layer.in_channels, *sides, generator=generator, dtype=torch.float64)
    return images.to(reference.device, reference.dtype)


class _Convolutions(TorchDispatchMode):
    """Records the weights of torch's convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in (torch.ops.aten.convolution, torch.ops.aten._convolution):
            self.weights.append(args[1].detach().clone())
        return func(*args, **(kwargs or {}))
