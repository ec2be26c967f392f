"""A network's filters, layer by layer: what they select and what they leak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.convolving import convolving_layers
from windowconv.effective import CONVOLUTIONS, UnknownWeightError
from windowconv.errors import InputError, unknown
from windowconv.spectra.curve import GRID, RADII, curve_of, fitting_grid, power_spectrum
from windowconv.spectra.filters import Filters, layer_filters, sampled, select_layers
from windowconv.spectra.frequency_axis import shared_unit
from windowconv.spectra.kernels import KernelFigures, figures_of
from windowconv.spectra.layer_shape import KERNELS, KernelShape, kernel_shape
from windowconv.spectra.noise import noise_curve
from windowconv.spectra.shape_table import LEGEND, kernel_table
from windowconv.tables import Shown, TextTable, by_sign

SCALARS = (1 / 8, 1 / 4)  # the radii whose leakage is a figure of its own, in cycles/pixel
GRIDS = {1: GRID, 2: GRID, 3: GRID // 2}  # frequencies per axis, by axes: 64^3 per filter would be slow
PAIRS = 512  # single kernels per layer: the mean's standard error is then below 0.01
ONE_TAP = "one tap"
BATCH_BYTES = 128 * 2**20


@dataclass(frozen=True)
class LayerLeakage:
    """One convolution's filters.

    Attributes:
        name, kind, kernel, stride, dilation, groups: of the layer.
        window: as text; None for a plain layer.
        filters, dead: the number of filters, and of those that are entirely zero.
        curve: the mean of the filters' leakage curves at the network's radii; None where all filters are dead.
        leakage: L(1/8) and L(1/4) of each filter, its channels summed in energy, (filters, 2).
        pair_curve, pair_leakage: the same of single kernels, each with its own peak: (pairs, 2) for a sample of
            them in layers that have more.
        figures: the other figures of each filter; `aliased` is what the layer's stride would fold of white noise,
            NaN for transposed layers.
        shape: which taps the layer's kernels use, and what they leak beside their own main lobes.
    """

    name: str
    kind: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    window: str | None
    filters: int
    dead: int
    curve: tuple[float, ...] | None
    leakage: Tensor
    pair_curve: tuple[float, ...] | None
    pair_leakage: Tensor
    figures: KernelFigures
    shape: KernelShape

    @property
    def size(self) -> str:
        """The kernel's size and dilation as text."""
        return by_sign(self.kernel) + ("" if max(self.dilation) == 1 else f" dilated {by_sign(self.dilation)}")

    def noise(self, grid: int) -> tuple[float, ...]:
        """The leakage curve of random kernels of this size and dilation."""
        return noise_curve(self.kernel, grid, self.dilation)

    def means(self) -> dict[str, float | None]:
        """Means over the filters that are not zero, then the numbers of `shape`; None if there are none."""
        held = {
            "leakage_1/8": self.leakage[:, 0],
            "leakage_1/4": self.leakage[:, 1],
            "pair_leakage_1/8": self.pair_leakage[:, 0],
            "pair_leakage_1/4": self.pair_leakage[:, 1],
            "frequency": self.figures.frequency,
            "bandwidth": self.figures.bandwidth,
            "flatness": self.figures.flatness,
            "aliased": self.figures.aliased,
            "support": self.figures.support,
        }
        return {name: _mean(values) for name, values in held.items()} | self.shape.figures()


