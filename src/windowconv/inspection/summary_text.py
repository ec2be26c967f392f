"""An inspection as sentences, each with its numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from windowconv.inspection.advice import WORTH
from windowconv.inspection.measure import Inspection
from windowconv.spectra.curve import RADII
from windowconv.spectra.network import ONE_TAP, LayerLeakage
from windowconv.spectra.window_effects import GROWN
from windowconv.tables import by_sign

QUARTER = RADII.index(1 / 4)


def summary(inspection: Inspection) -> list[str]:
    """The findings as sentences, the most important first."""
    parts = [_layers(inspection), _leakage(inspection), _extremes(inspection), _window(inspection)]
    parts += [_strides(inspection), _shift(inspection)]
    return [part for part in parts if part]


def _layers(inspection: Inspection) -> str:
    layers = inspection.leakage.layers
    sizes = Counter(by_sign(layer.kernel) for layer in layers)
    listed = ", ".join(f"{n} of {size}" for size, n in sizes.most_common())
    windowed = sum(layer.window not in (None, "boxcar") for layer in layers)
    text = f"{_count(len(layers), 'convolution')} with kernels of more than one tap ({listed}), "
    text += f"{windowed or 'none'} of them windowed"
    reasons = list(inspection.leakage.skipped.values())
    small, others = reasons.count(ONE_TAP), len(reasons) - reasons.count(ONE_TAP)
    if small:
        text += f"; {_count(small, 'one-tap layer')} left out"
    if others:
        text += f"; {_count(others, 'layer')} left out, whose kernels are not known (see the table)"
    text += f". The weights are {inspection.subject.weights}"
    if not inspection.subject.trained:
        doubt = "" if inspection.subject.weights == "random" else "unless they are trained, "
        text += f": {doubt}these numbers do not describe a trained network (pass --weights)"
    return text + "."


def _leakage(inspection: Inspection) -> str:
    """Kernel size by kernel size, against noise of that size."""
    means = []
    for size, layers in by_size(inspection.leakage.layers).items():
        held = [layer.pair_curve[QUARTER] for layer in layers if layer.pair_curve is not None]
        if not held:
            continue
        mean = sum(held) / len(held)
        noise = layers[0].noise(inspection.leakage.grid)[QUARTER]
        random = "random kernels" if layers[0].window in (None, "boxcar") else "random kernels without a window"
        means.append(f"{size}{'-tap' * size.isdigit()} kernels {mean:.1%} ({random}: {noise:.1%})")
    share = f"Share of a kernel's spectral energy more than 1/4 {inspection.unit} from its peaks, mean over layers"
    return f"{share}: {'; '.join(means)}." if means else ""


def _extremes(inspection: Inspection) -> str:
    held = [layer for layer in inspection.leakage.layers if layer.pair_curve is not None]
    if len(held) < 2:
        return ""
    most, least = max(held, key=_quarter), min(held, key=_quarter)
    text = (
        f"Leakage is highest in layer {most.name} ({_quarter(most):.1%}) and lowest in layer {least.name} "
        f"({_quarter(least):.1%})."
    )
    dead = sum(layer.dead for layer in inspection.leakage.layers)
    return text + (f" {_count(dead, 'filter')} {'is' if dead == 1 else 'are'} entirely zero." if dead else "")


def _window(inspection: Inspection) -> str:
    """What a Hamming window would change, layer by layer."""
    fits = [effect for effect in inspection.effects if effect.change is not None]
    small = [effect for effect in inspection.effects if effect.change is None]
    parts = []
    if fits:
        first = fits[0]
        assert first.after is not None
        better = sum((effect.change or 0) <= -WORTH for effect in fits)
        parts.append(
            f"A Hamming window on the present kernels would lower leakage beyond 1/4 {inspection.unit} by at least "
            f"{100 * WORTH:.0f} points in {_count(better, 'layer')} of {len(fits)} large enough. "
            f"The largest change is in layer {first.layer}: from {first.now[1]:.1%} to {first.after[1]:.1%}. "
            f"Leakage beyond 1/8 would go from {first.now[0]:.1%} to {first.after[0]:.1%} there, since a window widens "
            "the band around the peak."
        )
        if better:
            parts.append(
                "The window alone would change the network's outputs: the call below preserves them, in larger "
                "kernels, as a starting point for fine-tuning."
            )
    if small:
        sizes = ", ".join(sorted({by_sign(effect.kernel) for effect in small}))
        parts.append(
            f"{_count(len(small), 'layer')} of {sizes} {'is' if len(small) == 1 else 'are'} too small for a tapering "
            f"window, which leaves little more than one tap at 3x3: grow "
            f"{'it' if len(small) == 1 else 'them'} to {GROWN}x{GROWN} first."
        )
    return " ".join(parts)


def _strides(inspection: Inspection) -> str:
    if inspection.aliasing is not None and inspection.aliasing.layers:
        worst = max(inspection.aliasing.layers, key=lambda layer: layer.folded if layer.folded == layer.folded else -1)
        return (
            f"On {worst.images} images, aliasing is strongest in layer {worst.name}: {worst.folded:.1%} of its "
            "output's energy, without the mean, lies above the new Nyquist frequency."
        )
    strided = [layer for layer in inspection.leakage.layers if max(layer.stride) > 1]
    folded = [(mean, layer) for layer in strided if (mean := layer.means()["aliased"]) is not None]
    if not folded:
        return ""
    most, layer = max(folded, key=lambda pair: pair[0])
    return (
        f"For white noise, layer {layer.name} (stride {by_sign(layer.stride)}) would alias {most:.1%} of its output's "
        f"energy; an all-pass filter, {1 - 1 / math.prod(layer.stride):.0%}."
    )


def _shift(inspection: Inspection) -> str:
    shift = inspection.shift
    if shift is None:
        return ""
    return (
        f"Two shifts of one image by up to {shift.max_shift} pixels get the same class in {shift.share:.1%} of "
        f"{shift.pairs} pairs (95 % interval {shift.low:.1%} to {shift.high:.1%})."
    )


def by_size(layers: Sequence[LayerLeakage]) -> dict[str, list[LayerLeakage]]:
    """Layers by kernel size (and window), in the order of their first one."""
    groups: dict[str, list[LayerLeakage]] = {}
    for layer in layers:
        window = "" if layer.window in (None, "boxcar") else f" {layer.window}"
        groups.setdefault(layer.size + window, []).append(layer)
    return groups


def pair_curves(layers: Sequence[LayerLeakage]) -> np.ndarray:
    """The mean leakage curves of the single kernels of layers that are not dead, (layers, R)."""
    return np.array([layer.pair_curve for layer in layers if layer.pair_curve is not None])


def _quarter(layer: LayerLeakage) -> float:
    assert layer.pair_curve is not None
    return layer.pair_curve[QUARTER]


def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}" + ("" if n == 1 else "s")
