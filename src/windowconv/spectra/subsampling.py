"""Aliasing where a network subsamples: energy above the new Nyquist frequency, on images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd  # pyright: ignore[reportPrivateUsage]

from windowconv.errors import InputError
from windowconv.hooks import visit_calls
from windowconv.reparametrized import shallow_twin
from windowconv.spectra.batches import BATCH, Images, image_batches
from windowconv.spectra.filters import convolutions
from windowconv.spectra.forward import device_and_dtype, run
from windowconv.tables import Shown, TextTable, by_sign
from windowconv.windowed import WindowedMixin

POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
FFT_BYTES = 128 * 2**20


@dataclass(frozen=True)
class LayerAliasing:
    """The aliasing of one layer.

    Attributes:
        name, kind, stride: of the layer.
        size: pixels of its output before subsampling; a layer called with several sizes has a row for each.
        images: how many images; those whose output is zero (or, without the mean, constant) are left out.
        folded: the share of the output's energy above the new Nyquist frequency, each channel's mean removed:
            the images' mean, `folded_sd` their standard deviation; NaN and None where no image or one has a share.
        with_mean: the same share of all energy, with zero frequency in the sum, and `with_mean_sd`.
    """

    name: str
    kind: str
    stride: tuple[int, ...]
    size: tuple[int, ...]
    images: int
    folded: float
    folded_sd: float | None
    with_mean: float
    with_mean_sd: float | None


@dataclass(frozen=True)
class Aliasing(Shown):
    """The aliasing of each subsampling layer, in the order in which they run; prints as a table."""

    layers: tuple[LayerAliasing, ...]

    def parts(self) -> list[TextTable | str]:
        header = ["layer", "class", "stride", "size", "images", "folded", "sd", "with mean", "sd"]
        rows = []
        for layer in self.layers:
            spread = ["-" if sd is None else f"{sd:.3f}" for sd in (layer.folded_sd, layer.with_mean_sd)]
            shares = [f"{layer.folded:.3f}", spread[0], f"{layer.with_mean:.3f}", spread[1]]
            named = [layer.name or "(the model)", layer.kind, by_sign(layer.stride), by_sign(layer.size)]
            rows.append([*named, layer.images, *shares])
        return [TextTable(header, rows, [False] * 4 + [True] * 5)]


def aliasing(model: nn.Module, images: Images, *, limit: int | None = None, batch_size: int = BATCH) -> Aliasing:
    """The share of energy that each subsampling layer folds onto lower frequencies (aliasing).

        folded = sum of |F(g)|^2 over g with |g_a| > 1/(2 stride_a) on any axis a, over the sum of all but g = 0

    with F the transform of the layer's output at stride 1, on its own input, and energies summed over channels. The
    mean is left out: it cannot alias, a batch norm removes it, and a bias or a rectifier before pooling can make it,
    and with it `with_mean`, arbitrary. Energy at the new
    Nyquist frequency itself does not count. Maps are not tapered: the jump between opposite edges adds a little to
    every share, so compare networks on the same images.

    Covers convolution, max pooling and average pooling modules with stride above 1, and those of
    `windowconv.antialias`, whose low pass goes before what is measured; windowed layers use their
    effective weight. Other modules are covered that have a `stride` and a method `before_subsampling`, as these have.
    Subsampling by slicing, `interpolate` or adaptive pooling is not covered. Max pooling creates
    frequencies before it subsamples, and these count. Not a measure of accuracy: aliased energy can still be useful.

    Args:
        model: run in evaluation mode on its device; its modes are restored.
        images: a tensor (N, C, *size) as the model takes it, or an iterable of batches (`image_batches`).
        limit: stop after this many images.
        batch_size: images run together; a layer of stride s is computed at s times the points per axis.

    Raises:
        InputError: no layer that subsamples, or none that is called; weights or images that are not finite; images
            that the model does not accept.

    Source: Zhang, "Making convolutional networks shift-invariant again", ICML 2019; Vasconcelos et al., "Impact of
    aliasing on generalization in deep convolutional networks", ICCV 2021.

    >>> x = torch.arange(32.0)
    >>> waves = torch.cos(2 * torch.pi * x / 16) + 0.5 * torch.cos(2 * torch.pi * 3 * x / 8)  # at 1/16 and 3/8
    >>> net = nn.Conv1d(1, 1, 1, stride=2, bias=False)
    >>> print(aliasing(net, waves[None, None]))
    layer        class   stride  size  images  folded  sd  with mean  sd
    (the model)  Conv1d  2       32         1   0.200   -      0.200   -
    """
    device, dtype = device_and_dtype(model)
    watched = subsampling(model)
    if not watched:
        raise InputError(
            f"model={type(model).__name__}; allowed: a model with convolution or pooling modules of stride above 1"
        )
    rows: dict[tuple[str, tuple[int, ...]], list[Tensor]] = {}

    def record(name: str, layer: nn.Module, given: Any) -> None:
        stride = _stride(layer, given.ndim - 2)
        batched = given if given.ndim == len(stride) + 2 else given[None]
        dense = _at_stride_one(layer, batched)
        rows.setdefault((name, tuple(dense.shape[2:])), []).append(_energies(dense, stride))

    runner = _Runner(model)
    for batch, _ in image_batches(images, batch_size, limit, axes=(1, 2, 3)):
        visit_calls(runner, watched, [batch.to(device, dtype)], record)
    if not rows:
        raise InputError(
            f"model={type(model).__name__} calls none of {', '.join(watched)}; allowed: a model that subsamples"
        )
    return Aliasing(tuple(_row(name, watched[name], size, torch.cat(held)) for (name, size), held in rows.items()))


class _Runner(nn.Module):
    """The model, with an `InputError` for images that it does not accept."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        return run(self.model, images)


