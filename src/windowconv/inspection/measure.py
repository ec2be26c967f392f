"""All that `inspect` measures of one network."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.errors import InputError
from windowconv.hooks import evaluating
from windowconv.inspection.advice import Advice, advise
from windowconv.inspection.inputs import called_with
from windowconv.inspection.subject import Subject
from windowconv.phases import phase
from windowconv.spectra.features import FeatureSpectra, feature_spectra
from windowconv.spectra.filters import convolutions, layer_filters
from windowconv.spectra.forward import logits
from windowconv.spectra.heat_map import FourierHeatMap, fourier_heat_map
from windowconv.spectra.layer_shape import KernelShape
from windowconv.spectra.network import NetworkLeakage, leakage
from windowconv.spectra.receptive_field import ReceptiveField, effective_receptive_field
from windowconv.spectra.responses import Selectivity, selectivity
from windowconv.spectra.shift import ShiftConsistency, shift_consistency
from windowconv.spectra.subsampling import Aliasing, aliasing, subsampling
from windowconv.spectra.window_effects import WindowEffect, window_effects

GRATING = 32  # taps a side of the largest kernel that gratings are shown to, in the plane
LONGEST = 1024  # and of one axis
MOST_CHANNELS = 4  # of a layer that gratings are shown to one by one
FIELD_SIZE = 64  # pixels of a receptive field's input, where the network's own is unknown
SMALL = 32  # pixels of images whose heat map has every frequency
MAP_FREQUENCIES = 15  # a side of others' heat map: the lowest frequencies
FOLDED = 16  # images of which aliasing is measured, at stride 1: the slowest measure
PAIRS_OF_SHIFTS = 4  # an image
NORMS = (4.0, 15.7)  # of the heat map's noise, as Yin et al. for 32 and 224 pixels

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Inspection:
    """One network's measurements; what was not measured is None.

    Attributes:
        gratings: the first layer's name, and its responses to gratings.
        changed: the Fourier heat map of the share of images whose class changes.
        advice: the conversion to try; None where a window helps nowhere.
        seconds: the time that each measurement took.
    """

    subject: Subject
    leakage: NetworkLeakage
    effects: tuple[WindowEffect, ...]
    gratings: tuple[str, Selectivity] | None
    images: int
    aliasing: Aliasing | None
    features: FeatureSpectra | None
    shift: ShiftConsistency | None
    changed: FourierHeatMap | None
    field: ReceptiveField | None
    advice: Advice | None
    seconds: dict[str, float]

    @property
    def unit(self) -> str:
        """What the frequencies of its kernels are counted in."""
        return self.leakage.unit

    def rate_of(self, layer: str) -> float | None:
        """The sampling rate of a layer's input, if known: that of the first layer."""
        return self.subject.rate if layer == self.leakage.layers[0].name else None

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON: numbers, strings, lists, dictionaries."""
        subject = self.subject
        found: dict[str, Any] = {
            "model": subject.name,
            "weights": subject.weights,
            "trained": subject.trained,
            **({} if subject.rate is None else {"rate": subject.rate}),
            **({"facts": subject.facts} if subject.facts else {}),
            "grid": self.leakage.grid,
            "radii": list(self.leakage.radii),
            "layers": [
                {**row, "curve": layer.curve, "pair_curve": layer.pair_curve, **_envelope(layer.shape)}
                for row, layer in zip(self.leakage.rows(), self.leakage.layers, strict=True)
            ],
            "skipped": self.leakage.skipped,
            "window_effects": [asdict(effect) for effect in self.effects],
        }
        for name in ("aliasing", "features", "shift", "changed", "field"):
            if (measured := getattr(self, name)) is not None:
                found[name] = _plain(asdict(measured))
        return {**found, "images": self.images, "seconds": self.seconds}


def inspect_subject(
    subject: Subject,
    images: Tensor | None = None,
    *,
    heat_map: bool = False,
    receptive_field: bool = False,
    progress: Progress = lambda text: None,
) -> Inspection:
    """Measure a network.

    Args:
        subject: the network.
        images: (N, C, H, W) in [0, 1], for what needs images: aliasing, spectra of feature maps, shift consistency.
        heat_map: also the Fourier heat map, which takes hundreds of passes over the images.
        receptive_field: also the effective receptive field of the output.
        progress: called with a line of text: what is being measured, and how far it is.

    Raises:
        InputError: what the measures raise; a heat map without images.
    """
    if heat_map and images is None:
        raise InputError("heat_map=True; allowed: only with images")
    clock = _Clock(subject.name, progress)
    model = subject.model
    measured = clock.time("leakage of the kernels", lambda: leakage(model))
    effects = clock.time("what a window would change", lambda: window_effects(model))
    gratings = clock.time("gratings", lambda: _gratings(model, measured))
    found: dict[str, Any] = dict.fromkeys(("aliasing", "features", "shift", "changed"))
    with called_with(model, subject.others):
        if images is not None:
            found = _with_images(subject, images, heat_map, clock)
        found["field"] = clock.time("receptive field", lambda: _field(subject, progress)) if receptive_field else None
    count = 0 if images is None else len(images)
    advice = advise(model, effects)
    return Inspection(subject, measured, effects, gratings, count, advice=advice, seconds=clock.seconds, **found)


def _gratings(model: nn.Module, measured: NetworkLeakage) -> tuple[str, Selectivity] | None:
    """Responses of the first layer; None if it has more axes than an image, many input channels or a huge kernel."""
    name = measured.layers[0].name
    layer = model.get_submodule(name)
    filters = layer_filters(name, layer)
    axes = filters.weight.ndim - 2
    if filters.transposed or axes > 2 or filters.weight.shape[1] * filters.groups > MOST_CHANNELS:
        return None
    if max(*filters.weight.shape[2:], *filters.stride) > (GRATING if axes == 2 else LONGEST):
        return None
    return name, selectivity(layer, phases=1)


def _with_images(subject: Subject, images: Tensor, heat_map: bool, clock: _Clock) -> dict[str, Any]:
    model, ready = subject.model, subject.normalize(images)
    found: dict[str, Any] = {
        "aliasing": clock.time("aliasing", lambda: aliasing(model, ready, limit=FOLDED))
        if subsampling(model)
        else None,
        "features": clock.time("spectra of feature maps", lambda: feature_spectra(model, ready)),
        "shift": None,
        "changed": None,
    }
    if _classifies(model, ready[:1]):
        found["shift"] = clock.time("shift consistency", lambda: shift_consistency(model, ready, pairs=PAIRS_OF_SHIFTS))
        if heat_map:
            found["changed"] = clock.time("heat map", lambda: _heat_map(subject, images, clock.progress))
    elif heat_map:
        raise InputError(f"heat_map=True; allowed: only for a classifier with one score per class, not {subject.name}")
    return found


def _classifies(model: nn.Module, images: Tensor) -> bool:
    with evaluating(model):
        try:
            return logits(model, images).shape[1] > 1
        except InputError:
            return False


def _heat_map(subject: Subject, images: Tensor, report: Progress) -> FourierHeatMap:
    """The share of predictions that change, which needs no labels."""
    model = subject.model
    with evaluating(model):
        own = torch.cat([logits(model, subject.normalize(batch)).argmax(1) for batch in images.split(64)])
    size = None if max(images.shape[2:]) <= SMALL else MAP_FREQUENCIES
    norm = NORMS[min(images.shape[2:]) > 96]
    progress = _counter("heat map", report)
    return fourier_heat_map(
        model, images, own, norm, size=size, normalize=subject.normalize, batch_size=64, progress=progress
    )


def _field(subject: Subject, report: Progress) -> ReceptiveField:
    """Of the last convolution of more than one tap, since a classifier's output is not a map."""
    layers = [name for name, layer in convolutions(subject.model).items() if max(layer.kernel_size) > 1]
    size = subject.size or FIELD_SIZE
    progress = _counter("receptive field", report)
    return effective_receptive_field(subject.model, layers[-1], size, channels=subject.channels, progress=progress)


def _counter(name: str, report: Progress) -> Callable[[int, int], None]:
    return lambda done, total: report(f"{name}: {done} of {total}")


class _Clock:
    """Reports what is being measured, and records how long it took."""

    def __init__(self, subject: str, progress: Progress) -> None:
        self.subject, self.progress = subject, progress
        self.seconds: dict[str, float] = {}

    def time(self, name: str, measure: Callable[[], Any]) -> Any:
        self.progress(name)
        start = time.perf_counter()
        with phase(f"{self.subject}: {name}"):
            result = measure()
        self.seconds[name] = round(time.perf_counter() - start, 3)
        return result


def _envelope(shape: KernelShape) -> dict[str, Any]:
    """What a layer's shape has beside single numbers, for JSON."""
    central = {str(side): share for side, share in shape.central.items()}
    return {"profile": shape.profile.tolist(), "central": _plain(central)}


def _plain(value: Any) -> Any:
    """The value for JSON: tensors as lists, NaN as None."""
    if isinstance(value, Tensor):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {name: _plain(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(held) for held in value]
    return None if isinstance(value, float) and value != value else value
