"""Whether a weight's values are here, and which weights are equal: what copies and frozen filters are recognised by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from windowconv.errors import InputError

WHOLE = "allowed: the same model without it, into which the full state dict is loaded"


def has_content(weight: Tensor) -> bool:
    """Whether there are values to read: not on the meta device, nor in a fake or a wrapped tensor."""
    return type(weight.detach()) is Tensor and not weight.is_meta


def absence(tensor: Tensor) -> str | None:
    """Why a tensor's values cannot be read in this process, and what to do; None if they can.

    Reading a tensor whose memory FullyShardedDataParallel has freed would end the process.
    """
    if is_lazy(tensor):
        return "has no weight yet; allowed: after one run on an example, or with weights loaded"
    if type(tensor).__name__ == "DTensor":
        return f"is sharded by fully_shard; {WHOLE} (torch.distributed.checkpoint.state_dict.get_model_state_dict)"
    if tensor.is_meta:
        return (
            "has no weight yet, or it is offloaded (meta device); allowed: with weights loaded, or after "
            "accelerate.hooks.remove_hook_from_submodules(model)"
        )
    if type(tensor.detach()) is Tensor and tensor.numel() and not tensor.untyped_storage().nbytes():
        return f"is sharded by FullyShardedDataParallel; {WHOLE}, or a call within its summon_full_params"
    return None


def check_present(name: str, layer: nn.Module) -> None:
    """An `InputError` unless the values of a layer's tensors can be read in this process; it names the layer."""
    title = f"layer {name!r}" if name else f"the model ({type(layer).__name__})"
    for module in layer.modules():
        attributes = [value for value in vars(module).values() if isinstance(value, Tensor)]  # of a flat parameter
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False), *attributes):
            if (reason := absence(tensor)) is not None:
                raise InputError(f"{title} {reason}")
    axes, weight = getattr(layer, "kernel_size", ()), getattr(layer, "weight", None)
    if isinstance(weight, Tensor) and weight.ndim != len(axes) + 2:  # with use_orig_params: a flat piece, or nothing
        raise InputError(f"{title} is sharded by FullyShardedDataParallel; {WHOLE}, or a call within its summon_full_params")


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
