"""The convolutions that are computed in the frequency domain, each alone: by torch, and by us."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from windowconv.benchmark.alternatives import OURS, Alternatives, arranged
from windowconv.benchmark.timing import Ratio, Seconds, fastest, in_turn, ratio
from windowconv.hooks import visit_calls


@dataclass(frozen=True)
class LayerTimes:
    """Convolutions of one kind, on inputs of one shape.

    Attributes:
        names: of the layers that are alike.
        input, weight: shapes, (N, C, *sides) and (K, C / groups, *taps).
        times: of one call of one of them, by alternative.
        baselines: torch's alternatives.
    """

    names: tuple[str, ...]
    input: tuple[int, ...]
    weight: tuple[int, ...]
    times: Seconds
    baselines: tuple[str, ...]

    @property
    def baseline(self) -> str:
        """The faster of torch's layouts."""
        return fastest(self.times, self.baselines)

    @property
    def best(self) -> str:
        """The fastest of ours."""
        return fastest(self.times, [name for name in self.times if name not in self.baselines])

    @property
    def ratio(self) -> Ratio:
        """The time of our fastest over that of torch's."""
        return ratio(self.times, self.best, self.baseline)


def layer_times(found: Alternatives, training: bool, seconds: float, device: torch.device) -> tuple[LayerTimes, ...]:
    """Time each kind of convolution that OURS computes in the frequency domain, on noise.

    Args:
        found: the networks.
        training: forward and backward; else forward alone.
        seconds: for all of them together.
        device: where they compute.
    """
    kinds = _kinds(found)
    result = []
    for kind, names in kinds.items():
        noise = torch.randn(kind.input, device=device, dtype=kind.dtype)
        calls = {}
        for each, model in found.models.items():
            input = arranged(noise, found.layouts[each])
            calls[each] = partial(_step if training else _pass, model.get_submodule(names[0]), input)
        times = in_turn(calls, seconds / len(kinds), device)
        result.append(LayerTimes(tuple(names), kind.input, kind.weight, times, found.baselines))
    return tuple(result)


class _Kind(NamedTuple):
    """What decides how long a convolution takes."""

    input: tuple[int, ...]
    weight: tuple[int, ...]
    dtype: torch.dtype
    options: str
    prepared: bool


def _kinds(found: Alternatives) -> dict[_Kind, list[str]]:
    """The layers of the frequency domain, by kind."""
    model = found.models[OURS]
    kinds: dict[_Kind, list[str]] = {}

    def visit(name: str, layer: Any, input: Tensor) -> None:
        options = layer.extra_repr()  # stride, padding, dilation, groups, bias, window
        shapes = tuple(input.shape), tuple(layer.weight.shape)
        names = kinds.setdefault(_Kind(*shapes, input.dtype, options, name in found.prepared), [])
        if name not in names:
            names.append(name)

    visit_calls(model, {name: model.get_submodule(name) for name in found.gains}, found.given(OURS), visit)
    return kinds


def _step(layer: nn.Module, input: Tensor) -> None:
    layer.zero_grad(set_to_none=True)
    output = layer(input.detach().requires_grad_())
    output.backward(torch.ones_like(output))


def _pass(layer: nn.Module, input: Tensor) -> None:
    with torch.no_grad():
        layer(input)
