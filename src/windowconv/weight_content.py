"""Whether a weight's values are here, and which weights are equal: what copies and frozen filters are recognised by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy


def has_content(weight: Tensor) -> bool:
    """Whether there are values to read: not on the meta device, nor in a fake or a wrapped tensor."""
    return type(weight.detach()) is Tensor and not weight.is_meta


def absence(tensor: Tensor) -> str | None:
    """Why a tensor cannot be saved from this process, and what to do; None if it can."""
    if type(tensor).__name__ == "DTensor":
        return (
            "is sharded by fully_shard; allowed: the same model without fully_shard, into which the full state dict is "
            "loaded (torch.distributed.checkpoint.state_dict.get_model_state_dict)"
        )
    if is_lazy(tensor) or tensor.is_meta:
        return (
            "has no values yet, or it is offloaded (meta device); allowed: a model with weights loaded, or after "
            "accelerate.hooks.remove_hook_from_submodules(model)"
        )
    return None


def is_freed(layer: nn.Module) -> bool:
    """Whether FullyShardedDataParallel has freed a layer's memory for now: to read it would end the process."""
    return any(
        held.layout is torch.strided and held.numel() and not held.untyped_storage().nbytes()
        for module in layer.modules()
        for held in (*module.parameters(recurse=False), *vars(module).values())
        if type(held) in (Tensor, nn.Parameter)
    )


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


def is_trained(model: nn.Module) -> bool:
    """Whether a model has visibly been trained: the biases of a normalisation layer differ from each other.

    They start alike, and training or loading weights changes that. A model without such layers is never seen to be
    trained.
    """
    for layer in model.modules():
        bias = layer._parameters.get("bias") if "Norm" in type(layer).__name__ else None
        if bias is not None and bias.numel() > 1 and has_content(bias):
            held = bias.detach()
            if bool((held != held.flatten()[0]).any()):
                return True
    return False
