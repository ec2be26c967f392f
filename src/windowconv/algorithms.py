"""A model's algorithms: set layer by layer, reported, recorded and pinned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from windowconv.conversion import become_windowed, warn_skipped
from windowconv.dispatch import layer_algorithm, layer_problem
from windowconv.eligibility import Patterns, matching
from windowconv.errors import InputError
from windowconv.fftconv.arguments import Algorithm, check_algorithm
from windowconv.fftconv.rewriting import rewritten
from windowconv.fftconv.tile_plan import make_plan
from windowconv.hooks import visit_calls
from windowconv.kernel_geometry import Convolution
from windowconv.layers import WINDOWED
from windowconv.plan import LayerPlan, plan_layer
from windowconv.tables import Shown, TextTable, by_sign
from windowconv.windowed import WindowedMixin

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True)
class LayerAlgorithm:
    """One convolution: its setting ("torch" for a plain layer) and the algorithm that computes one call.

    `input` and `weight` are shapes, (N, C, *sides) and (K, C / groups, *taps). `choice` is "fft", "depthwise",
    "direct" or "not called"; `plan` describes the tiles of "fft".
    """

    name: str
    algorithm: str
    choice: str
    input: tuple[int, ...] = ()
    weight: tuple[int, ...] = ()
    plan: str = ""


@dataclass(frozen=True)
class AlgorithmReport(Shown):
    """The algorithms of a model's convolutions, one row for each layer and input size; prints as a table."""

    layers: tuple[LayerAlgorithm, ...]

    @property
    def pins(self) -> dict[str, str]:
        """Each layer's algorithm, by name, for `set_algorithm`; can be written as JSON and serves a new model too.

        A layer that was called with several sizes has its algorithm for the largest.
        """
        largest: dict[str, LayerAlgorithm] = {}
        for layer in self.layers:
            before = largest.get(layer.name)
            if layer.choice != "not called" and (before is None or _numel(layer.input) > _numel(before.input)):
                largest[layer.name] = layer
        return {name: layer.choice for name, layer in largest.items()}

    def parts(self) -> list[TextTable | str]:
        rows = [
            [
                layer.name or "(the model)",
                by_sign(layer.input) or "-",
                by_sign(layer.weight) or "-",
                layer.algorithm,
                f"{layer.choice}: {layer.plan}" if layer.plan else layer.choice,
            ]
            for layer in self.layers
        ]
        return [TextTable(["layer", "input", "weight", "algorithm", "computed by"], rows)]


def set_algorithm(
    model: Model,
    algorithm: Algorithm | Mapping[str, Algorithm],
    *,
    include: Patterns = None,
    exclude: Patterns = None,
) -> Model:
    """Set the algorithm of a model's convolutions, in place.

    Plain torch layers become windowed layers without a window, which changes neither their results nor the state
    dict's keys; `fold` makes them plain again. Kernels of one tap, patch embeddings unless they are named, transposed
    layers and those to be "direct" stay plain. Layers that `convert` skips are skipped, with one warning.

    Args:
        model: any module tree.
        algorithm: "auto" (the one expected to be faster), "direct" (torch's own), "fft", "depthwise" (which leaves
            other layers as they are), or a mapping from name patterns to these: a layer gets the first that matches
            its name; one that none matches is unchanged.
        include: name patterns (`"layer1.*"`, or an ancestor's name), or a callable (name, layer) -> bool; only these
            layers are set. None is all.
        exclude: the same, for layers to leave as they are.

    Returns:
        The model.

    Raises:
        InputError: no convolutions, an unknown algorithm, or a pattern that matches nothing.

    Warns:
        WindowWarning: skipped layers.

    >>> from torch import nn
    >>> set_algorithm(nn.Sequential(nn.Conv2d(64, 64, 7, padding=3), nn.Conv2d(64, 8, 1)), "fft")
    Sequential(
      (0): WindowedConv2d(64, 64, kernel_size=(7, 7), stride=(1, 1), padding=(3, 3), window=boxcar, algorithm=fft)
      (1): Conv2d(64, 8, kernel_size=(1, 1), stride=(1, 1))
    )
    """
    found = _convolutions(model)
    wanted: dict[str, Algorithm] = _wanted(found, algorithm)
    if include is not None:
        chosen = matching(found, include, "include")
        wanted = {name: value for name, value in wanted.items() if name in chosen}
    left = matching(found, exclude, "exclude")
    named = include is not None or isinstance(algorithm, Mapping)
    plans = [_plan(name, found[name], value, named) for name, value in wanted.items() if name not in left]
    warn_skipped(plans)
    for plan in plans:
        if plan.action == "window":
            module = found[plan.name]
            if not isinstance(module, WindowedMixin):
                become_windowed(module, plan)
            assert isinstance(module, WindowedMixin)
            module.algorithm = wanted[plan.name]
    return model


