"""What a layer convolves with: the one place that answers it, for folding, conversion, spectra and reports."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from windowconv.errors import InputError
from windowconv.hooks import evaluating
from windowconv.integers import as_ints
from windowconv.layers import WINDOWED
from windowconv.observation import observed_weight, overrides_forward, weight_shape
from windowconv.reparametrized import how_computed, with_present_weight
from windowconv.weight_content import is_freed
from windowconv.windowed import WindowedMixin

Layer = TypeVar("Layer", bound=nn.Module)
CONVOLUTIONS = (*WINDOWED, WindowedMixin)

_registered: dict[type[nn.Module], Callable[[Any], Tensor]] = {}


class UnknownWeightError(InputError):
    """A layer whose weight nobody has said how to get; `reason` says so without the layer's name."""

    def __init__(self, title: str, reason: str) -> None:
        super().__init__(f"{title}: {reason}")
        self.reason = reason


def register_weight(kind: type[Layer], weight: Callable[[Layer], Tensor]) -> None:
    """Say what layers of a class convolve with, for `effective_weight` and all that asks it: `leakage`, `inspect`.

    For layers that compute their kernels in `forward`, such as sinc layers, or that do not call torch's convolutions.
    Subclasses of torch's layers whose `forward` calls one are understood without it.

    Args:
        kind: the layers' class; subclasses are included. A second call for it replaces the first.
        weight: a function of the layer to its weight, (filters, channels / groups, *kernel) of 1 to 3 axes, which may
            have the gaps of a dilation in it. `windowconv.spectra.impulse_response` is such a function: it measures.

    Raises:
        InputError: `kind` is no class of modules, or `weight` cannot be called.

    >>> import torch
    >>> class Smooth(nn.Module):
    ...     def forward(self, x):
    ...         return nn.functional.conv1d(x, torch.ones(1, 1, 9) / 9)
    >>> register_weight(Smooth, lambda layer: torch.ones(1, 1, 9) / 9)
    >>> effective_weight(Smooth()).shape
    torch.Size([1, 1, 9])
    """
    if not inspect.isclass(kind) or not issubclass(kind, nn.Module):
        raise InputError(f"kind={kind!r}; allowed: a class of torch.nn.Module")
    if not callable(weight):
        raise InputError(f"weight={weight!r}; allowed: a function of the layer to its weight")
    _registered[kind] = weight


def is_registered(layer: nn.Module) -> bool:
    """Whether `register_weight` was called for the layer's class or one that it inherits from."""
    return any(c in _registered for c in type(layer).__mro__)


def weight_origin(layer: nn.Module) -> str:
    """What computes a layer's weight; "" for a parameter, which a window may multiply."""
    if is_registered(layer):
        return "registered"
    if how := how_computed(layer):
        return how
    return f"{type(layer).__name__}.forward" if isinstance(layer, CONVOLUTIONS) and overrides_forward(layer) else ""


