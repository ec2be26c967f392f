"""The raw weights of layers that are converted: as they are, divided by the window, or drawn anew."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from windowconv.errors import InputError, not_finite
from windowconv.kernel_geometry import Convolution, embed_kernel, kernel_taps, tap_offset
from windowconv.plan import LayerPlan, start_values
from windowconv.weight_content import content, has_content
from windowconv.windowed import WindowedMixin


def new_weights(layers: Sequence[tuple[Convolution, LayerPlan]]) -> list[nn.Parameter | None]:
    """The new raw weight of each layer, None where it stays.

    Layers that share a weight share the new one. Weights that are equal stay equal: each content is drawn once.

    Raises:
        InputError: a dtype that cannot hold the divided weights; weights to draw after that are not finite.
    """
    renewed: dict[int, nn.Parameter] = {}
    drawn: dict[object, Tensor] = {}
    return [_new_weight(module, layer, renewed, drawn) for module, layer in layers]


def _new_weight(
    module: Convolution, layer: LayerPlan, renewed: dict[int, nn.Parameter], drawn: dict[object, Tensor]
) -> nn.Parameter | None:
    old: nn.Parameter = module.weight
    if id(old) in renewed:
        return renewed[id(old)]
    if layer.preserve:
        new = _divided(module, layer)
    elif layer.size != layer.old_size:
        key = content(old), layer.size
        new = drawn[key].to(old.device, copy=True) if key in drawn else _drawn(old, layer)
        drawn.setdefault(key, new)
    else:
        return None
    if old.ndim == 4 and old.is_contiguous(memory_format=torch.channels_last) and not old.is_contiguous():
        new = new.contiguous(memory_format=torch.channels_last)
    parameter = renewed[id(old)] = nn.Parameter(new, requires_grad=old.requires_grad)
    for mark, value in vars(old).items():  # for optimisers, such as `no_weight_decay`
        setattr(parameter, mark, value)
    return parameter


def _drawn(old: nn.Parameter, layer: LayerPlan) -> Tensor:
    """Normally distributed, with the old weight's root mean square times sqrt(old taps / new taps)."""
    new = old.detach().new_empty(*old.shape[:2], *layer.size)
    if not has_content(old) or not old.numel():
        return new
    if count := int((~torch.isfinite(old.detach())).sum()):
        raise not_finite(f"layer {layer.name!r}: weight", count)
    scale = math.sqrt(math.prod(layer.old_size) / math.prod(layer.size))
    return new.normal_(0.0, old.detach().abs().square().mean().sqrt().item() * scale)


def _divided(module: Convolution, layer: LayerPlan) -> Tensor:
    """The raw weight with which the windowed layer computes what `module` computes now."""
    assert layer.window is not None
    effective = module.effective_weight if isinstance(module, WindowedMixin) else module.weight
    same = effective.detach()
    offsets = tap_offset(layer.name, module, layer.size)
    if same.is_meta or not same.numel():
        return embed_kernel(same, layer.size, offsets)
    inside = tuple(slice(o, o + k) for o, k in zip(offsets, kernel_taps(module), strict=True))
    exact = torch.tensor(start_values(layer.window, layer.size)[inside], device=same.device)
    wide = torch.complex128 if same.is_complex() else torch.float64
    raw = (same.to(wide) / exact).to(same.dtype)
    back = raw * exact.to(same.dtype.to_real())
    error = (back - same).abs().max() / same.abs().max().clamp(min=torch.finfo(same.dtype).tiny)
    if not torch.isfinite(raw).all() or error > 8 * torch.finfo(same.dtype).eps:
        why = f" ({layer.reason})" if layer.reason else ""
        raise InputError(
            f"layer {layer.name!r}: preserve=True{why} in {same.dtype} loses precision: window {layer.window} "
            f"amplifies {layer.amplification:.3g} times; allowed: float32, a wider window or a larger kernel"
        )
    return embed_kernel(raw, layer.size, offsets)