def subsampling(model: nn.Module) -> dict[str, nn.Module]:
    """The convolutions and poolings of a model with a stride above 1, by name."""
    found = convolutions(model)
    kept = {}
    for name, module in model.named_modules():
        convolves = name in found and not isinstance(module, _ConvTransposeNd)
        if (convolves or isinstance(module, (*POOLS, Subsampling))) and max(_stride(module)) > 1:
            kept[name] = module
    return kept


@runtime_checkable
class Subsampling(Protocol):
    """A module that filters and subsamples at once."""

    stride: int | tuple[int, ...]

    def before_subsampling(self, input: Tensor) -> Tensor:
        """What is subsampled, (N, C, *size); the output is every stride-th value of this, or of the same content."""
        ...


def _stride(layer: Any, axes: int = 1) -> tuple[int, ...]:
    """The stride of a layer along each axis; `axes` of them for layers of any number."""
    given = layer.stride
    if isinstance(given, tuple | list):
        return tuple(given)
    return (given,) * (axes if isinstance(layer, Subsampling) else int(type(layer).__name__[-2]))


def _at_stride_one(layer: nn.Module, given: Tensor) -> Tensor:
    """The layer's output without subsampling, (N, C, *size); its own output is every stride-th value of this."""
    if isinstance(layer, Subsampling):
        return layer.before_subsampling(given)
    twin = shallow_twin(layer)
    twin.stride = (1,) * len(_stride(layer, given.ndim - 2))
    twin.return_indices = False
    if isinstance(twin, WindowedMixin):
        twin.prepared = None  # made for the layer's own stride
    return type(layer).forward(twin, given)


def _energies(maps: Tensor, stride: tuple[int, ...]) -> Tensor:
    """Energies above the new Nyquist frequency, at zero, and of all, of maps (N, C, *size): (N, 3)."""
    axes, last = len(stride), maps.shape[-1]
    above = torch.zeros((1,) * axes, dtype=torch.bool, device=maps.device)
    for axis, (n, s) in enumerate(zip(maps.shape[2:], stride, strict=True)):
        k = torch.fft.fftfreq(n, 1 / n, device=maps.device).round().abs()
        above = above | (2 * s * k > n).view([-1 if i == axis else 1 for i in range(axes)])
    half = last // 2 + 1  # of real maps the other half is the same again
    twice = torch.full((half,), 2.0, dtype=torch.float64, device=maps.device)
    twice[0] = 1
    if last % 2 == 0:
        twice[-1] = 1
    above = above[..., :half].flatten()
    kept = []
    for part in maps.split(max(1, FFT_BYTES // (40 * maps[0].numel()))):
        spectrum = torch.view_as_real(torch.fft.rfftn(part.double(), dim=tuple(range(2, part.ndim))))
        # channels first: a map's energy is then one sum, whatever their number
        power = (spectrum.square_().sum((1, -1)) * twice).flatten(1)
        kept.append(torch.stack([power[:, above].sum(1), power[:, 0], power.sum(1)], 1))
    return torch.cat(kept).cpu()


def _row(name: str, layer: nn.Module, size: tuple[int, ...], energies: Tensor) -> LayerAliasing:
    above, mean, total = energies.T
    varied = total - mean
    real = varied > 1e-12 * total  # not a constant map's rounding
    shares = [(above[real] / varied[real]), (above[total > 0] / total[total > 0])]
    figures: list[Any] = []
    for share in shares:
        figures += [share.mean().item(), share.std().item() if len(share) > 1 else None]
    return LayerAliasing(name, type(layer).__name__, _stride(layer, len(size)), size, len(energies), *figures)
