"""A convolution's responses to gratings, and the output energy at frequencies that its input does not have.

The layer is evaluated with circular padding whatever its own is. On a periodic image that is what the interior of an
infinite image gets; border effects are not measured.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.effective import has_weight
from windowconv.errors import InputError
from windowconv.integers import as_int
from windowconv.spectra.batches import Progress
from windowconv.spectra.filters import Filters, layer_filters
from windowconv.spectra.forward import check_bytes
from windowconv.spectra.gratings import AXES, grating_frequencies, grating_images
from windowconv.tables import by_sign

SIDE = 32  # pixels, for kernels and strides that it suits
BATCH_BYTES = 64 * 2**20


@dataclass(frozen=True)
class OutputEnergy:
    """The mean squares of each filter's output for each grating, (filters, G), over phases and driven channels.

    Attributes:
        total: of the whole output.
        kept: of its part at the grating's own frequency, +f and -f; 0 where the strided output cannot hold f.
        mean: of its part at zero frequency, its mean; 0 for the grating at zero, where that is `kept`.
    """

    total: Tensor
    kept: Tensor
    mean: Tensor

    def new(self, with_mean: bool = True) -> Tensor:
        """The layer's share of energy at frequencies that the grating does not have, (G,).

        Args:
            with_mean: count zero frequency, which a rectifier creates from any grating, as new energy; if not,
                leave it out of both sums. NaN where the output is zero.
        """
        total, kept, mean = self.total.sum(0), self.kept.sum(0), self.mean.sum(0)
        spare = total - kept if with_mean else total - kept - mean
        whole = total if with_mean else total - mean
        return torch.where(whole > 1e-12 * total, spare.clamp(min=0) / whole, torch.nan)


@dataclass(frozen=True)
class Selectivity:
    """A convolution's responses to gratings, in float64 on the CPU.

    Attributes:
        frequencies: (G, 2) cycles/pixel along rows and columns, one of each pair +f, -f; (G, 1) of a 1-D layer.
        response: (filters, G), the amplitude of the output for a grating of amplitude 1, before subsampling.
        before, after: the output's energies before and after the nonlinearity, after subsampling; those before
            are without the bias, those after are of a grating of amplitude `amplitude`.
        size: pixels of the gratings' side.
        stride: the layer's.
        channels: how the input channels were driven.
    """

    frequencies: Tensor
    response: Tensor
    before: OutputEnergy
    after: OutputEnergy
    size: int
    stride: tuple[int, ...]
    amplitude: float
    channels: str

    def preferred(self) -> Tensor:
        """Each filter's frequency of the largest response, (filters, axes) cycles/pixel."""
        return self.frequencies[self.response.argmax(1)]

    def maps(self) -> Tensor:
        """The responses over both halves of the plane, (filters, size, size), zero frequency at [size//2, size//2].

        Of a 1-D layer (filters, size). NaN at frequencies that were not measured.
        """
        index = (self.frequencies * self.size).round().long()
        planes = self.response.new_full((len(self.response), *[self.size] * index.shape[1]), torch.nan)
        for sign in (1, -1):
            at = (sign * index + self.size // 2) % self.size
            planes[(slice(None), *at.T)] = self.response
        return planes


def selectivity(
    layer: nn.Module,
    size: int | None = None,
    *,
    nonlinearity: Callable[[Tensor], Tensor] = torch.relu,
    channels: Literal["separate", "together"] = "separate",
    frequencies: Tensor | None = None,
    phases: int = 4,
    amplitude: float = 1.0,
    progress: Progress = None,
) -> Selectivity:
    """Measure each filter's response to gratings, and the energy that a nonlinearity adds.

    The response is the output's amplitude at the input's frequency; "separate" drives the input channels one at a
    time and sums the energies, sqrt(sum_c |W_c(f)|^2), which is the root of `power_spectrum`; "together" shows all
    channels one grating, |sum_c W_c(f)|. Computed in float64 whatever the layer's dtype.

    A grating at f holds +f and -f only, so all energy that the output has elsewhere is new: harmonics, the mean
    that a rectifier makes (zero frequency, reported with and without), and with a stride s the aliases of every f
    above 1/(2 s) on an axis. Without bias the rectified cosine is the same for every filter: about 1/2 of its
    energy is new, 0.16 without the mean. So only bias (relative to `amplitude`), stride and nonlinearity show in
    `after.new()`; not for comparing kernels, which is what `response` is for.

    Args:
        layer: a convolution of 1 or 2 axes, or a layer of a registered class (`windowconv.register_weight`), with
            any groups and dilation; its padding is replaced by a circular one.
        size: pixels of the gratings' side, at least the kernel's extent and a multiple of the stride. None is 32, or
            as much more as kernel and stride need: for a kernel of 101 taps 128.
        nonlinearity: what follows the layer, (N, filters, *sides) to the same shape: a function, or a module, whose
            copy is run in float64 in evaluation mode (`nn.Sequential(batch_norm, nn.ReLU())`).
        frequencies: int (G, axes) cycles per image, as of `grating_frequencies`; None for all of them.
        phases: how many phases of each grating, evenly over a turn.
        amplitude: of the gratings that the nonlinearity sees, in units of the layer's input.

    The cost is G x phases x channels convolutions of one channel: with "separate" a layer of 512 channels needs
    few frequencies.

    Raises:
        InputError: another layer; weights that are not finite; a size that does not fit; a nonlinearity that
            changes the shape; results that would not fit in memory.

    Source: the argument that small kernels respond to frequencies they do not select is Tomen & van Gemert's, 2021.

    >>> _ = torch.manual_seed(0)
    >>> found = selectivity(nn.Conv2d(1, 4, 3, bias=False), size=16)
    >>> print(f"{found.after.new()[60]:.3f} {found.after.new(with_mean=False)[60]:.3f}")
    0.500 0.164
    """
    filters, bias = _checked(layer, phases, amplitude, channels)
    weight, stride = filters.weight.double(), filters.stride
    size = _fitting_size(size, tuple(weight.shape[2:]), stride)
    axes = len(stride)
    k = grating_frequencies(size, axes) if frequencies is None else frequencies
    if k.ndim != 2 or k.shape[1] != axes or k.is_floating_point() or len(k) == 0 or int(k.abs().max()) > size // 2:
        raise InputError(f"frequencies={k.tolist()!r:.80}; allowed: integers (G, {axes}) within half the size, {size}")
    check_bytes(f"size={size}: the responses", 80 * len(k) * len(weight), "use a smaller size or fewer frequencies")
    if isinstance(nonlinearity, nn.Module):
        nonlinearity = copy.deepcopy(nonlinearity).double().to(weight.device).eval()
    # a grating on several channels at once is one channel with the sum of their kernels
    parts = weight.split(1, dim=1) if channels == "separate" else (weight.sum(1, keepdim=True),)
    step = max(1, BATCH_BYTES // (32 * phases * len(weight) * size**axes))
    answers = []
    for start in range(0, len(k), step):
        tones = _Tones(k[start : start + step], size, stride, phases, weight.device)
        sums = torch.zeros(7, len(weight), len(tones.k), dtype=torch.float64, device=weight.device)
        for part in parts:
            sums += _answer(part, bias, tones, nonlinearity, amplitude)
        answers.append(sums.cpu())
        if progress is not None:
            progress(start + len(tones.k), len(k))
    response, *energies = torch.cat(answers, dim=-1)
    before, after = OutputEnergy(*energies[:3]), OutputEnergy(*energies[3:])
    return Selectivity(k / size, response.sqrt(), before, after, size, stride, amplitude, channels)


class _Tones:
    """Some gratings, and the cosines and sines that find them again in an output."""

    def __init__(self, k: Tensor, size: int, stride: tuple[int, ...], phases: int, device: torch.device) -> None:
        self.k, self.stride = k.to(device), stride
        turns = [2 * torch.pi * i / phases for i in range(phases)]
        self.images = grating_images(k, size, turns, device)
        self.waves = grating_images(k, size, (0.0, -torch.pi / 2), device)
        self.subsampled = (..., *(slice(None, None, s) for s in stride))
        steps = torch.tensor(stride, device=device)
        self.held = (2 * self.k.abs() * steps <= size).all(1)  # by the subsampled output
        self.alone = (2 * self.k * steps % size == 0).all(1)  # +f and -f are one frequency there
        self.constant = (self.k == 0).all(1)

    def energies(self, output: Tensor) -> Tensor:
        """Total, kept and mean of outputs (G, phases, filters, *size): (3, filters, G)."""
        coefficients = _coefficients(output, self.waves[self.subsampled])
        kept = coefficients * torch.where(self.alone, 1.0, 2.0)[:, None] * self.held[:, None]
        flat = output.flatten(3)
        mean = flat.mean(-1).square().mean(1) * ~self.constant[:, None]
        return torch.stack([flat.square().mean((-1, 1)), kept, mean]).transpose(1, 2)


def _coefficients(output: Tensor, waves: Tensor) -> Tensor:
    """Squared Fourier coefficients of outputs (G, phases, filters, *size), averaged over phases: (G, filters)."""
    flat, basis = output.flatten(3), waves.flatten(2)
    found = torch.einsum("gpfm,gwm->gpfw", flat, basis) / flat.shape[-1]
    return found.square().sum(-1).mean(1)


def _answer(weight: Tensor, bias: Tensor | None, tones: _Tones, nonlinearity: Any, amplitude: float) -> Tensor:
    """Squared response, and the energies before and after the nonlinearity: (7, filters, G).

    The weight is (filters, 1, *kernel), the bias (filters,).
    """
    count, phases, *sides = tones.images.shape
    ends = [end for n in reversed(weight.shape[2:]) for end in ((n - 1) // 2, n - 1 - (n - 1) // 2)]
    padded = F.pad(tones.images, ends, mode="circular").flatten(0, 1)[:, None]
    convolve: Any = {1: F.conv1d, 2: F.conv2d}[len(sides)]
    whole = convolve(padded, weight).view(count, phases, len(weight), *sides)
    input_energy = _coefficients(tones.images[:, :, None], tones.waves)
    squared = (_coefficients(whole, tones.waves) / input_energy).T
    linear = whole[tones.subsampled]
    shifted = amplitude * linear if bias is None else amplitude * linear + bias.view(-1, *[1] * len(sides))
    rectified = nonlinearity(shifted.flatten(0, 1))
    if not isinstance(rectified, Tensor) or rectified.shape != shifted.flatten(0, 1).shape:
        raise InputError(f"nonlinearity={nonlinearity!r} changes the shape; allowed: an element-wise function")
    energies = [tones.energies(linear), tones.energies(rectified.double().view_as(shifted))]
    return torch.cat([squared[None], *energies])


def _checked(layer: Any, phases: int, amplitude: float, channels: str) -> tuple[Filters, Tensor | None]:
    """The layer's filters (dilated), and its bias in float64."""
    filters = layer_filters("", layer) if isinstance(layer, nn.Module) and has_weight(layer) else None
    if filters is None or filters.transposed or filters.weight.ndim - 2 not in AXES:
        raise InputError(
            f"layer={type(layer).__name__}; allowed: Conv2d, Conv1d, their windowed layers, and classes that "
            "windowconv.register_weight knows, of 1 or 2 axes"
        )
    if channels not in ("separate", "together"):
        raise InputError(f"channels={channels!r}; allowed: separate, together")
    if phases < 1 or not 0 < amplitude < float("inf"):
        raise InputError(f"phases={phases}, amplitude={amplitude}; allowed: 1 or more phases, a positive amplitude")
    given = getattr(layer, "bias", None)
    bias = given.detach().double() if isinstance(given, Tensor) and given.shape == filters.weight.shape[:1] else None
    if bias is not None and not torch.isfinite(bias).all():
        raise InputError("layer.bias has NaN or infinite values; allowed: finite numbers")
    return filters, bias


def _fitting_size(size: int | None, extent: tuple[int, ...], stride: tuple[int, ...]) -> int:
    """The gratings' side: as given, or the least that fits a kernel and a stride, from `SIDE` up in powers of two."""
    if size is None:
        side = max(SIDE, 1 << (max(extent) - 1).bit_length())
        step = math.lcm(*stride)
        return -(-side // step) * step
    whole = as_int(size)
    if whole is None or whole < max(extent) or any(whole % s for s in stride):
        raise InputError(
            f"size={size}; allowed: a multiple of the stride {by_sign(stride)}, and at least the kernel's extent, "
            f"{' and '.join(map(str, extent))}"
        )
    return whole
