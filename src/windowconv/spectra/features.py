"""The spectra of feature maps: how much of each frequency is left, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.convolving import convolving_layers
from windowconv.errors import InputError
from windowconv.hooks import evaluating
from windowconv.spectra.batches import BATCH, Images, image_batches
from windowconv.spectra.forward import device_and_dtype, modules_named, output_hooks, run
from windowconv.spectra.frequency_axis import shared_unit
from windowconv.tables import Shown, TextTable, by_sign

FLOOR = 1e-6  # of a map's largest amplitude: what a constant map has beside its mean is rounding
FFT_BYTES = 128 * 2**20


@dataclass(frozen=True)
class LayerSpectrum:
    """The spectrum of one module's output.

    Attributes:
        name: the module's; one called with maps of several sizes has a row for each.
        size: pixels of the map.
        frequencies: (R,) cycles/pixel of the map, in rings one cycle per image wide, from 0 to at most 1/2.
        log_amplitude: (R,) natural logarithm of the amplitude, averaged over the ring, channels and images.
        relative: (R,) the same less that at zero frequency.
        relative_sd: (R,) its standard deviation over the images; None for one image.
        images: how many images.
        empty: the share of maps that are entirely zero, which are left out.
    """

    name: str
    size: tuple[int, ...]
    frequencies: Tensor
    log_amplitude: Tensor
    relative: Tensor
    relative_sd: Tensor | None
    images: int
    empty: float


@dataclass(frozen=True)
class FeatureSpectra(Shown):
    """The spectra of a network's layers in the order in which they run; `skipped` gives reasons by layer."""

    layers: tuple[LayerSpectrum, ...]
    skipped: dict[str, str]

    def parts(self) -> list[TextTable | str]:
        header = ["layer", "map", "images", "at 1/4", "at 1/2"]
        rows = []
        for layer in self.layers:
            at = [layer.relative[(layer.frequencies - f).abs().argmin()].item() for f in (1 / 4, 1 / 2)]
            rows.append([layer.name or "(the model)", by_sign(layer.size), layer.images, *(f"{v:.2f}" for v in at)])
        numeric = [False, False, True, True, True]
        table = TextTable(header, rows, numeric)
        unit = shared_unit(len(layer.size) for layer in self.layers)
        skipped = [f"Skipped {name or '(the model)'}: {why}." for name, why in self.skipped.items()]
        return [table, f"Log amplitude relative to zero frequency, at {unit}.", *skipped]


def feature_spectra(
    model: nn.Module,
    images: Images,
    layers: Sequence[str] | None = None,
    *,
    limit: int | None = None,
    batch_size: int = BATCH,
) -> FeatureSpectra:
    """The mean log amplitude of each layer's output against radial frequency, relative to zero frequency.

        relative(r) = mean of log |F(g)| over |g| within half a cycle per image of r, less mean of log |F(0)|

    with F the Fourier transform of one channel's map; logarithms are averaged over channels and images. A falling
    curve means that the layer blurs, a flat one that it passes or creates high frequencies. Maps are not tapered:
    the jump between opposite edges puts energy on the axes, so compare networks on the same images and sizes. Not
    for comparing maps of different sizes at one frequency: their pixels differ.

    Args:
        model: run in evaluation mode on its device; its modes are restored.
        images: a tensor (N, C, H, W) as the model takes it, or an iterable of batches (`image_batches`).
        layers: names of modules with outputs (N, C, *size); None for every convolution.
        limit: stop after this many images.
        batch_size: images run together.

    Raises:
        InputError: no convolutions, an unknown name, weights or images that are not finite, images that the
            model does not accept; no layer with maps of 4 or more pixels per side.

    Source: Park & Kim, "How do vision transformers work?", ICLR 2022, who read the diagonal where this averages
    over rings.

    >>> _ = torch.manual_seed(0)
    >>> blur = nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular", bias=False)
    >>> _ = nn.init.constant_(blur.weight, 1 / 9)
    >>> print(feature_spectra(blur, torch.rand(8, 1, 16, 16)))
    layer        map    images  at 1/4  at 1/2
    (the model)  16x16       8   -4.72   -6.14
    Log amplitude relative to zero frequency, at cycles/pixel.
    """
    device, dtype = device_and_dtype(model)
    watched = modules_named(model, _convolving(model) if layers is None else layers)
    if not watched:
        raise InputError(f"model={type(model).__name__} without convolutions; allowed: only with layers")
    rows: dict[tuple[str, tuple[int, ...]], list[tuple[Tensor, Tensor]]] = {}
    skipped: dict[str, str] = dict.fromkeys(watched, "not called")

    def record(name: str, output: Any) -> None:
        skipped.pop(name, None)
        why = _unusable(output)
        if why:
            skipped[name] = why
        else:
            rows.setdefault((name, tuple(output.shape[2:])), []).append(_log_amplitudes(output))

    with evaluating(model), output_hooks(watched, record):
        for batch, _ in image_batches(images, batch_size, limit, axes=(1, 2, 3)):
            run(model, batch.to(device, dtype))
    for key in [key for key, parts in rows.items() if all(bool(empty.all()) for _, empty in parts)]:
        skipped[key[0]] = "all maps are zero"
        del rows[key]
    if not rows:
        reasons = "; ".join(f"{name or '(the model)'}: {why}" for name, why in list(skipped.items())[:5])
        raise InputError(
            f"model={type(model).__name__} has no spectra ({reasons}); allowed: a model with maps (N, C, H, W)"
        )
    return FeatureSpectra(tuple(_summed(name, size, parts) for (name, size), parts in rows.items()), skipped)


