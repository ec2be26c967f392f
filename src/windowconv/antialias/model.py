"""Models that blur before they subsample: which layers, at what cost, and back again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from torch import Tensor, nn

from windowconv.antialias.blurring import PaddingMode
from windowconv.antialias.filters import BINOMIAL, Filter
from windowconv.antialias.places import BLUR, Place, check_whole, places, restore
from windowconv.antialias.pooling import BlurPool1d, BlurPool2d, BlurPool3d
from windowconv.eligibility import Patterns
from windowconv.errors import InputError
from windowconv.integers import check_int
from windowconv.kernel_geometry import copy_model
from windowconv.model_summary import summary
from windowconv.tables import Shown, TextTable, by_sign

Model = TypeVar("Model", bound=nn.Module)
Stem = Literal["all", "pool"]
POOLS: Any = {1: BlurPool1d, 2: BlurPool2d, 3: BlurPool3d}


@dataclass(frozen=True)
class AntialiasPlan(Shown):
    """What `antialias` does, layer by layer; prints as a table.

    Attributes:
        places: the layers that subsample.
        macs: multiply-adds of one forward pass of the example before and after; None without an example.
    """

    places: tuple[Place, ...]
    macs: tuple[int, int] | None = None

    def parts(self) -> list[TextTable | str]:
        rows = [
            [
                place.name or "(the model)",
                place.kind,
                by_sign(place.kernel),
                by_sign(place.stride),
                place.does,
                place.cost,
            ]
            for place in self.places
        ]
        table = TextTable(["layer", "class", "kernel", "stride", "becomes", "multiply-adds"], rows)
        if self.macs is None:
            return [table]
        before, after = self.macs
        return [table, f"multiply-adds of the whole model: {before:,} -> {after:,} ({after / before:.2f} times)"]


def antialias(
    model: Model,
    *,
    taps: int | None = None,
    window: Filter = BINOMIAL,
    cutoff: float | None = None,
    padding_mode: PaddingMode = "reflect",
    stem: Stem = "all",
    include: Patterns = None,
    exclude: Patterns = None,
    inplace: bool = False,
) -> Model:
    """Let a model's strided convolutions and pools blur before they subsample.

    A convolution or a pool of stride s computes at stride 1, then a `BlurPool` of stride s subsamples; the output's
    shape stays. A 1x1 convolution gets the blurred input, which is the same and cheaper. Weights, keys of the state
    dict and classes stay as they are: the blur is a child of the layer without state, called by a hook. So a
    checkpoint fits both ways, and says nothing of the blur: call `antialias` again after loading.

    Args:
        model: any module tree.
        taps, window, cutoff, padding_mode: of the blur, as in `BlurPool2d`.
        stem: "pool" leaves the first strided convolution alone, which costs most at stride 1.
        include, exclude: names, as in `windowconv.convert`; what is included is changed, patch embeddings too.
        inplace: change `model` itself instead of a copy.

    Raises:
        InputError: no layer that subsamples, a pattern that matches nothing, a scripted or sharded model, a filter that
            cannot be made. In the forward pass, an input too small for the blur's padding.

    A trained model computes something else afterwards, until it is fine-tuned: see the documentation for how much.
    `undo_antialias` brings the layers back.

    Source: Zhang, "Making convolutional networks shift-invariant again", ICML 2019.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    >>> antialias(net)[2]
    MaxPool2d(
      kernel_size=2, stride=1, padding=0, dilation=1, ceil_mode=False
      (antialias): BlurPool2d(stride=2, taps=3, window=binomial, reflect)
    )
    """
    chosen = [place for place in _planned(model, taps, stem, include, exclude) if place.changes]
    options: dict[str, Any] = {"window": window, "cutoff": cutoff, "padding_mode": padding_mode}
    blurs = [POOLS[place.axes](place.stride, place.taps, **options) for place in chosen]  # all checks before any change
    result = model if inplace else copy_model(model)
    layers = dict(result.named_modules())
    for place, blur in zip(chosen, blurs, strict=True):
        _put(layers[place.name], blur, place)
    return result


def plan_antialias(
    model: nn.Module,
    example: Any = None,
    *,
    taps: int | None = None,
    stem: Stem = "all",
    include: Patterns = None,
    exclude: Patterns = None,
) -> AntialiasPlan:
    """What `antialias` would do with these arguments, without changing the model.

    Args:
        model, taps, stem, include, exclude: as in `antialias`.
        example: the model's input, or a tuple of its inputs, to count its multiply-adds with; None counts none.

    Raises:
        InputError: as `antialias`.

    >>> print(plan_antialias(nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 1, stride=2))))
    layer  class   kernel  stride  becomes                                  multiply-adds
    0      Conv2d  3x3     2x2     stride 1, then a blur of 3 taps          4 times
    1      Conv2d  1x1     2x2     a blur of 3 taps of its input, stride 1  as before
    """
    found = _planned(model, taps, stem, include, exclude)
    if example is None:
        return AntialiasPlan(found)
    inputs = example if isinstance(example, tuple) else (example,)
    changed = antialias(model, taps=taps, stem=stem, include=include, exclude=exclude)
    return AntialiasPlan(found, (summary(model, *inputs).macs, summary(changed, *inputs).macs))


def undo_antialias(model: Model, *, inplace: bool = False) -> Model:
    """The model without the blurs that `antialias` put in, its strides as they were.

    Args:
        model: that `antialias` made.
        inplace: change `model` itself instead of a copy.

    Raises:
        InputError: a model without such layers.
    """
    if not any(BLUR in layer._modules for layer in model.modules()):
        raise InputError(f"model={type(model).__name__}; allowed: a model with layers that antialias changed")
    result = model if inplace else copy_model(model)
    for layer in list(result.modules()):
        if BLUR in layer._modules:
            restore(layer)
    return result


def _planned(model: nn.Module, taps: int | None, stem: Stem, include: Patterns, exclude: Patterns) -> tuple[Place, ...]:
    if stem not in ("all", "pool"):
        raise InputError(f"stem={stem!r}; allowed: 'all', 'pool'")
    if taps is not None:
        check_int("taps", taps, least=1)
    check_whole(model)
    found = places(model, taps, stem == "pool", include, exclude)
    if not any(place.changes for place in found):
        reasons = sorted({place.does for place in found}) or ["none has a stride above 1"]
        raise InputError(
            f"model={type(model).__name__}; allowed: one with layers that subsample ({'; '.join(reasons)})"
        )
    return found


def _put(layer: Any, blur: nn.Module, place: Place) -> None:
    """Let a layer compute at stride 1, with the blur behind it or before it."""
    device = next((tensor.device for tensor in layer.parameters(recurse=False)), None)
    blur.train(layer.training)
    layer.antialias_stride = layer.stride
    layer.stride = type(layer.stride)(1 for _ in layer.stride) if isinstance(layer.stride, tuple) else 1
    layer.add_module(BLUR, blur if device is None else blur.to(device))
    if place.before:
        layer.antialias_hook = layer.register_forward_pre_hook(_blur_input)
    else:
        layer.antialias_hook = layer.register_forward_hook(_blur_output)


def _blur_output(layer: Any, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    return layer._modules[BLUR](output)


def _blur_input(layer: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return (layer._modules[BLUR](inputs[0]), *inputs[1:])
