"""Which weights are equal: what copies of a network, and frozen filters among them, are recognised by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn


def has_content(weight: Tensor) -> bool:
    """Whether there are values to read: not on the meta device, nor in a fake or a wrapped tensor."""
    return type(weight.detach()) is Tensor and not weight.is_meta


def content(weight: Tensor) -> object:
    """A key that equal weights of one dtype and shape share, on any device; a weight without values is its own."""
    if not has_content(weight):
        return id(weight)
    values = weight.detach().cpu().contiguous().flatten()
    return weight.dtype, tuple(weight.shape), hashlib.sha256(values.view(torch.uint8).numpy().tobytes()).digest()


def kept_functions(layers: Mapping[str, nn.Module]) -> dict[str, str]:
    """The layers whose function must not change if their kernels grow, and why.

    They are the frozen ones (`requires_grad=False`: Sobel and Gabor filters, a target network) and those with the same
    weights, which are copies of them (the online network) and stay so.
    """
    weights = {name: layer.get_parameter("weight") for name, layer in layers.items()}
    frozen = {n: w for n, w in weights.items() if not w.requires_grad}
    names: dict[object, str] = {}
    for name, weight in frozen.items():
        names.setdefault(content(weight), name)
    shapes = {tuple(w.shape) for w in frozen.values()}
    kept = dict.fromkeys(frozen, "frozen")
    for name, weight in weights.items():
        if name not in frozen and tuple(weight.shape) in shapes and (twin := names.get(content(weight))) is not None:
            kept[name] = f"equal to {twin!r}, which is frozen"
    return kept