def by_axis(layer: Any, attribute: str, axes: int, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
    """A layer's stride, dilation or kernel size, one int an axis; layers of registered classes need not have any."""
    given = as_ints(getattr(layer, attribute, None))
    if given is None or len(given) not in (1, axes):
        return default or (1,) * axes
    return given * axes if len(given) == 1 else given


def has_weight(layer: nn.Module) -> bool:
    """Whether `effective_weight` is asked about a layer: a convolution of torch's, a quantised or a registered one."""
    return isinstance(layer, CONVOLUTIONS) or is_registered(layer) or _is_quantised(layer)


def _is_quantised(layer: nn.Module) -> bool:
    """Whether a layer is one of torch's quantised convolutions, which have a method `weight`."""
    kind = next((c for c in type(layer).__mro__ if c.__module__.startswith("torch.ao.nn.quantized")), None)
    return kind is not None and hasattr(layer, "kernel_size") and callable(getattr(layer, "weight", None))


def effective_weight(layer: nn.Module, name: str = "") -> Tensor:
    """What a layer convolves with: torch's plain layer that carries this weight computes the same.

    The raw weight times the window for windowed layers; what a parametrisation, weight norm, spectral norm or pruning
    makes of the raw weight, as of now, in evaluation mode; for a subclass whose `forward` computes the weight (weight
    standardisation), the one that arrives in torch's convolution when the layer is called on a random input; what
    `register_weight` says for other classes. Nothing in the layer changes.

    Args:
        layer: a convolution, or a layer of a registered class.
        name: the layer's name, for messages.

    Returns:
        (out, in / groups, *kernel), or (in, out / groups, *kernel) of a transposed convolution; without gradients.

    Raises:
        InputError: a layer whose weight cannot be had, with what to call first; a weight without values, or of another
            shape than the layer's.

    Not for a term of a loss: there are no gradients. A windowed layer's property of this name has them.

    >>> import torch
    >>> layer = torch.nn.utils.parametrizations.weight_norm(nn.Conv1d(1, 1, 3))
    >>> bool(torch.allclose(effective_weight(layer), layer.weight))
    True
    """
    if not isinstance(layer, nn.Module):
        raise InputError(f"layer={type(layer).__name__}; allowed: a torch.nn.Module")
    title = title_of(name, layer)
    with evaluating(layer):
        if is_registered(layer):
            return _registered_weight(layer, title)
        if _is_quantised(layer):
            return layer.weight().dequantize()  # pyright: ignore[reportCallIssue]
        if not isinstance(layer, CONVOLUTIONS):
            raise UnknownWeightError(title, f"{type(layer).__name__} is no convolution of torch's; {advice(layer)}")
        if any(is_lazy(held) for held in layer.parameters()):
            raise without_values(title)
        return _of_convolution(layer, title).detach()


def _of_convolution(layer: Any, title: str) -> Tensor:
    """The weight of one of torch's convolutions, of ours or of a subclass."""
    parameters = list(layer.parameters())
    if any(type(held).__name__ == "DTensor" for held in parameters):
        raise InputError(f"{title} is sharded by fully_shard; allowed: after unshard() of the module that is sharded")
    if is_freed(layer):
        raise InputError(
            f"{title} is sharded by FullyShardedDataParallel; allowed: within its summon_full_params(model)"
        )
    twin, hooked = with_present_weight(layer), how_computed(layer) == "a hook"
    if hooked or overrides_forward(layer):
        if any(held.is_meta for held in parameters):
            raise without_values(title)
        weight = observed_weight(twin, hooked)
        if isinstance(weight, str):
            kind = type(layer).__name__
            raise UnknownWeightError(title, f"{kind}'s weight is not known: {weight}; {advice(layer)}")
        return weight
    if tuple(twin.weight.shape) != weight_shape(layer):
        raise InputError(
            f"{title}: weight.shape={tuple(twin.weight.shape)}, as of a part of a sharded weight; allowed: "
            f"{weight_shape(layer)}, as within FullyShardedDataParallel.summon_full_params(model)"
        )
    return twin.effective_weight if isinstance(layer, WindowedMixin) else twin.weight


def _registered_weight(layer: nn.Module, title: str) -> Tensor:
    kind = next(c for c in type(layer).__mro__ if c in _registered)
    given = f"{title}: the function that register_weight has for {kind.__name__}"
    try:
        weight: Any = _registered[kind](layer)
    except InputError as error:
        raise InputError(f"{title}: {error}") from None
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        raise InputError(f"{given} fails ({reason}); allowed: one that returns a weight") from error
    shaped = isinstance(weight, Tensor) and 3 <= weight.ndim <= 5 and weight.is_floating_point() and weight.numel()
    if not shaped:
        got = f"{weight.dtype} {tuple(weight.shape)}" if isinstance(weight, Tensor) else type(weight).__name__
        raise InputError(f"{given} returns {got}; allowed: floats (filters, channels, *kernel), 1 to 3 axes")
    return weight.detach()


def title_of(name: str, layer: nn.Module) -> str:
    """A layer's name in error messages."""
    return f"layer {name!r}" if name else f"the model ({type(layer).__name__})"


def without_values(title: str) -> InputError:
    """The error for a layer that is lazy, or on the meta device."""
    return InputError(
        f"{title} has no weight yet, or it is offloaded; allowed: after one run on an example, with weights loaded, or "
        "after accelerate.hooks.remove_hook_from_submodules(model)"
    )


def advice(layer: nn.Module) -> str:
    """What to call for a layer whose weight is not known."""
    kind = type(layer).__name__
    return (
        f"allowed: after windowconv.register_weight({kind}, function), such as windowconv.spectra.impulse_response, "
        "which measures"
    )