def _convolving(model: nn.Module) -> list[str]:
    found, left_out = convolving_layers(model)
    return [name for name, _ in model.named_modules() if name in found or name in left_out]


def _unusable(output: Any) -> str | None:
    if not isinstance(output, Tensor) or not output.is_floating_point() or not 3 <= output.ndim <= 5:
        given = f"a tensor {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
        return f"output is {given}, not maps (N, C, *size)"
    if min(output.shape[2:]) < 4:
        return f"map of {by_sign(output.shape[2:])} has fewer than 3 frequencies"
    return None if torch.isfinite(output).all() else "NaN or infinite output"


def _rings(size: Sequence[int], device: torch.device) -> tuple[Tensor, int]:
    """The ring of each frequency of a map, flat, and the number of rings; corners are in the last, not to be used."""
    shortest = min(size)
    square = torch.zeros((), dtype=torch.float64, device=device)
    for axis, n in enumerate(size):
        along = torch.fft.fftfreq(n, dtype=torch.float64, device=device) * shortest
        square = square + along.square().view([-1 if i == axis else 1 for i in range(len(size))])
    rings = shortest // 2 + 1
    ring = (square.sqrt() + 0.5 - 1e-9).floor().long()
    return ring.flatten().clamp(max=rings), rings


def _log_amplitudes(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Of maps (N, C, *size): each image's mean over channels (N, rings), and each map that is empty (N, C)."""
    ring, rings = _rings(maps.shape[2:], maps.device)
    counts = torch.bincount(ring, minlength=rings + 1).double()
    flat = maps.flatten(0, 1)
    means = []
    for part in flat.split(max(1, FFT_BYTES // (40 * flat[0].numel()))):
        amplitude = torch.fft.fftn(part.double(), dim=tuple(range(1, part.ndim))).abs().flatten(1)
        largest = amplitude.amax(1, keepdim=True)
        logs = torch.maximum(amplitude, FLOOR * largest).log()
        sums = logs.new_zeros(len(logs), rings + 1).index_add_(1, ring, logs)
        means.append(torch.where(largest > 0, sums / counts, torch.nan)[:, :rings])
    by_image = torch.cat(means).unflatten(0, maps.shape[:2])
    return by_image.nanmean(1).cpu(), by_image[..., 0].isnan().cpu()


def _summed(name: str, size: tuple[int, ...], parts: list[tuple[Tensor, Tensor]]) -> LayerSpectrum:
    logs, empty = torch.cat([logs for logs, _ in parts]), torch.cat([empty for _, empty in parts])
    used = logs[~logs[:, 0].isnan()]  # images of which at least one channel is not empty
    relative = used - used[:, :1]
    spread = relative.std(0) if len(used) > 1 else None
    frequencies = torch.arange(logs.shape[1], dtype=torch.float64) / min(size)
    share = empty.double().mean().item()
    return LayerSpectrum(name, size, frequencies, used.mean(0), relative.mean(0), spread, len(used), share)