@dataclass(frozen=True)
class NetworkLeakage(Shown):
    """All convolutions of a network with more than one tap; prints as a table.

    Attributes:
        layers: in the model's order.
        skipped: layers that were not measured, with the reason.
        grid: frequencies per axis, the same for all layers.
        radii: of the curves, in cycles/pixel.
    """

    layers: tuple[LayerLeakage, ...]
    skipped: dict[str, str]
    grid: int
    radii: tuple[float, ...] = RADII

    @property
    def unit(self) -> str:
        """What the frequencies of the kernels are counted in: cycles per sample, pixel or voxel."""
        return shared_unit(len(layer.kernel) for layer in self.layers)

    def __getitem__(self, name: str) -> LayerLeakage:
        """The layer with this name; an `InputError` suggests the nearest if there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise unknown("layer", name, [layer.name for layer in self.layers])

    def curve_at(self, r: float) -> list[float]:
        """The mean leakage of single kernels at one of `radii`, layer by layer; dead layers are left out."""
        if r not in self.radii:
            raise InputError(f"r={r}; allowed: a multiple of 1/64 up to 1/2, such as 1/8 or 1/4")
        held = (layer.pair_curve for layer in self.layers)
        return [curve[self.radii.index(r)] for curve in held if curve is not None]

    def parts(self) -> list[TextTable | str]:
        header = [
            "layer",
            "kernel",
            "stride",
            "window",
            "filters",
            "L(1/8)",
            "L(1/4)",
            "filter L(1/8)",
            "filter L(1/4)",
        ]
        header += ["peak", "bandwidth", "flatness", "aliased", "support"]
        rows = []
        for layer in self.layers:
            cells = [layer.name or "(the model)", layer.size, by_sign(layer.stride), layer.window or "-"]
            means = list(layer.means().values())
            shown = ["-" if mean is None else f"{mean:.3f}" for mean in [*means[2:4], *means[:2], *means[4:9]]]
            rows.append([*cells, f"{layer.filters:,}", *shown])
        table = TextTable(header, rows, [False] * 4 + [True] * 10)
        shapes = kernel_table({layer.name or "(the model)": layer.shape for layer in self.layers})
        return [table, *self.left_out(), self.legend(), "", shapes, LEGEND]

    def left_out(self) -> list[str]:
        """A line for each layer that was not measured for another reason than having one tap."""
        return [f"Left out: {name or 'the model'}: {why}." for name, why in self.skipped.items() if why != ONE_TAP]

    def legend(self) -> str:
        """An explanation of the columns of the first table."""
        return (
            f"L(r): share of a kernel's spectral energy more than r {self.unit} from its peaks, mean over kernels. "
            "Filter: the same for whole filters, the energies of their channels summed. The other columns are means "
            f"over filters: peak and bandwidth in {self.unit}; aliased, the share above the stride's Nyquist "
            "frequency; support, the radius in taps."
        )

    def rows(self) -> list[dict[str, Any]]:
        """One plain dictionary per layer, for JSON or a data frame; means over filters."""
        return [
            {
                "layer": layer.name,
                "class": layer.kind,
                "kernel": list(layer.kernel),
                "stride": list(layer.stride),
                "dilation": list(layer.dilation),
                "groups": layer.groups,
                "window": layer.window,
                "filters": layer.filters,
                "dead": layer.dead,
                **layer.means(),
            }
            for layer in self.layers
        ]


def leakage(model: nn.Module, layers: Sequence[str] | None = None, pairs: int = PAIRS) -> NetworkLeakage:
    """Measure what the filters of a network leak, layer by layer.

    A layer's effective weight counts (`windowconv.effective_weight`): a windowed layer and its folded one agree, and a
    parametrised, pruned or standardised weight is measured as it is used. Dilated kernels are measured with their gaps,
    since these repeat the passband. Layers of one tap have no spectrum and are left out, and so are layers that make
    kernels of their own (a sinc layer), until `windowconv.register_weight` says what these are; `skipped` gives the
    reasons.

    Not for ranking networks: leakage measures how selective filters are, not how accurate a network is.

    Args:
        model: any module tree; nothing is run, but for layers that compute their weight in `forward`.
        layers: names of layers, or of modules that hold layers; all if None.
        pairs: how many single kernels to measure per layer, sampled at random (the same ones in each call).

    Returns:
        Per layer: leakage at 1/8 and 1/4 cycles/pixel, peak, bandwidth, flatness, aliasing and support; which taps
        the kernels use, and what they leak beside their own main lobes.

    Raises:
        InputError: fewer than one pair; no convolution of more than one tap; an unknown layer; a weight that is
            uninitialised, or with NaN or infinite values. The message names the layer.

    >>> import torch
    >>> from torch import nn
    >>> _ = torch.manual_seed(0)
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 7, stride=2))
    >>> print(str(leakage(net)).split("L(r)")[0].strip())
    layer  kernel  stride  window  filters  L(1/8)  L(1/4)  filter L(1/8)  filter L(1/4)   peak  bandwidth  ...
    0      3x3     1x1     -             8   0.768   0.419          0.842          0.556  0.268      0.625  ...
    2      7x7     2x2     -             8   0.809   0.584          0.894          0.644  0.356      0.646  ...
    """
    kernels, skipped = _kernels(model, layers, pairs)
    grid = common_grid([filters.weight for filters in kernels.values()])
    measured = tuple(_measure(name, filters, grid, pairs) for name, filters in kernels.items())
    return NetworkLeakage(measured, skipped, grid)


def pair_leakage(model: nn.Module, pairs: int = PAIRS) -> dict[str, list[float | None]]:
    """L(1/8) and L(1/4) of single kernels, mean by layer: the part of `leakage` that is fast to compute.

    For repeated measurement, such as during training.

    Args:
        model, pairs: as in `leakage`.

    Raises:
        InputError: as `leakage`.
    """
    kernels, _ = _kernels(model, None, pairs)
    grid = common_grid([filters.weight for filters in kernels.values()])
    curves = {name: _pair_curves(filters.weight, grid, pairs) for name, filters in kernels.items()}
    return {name: [_mean(each[:, RADII.index(r)]) for r in SCALARS] for name, each in curves.items()}


def _kernels(model: nn.Module, names: Sequence[str] | None, pairs: int) -> tuple[dict[str, Filters], dict[str, str]]:
    """The filters of the layers of more than one tap, and why others are left out."""
    if pairs < 1:
        raise InputError(f"pairs={pairs}; allowed: 1 or more")
    found, left_out = convolving_layers(model)
    wanted = select_layers({**found, **left_out}, names)
    skipped = {name: left_out[name] for name in wanted if name in left_out}
    kernels: dict[str, Filters] = {}
    for name in (n for n in wanted if n in found):
        if isinstance(found[name], CONVOLUTIONS) and max(found[name].kernel_size) == 1:
            skipped[name] = ONE_TAP
            continue
        try:
            filters = layer_filters(name, found[name])
        except UnknownWeightError as error:
            skipped[name] = error.reason
            continue
        if max(filters.kernel) == 1:
            skipped[name] = ONE_TAP
        else:
            kernels[name] = filters
    if not kernels:
        others = "; ".join(f"{name or 'the model'}: {why}" for name, why in skipped.items() if why != ONE_TAP)
        reason = f" ({others})" if others else ""
        raise InputError(
            f"model={type(model).__name__}{reason}; allowed: a model with convolutions of more than one tap"
        )
    return kernels, skipped


def common_grid(weights: Sequence[Tensor]) -> int:
    """One grid for kernels (filters, channels, *kernel) of several sizes: the default, or the next power of two."""
    needed = max(2 * max(weight.shape[2:]) - 1 for weight in weights)
    default = min(GRIDS[weight.ndim - 2] for weight in weights)
    return fitting_grid(needed, default)


def _measure(name: str, filters: Filters, grid: int, pairs: int) -> LayerLeakage:
    """All measurements of a layer."""
    curves, figures = _filters(filters.weight, 1 if filters.transposed else filters.stride, grid)
    if filters.transposed:
        figures.aliased.fill_(torch.nan)
    pair_curves = _pair_curves(filters.weight, grid, pairs)
    at = [RADII.index(r) for r in SCALARS]
    return LayerLeakage(
        name,
        filters.kind,
        filters.kernel,
        filters.stride,
        filters.dilation,
        filters.groups,
        filters.window,
        len(curves),
        int(curves[:, 0].isnan().sum()),
        _mean_curve(curves),
        curves[:, at],
        _mean_curve(pair_curves),
        pair_curves[:, at],
        figures,
        kernel_shape(filters.weight, filters.window_values, min(pairs, KERNELS)),
    )


def _pair_curves(weight: Tensor, grid: int, pairs: int) -> Tensor:
    """The leakage curves of at most `pairs` single kernels, (kernels, R)."""
    return torch.cat([_curves(power_spectrum(part, grid)) for part in _parts(sampled(weight, pairs), grid)])


def _filters(weight: Tensor, stride: int | tuple[int, ...], grid: int) -> tuple[Tensor, KernelFigures]:
    """The curves (filters, R) and figures of all filters, in parts to bound memory."""
    curves, each = [], []
    for part in _parts(weight, grid):
        power = power_spectrum(part, grid)
        curves.append(_curves(power))
        each.append([column.cpu() for column in _columns(figures_of(power, part, stride))])
    return torch.cat(curves), KernelFigures(*(torch.cat(columns) for columns in zip(*each, strict=True)))


def _parts(weight: Tensor, grid: int) -> tuple[Tensor, ...]:
    return weight.split(max(1, BATCH_BYTES // (8 * grid ** (weight.ndim - 2))))


def _curves(power: Tensor) -> Tensor:
    return curve_of(power, torch.tensor(RADII, dtype=torch.float64, device=power.device)).leakage.cpu()


def _mean_curve(curves: Tensor) -> tuple[float, ...] | None:
    mean = curves.nanmean(0)
    return None if bool(mean.isnan().any()) else tuple(mean.tolist())


def _columns(figures: KernelFigures) -> tuple[Tensor, ...]:
    return tuple(getattr(figures, name) for name in KernelFigures.__dataclass_fields__)


def _mean(values: Tensor) -> float | None:
    mean = float(values.nanmean())
    return None if mean != mean else mean
