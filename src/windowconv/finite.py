"""A model whose numbers are numbers: without NaN and infinities."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from windowconv.errors import not_finite
from windowconv.weight_content import has_content


def check_finite(model: nn.Module) -> None:
    """An `InputError` for a model with NaN or infinite parameters or buffers, which names the first of them.

    Integers, and tensors whose values are not here (meta, sharded, not initialised), are passed over.

    >>> check_finite(nn.Sequential(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1)))
    """
    for name, held in [*model.named_parameters(), *model.named_buffers()]:
        check_finite_tensor(name, held, type(model).__name__)


def check_finite_tensor(name: str, held: Tensor, model: str) -> None:
    """The same for one tensor of a model.

    Args:
        name: the tensor's in the model.
        model: the model's class, for a tensor of its own.
    """
    if not has_content(held) or not (held.is_floating_point() or held.is_complex()):
        return
    if not torch.isfinite(held).all():
        layer, _, own = name.rpartition(".")
        title = f"layer {layer!r}" if layer else f"model={model}"
        raise not_finite(f"{title}: {own}", int((~torch.isfinite(held)).sum()))