def algorithm_report(model: nn.Module, *inputs: Any, training: bool | None = None) -> AlgorithmReport:
    """The algorithm of each convolution of a model, found by running it once on `inputs`.

    The model runs in evaluation mode without gradients, and is left as it was.

    Args:
        model: any module.
        inputs: the model's positional arguments.
        training: report a training step (a backward pass follows); None is the model's own mode.

    Raises:
        InputError: the model has no convolutions.

    >>> import torch
    >>> from windowconv.layers import WindowedConv2d
    >>> net = torch.nn.Sequential(WindowedConv2d(3, 8, 7, padding=3, algorithm="fft"), torch.nn.Conv2d(8, 8, 1))
    >>> print(algorithm_report(net, torch.rand(1, 3, 16, 16)))
    layer  input      weight   algorithm  computed by
    0      1x3x16x16  8x3x7x7  fft        fft: ... tiles of ...
    1      1x8x16x16  8x8x1x1  torch      direct
    """
    found = _convolutions(model)
    training = model.training if training is None else training
    rows: dict[str, dict[tuple[int, ...], LayerAlgorithm]] = {name: {} for name in found}

    def visit(name: str, module: nn.Module, input: Any) -> None:
        row = _row(name, module, input, training)
        rows[name][row.input] = row

    visit_calls(model, found, inputs, visit)
    layers = []
    for name, module in found.items():
        layers.extend(rows[name].values() or [LayerAlgorithm(name, _setting(module), "not called")])
    return AlgorithmReport(tuple(layers))


def _convolutions(model: nn.Module) -> dict[str, nn.Module]:
    found = {name: m for name, m in model.named_modules() if isinstance(m, (*WINDOWED, WindowedMixin))}
    if not found:
        raise InputError(f"model={type(model).__name__} has no convolutions")
    return found


def _wanted(found: Mapping[str, nn.Module], algorithm: Algorithm | Mapping[str, Algorithm]) -> dict[str, Algorithm]:
    """The algorithm of each layer that gets one, by name."""
    if not isinstance(algorithm, Mapping):
        check_algorithm(algorithm)
        algorithm = {"*": algorithm}
    wanted: dict[str, Algorithm] = {}
    for pattern, value in algorithm.items():
        check_algorithm(value)
        for name in sorted(matching(found, pattern, "algorithm")):
            wanted.setdefault(name, value)
    return {name: wanted[name] for name in found if name in wanted}


def _plan(name: str, module: Convolution, algorithm: Algorithm, named: bool) -> LayerPlan:
    """The action for a layer: "window" sets its algorithm, and first makes a plain layer windowed."""
    size = tuple(module.kernel_size)
    if module.transposed and algorithm == "fft":
        return LayerPlan(name, "skip", "transposed: always direct", size, size, module.padding)
    if algorithm == "depthwise" and (module.transposed or not _is_depthwise(module)):
        return LayerPlan(name, "leave", "not depthwise", size, size, module.padding)
    if isinstance(module, WindowedMixin):
        return LayerPlan(name, "window", "", size, size, module.padding)
    if module.transposed or algorithm == "direct":
        return LayerPlan(name, "leave", "torch's own already", size, size, module.padding)
    return plan_layer(name, module, None, None, named, False)


def _is_depthwise(module: Convolution) -> bool:
    return module.groups == module.in_channels == module.out_channels


def _row(name: str, module: Convolution, input: Tensor, training: bool) -> LayerAlgorithm:
    choice, plan = "direct", ""
    if isinstance(module, WindowedMixin) and (choice := layer_algorithm(module, input, training)) == "fft":
        plan = str(make_plan(rewritten(layer_problem(module, input))))
    return LayerAlgorithm(name, _setting(module), choice, tuple(input.shape), tuple(module.weight.shape), plan)


def _setting(module: nn.Module) -> str:
    return module.algorithm if isinstance(module, WindowedMixin) else "torch"


def _numel(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()
