"""Autocast for an operator that torch does not know of: the dtypes that torch's own convolution would compute in."""

from __future__ import annotations

import torch
from torch import Tensor


def autocast_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype that torch's convolution would cast a tensor to: autocast's, or the tensor's own.

    As in torch, autocast leaves float64, complex numbers and integers alone.
    """
    if _is_enabled(tensor) and tensor.is_floating_point() and tensor.dtype != torch.float64:
        return torch.get_autocast_dtype(tensor.device.type)
    return tensor.dtype


def apply_autocast(input: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """A convolution's tensors, of any shapes, each in its `autocast_dtype`."""
    if not _is_enabled(input):
        return input, weight, bias
    bias = None if bias is None else bias.to(autocast_dtype(bias))
    return input.to(autocast_dtype(input)), weight.to(autocast_dtype(weight)), bias


def _is_enabled(tensor: Tensor) -> bool:
    kind = tensor.device.type
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
