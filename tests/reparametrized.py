"""Layers whose weight is computed, in each of torch's ways, from a convolution that is given."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune


class Symmetric(nn.Module):
    """A user's parametrisation: kernels that are the same from both ends."""

    def forward(self, weight: Tensor) -> Tensor:
        return (weight + weight.flip(-1)) / 2


def _old(apply: Callable[[nn.Module], nn.Module]) -> Callable[[nn.Module], nn.Module]:
    def quietly(layer: nn.Module) -> nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # deprecated, and in use
            return apply(layer)

    return quietly


def _custom(layer: nn.Module) -> nn.Module:
    parametrize.register_parametrization(layer, "weight", Symmetric())
    return layer


def _two(layer: nn.Module) -> nn.Module:
    parametrize.register_parametrization(parametrizations.weight_norm(layer), "weight", Symmetric())
    return layer


def _bias(layer: nn.Module) -> nn.Module:
    return parametrizations.weight_norm(layer, "bias", dim=0)


def _structured(layer: nn.Module) -> nn.Module:
    prune.ln_structured(layer, "weight", 0.5, n=2, dim=0)
    return prune.l1_unstructured(layer, "weight", 0.25)


def _pruned_norm(layer: nn.Module) -> nn.Module:
    return prune.l1_unstructured(nn.utils.weight_norm(layer), "weight_v", 0.5)


WAYS: dict[str, Callable[[Any], Any]] = {
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "custom": _custom,
    "two parametrisations": _two,
    "bias": _bias,
    "older weight_norm": _old(nn.utils.weight_norm),
    "older spectral_norm": _old(nn.utils.spectral_norm),
    "pruned": lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
    "pruned twice": _structured,
    "pruned weight_norm": _old(_pruned_norm),
}


def changed(layer: Any) -> Any:
    """The layer after its parameters changed, as by a step of an optimiser: what hooks have set is stale."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return layer
