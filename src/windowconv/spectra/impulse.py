"""The kernel of any linear, shift-invariant layer, measured by its response to impulses."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.errors import InputError
from windowconv.integers import as_int, as_ints, check_int, check_ints
from windowconv.kernel_geometry import copy_model
from windowconv.spectra.forward import check_bytes

FIRST = {1: 64, 2: 16, 3: 8}  # samples of a side of the first input tried, by axes
LARGEST = {1: 2**15, 2: 2**8, 3: 2**5}
BATCH_BYTES = 64 * 2**20
TOLERANCE = 1e-9  # of the largest value: in float64, a layer that is linear is so to about 1e-14
ZERO = 1e-12  # of a kernel's largest tap: less is rounding
Layer = Callable[[Tensor], Tensor]


def impulse_response(
    layer: nn.Module,
    *,
    channels: int | None = None,
    axes: int | None = None,
    stride: int | Sequence[int] | None = None,
) -> Tensor:
    """Measure the kernel of a layer that is linear and shift-invariant, apart from a bias: its response to impulses.

        y(i) = b + sum over taps t of w(t) x(s i + t - p)

    w is what `torch.nn.functional.conv1d` and its kin need as their weight, with the gaps of a dilation, cropped to the
    taps that are not zero. It serves as the function of `windowconv.register_weight`, for layers whose kernel is
    computed. The layer is copied and run in float64 in evaluation mode. That it is linear and shift-invariant is
    checked on random inputs, not assumed.

    Args:
        layer: (N, channels, *sides) -> (N, filters, *outputs); wrap a layer that orders its axes otherwise in a module.
        channels: of the input; None is the layer's `in_channels`, or 1.
        axes: 1 to 3; None is the number in the layer's `kernel_size` if that is a tuple, or 1.
        stride: of the layer, one for all axes or one per axis; None is its own `stride`, or 1.

    Returns:
        (filters, channels, *kernel) in float64; input channels that no filter sees are left out where each filter sees
        equally many (groups): (filters, channels / groups, *kernel).

    Raises:
        InputError: a layer that cannot be copied, fails on random inputs, is not linear or not shift-invariant, or
            whose response does not end within the largest input tried (32,768 samples; 256 x 256; 32 x 32 x 32).

    Not for layers whose weight can be had: `windowconv.effective_weight` is exact, and faster. Not for transposed
    layers: their outputs do not shift with their inputs sample by sample.

    >>> smooth = nn.Sequential(nn.Conv1d(1, 1, 5, padding=2), nn.AvgPool1d(3, stride=1))
    >>> impulse_response(smooth).shape
    torch.Size([1, 1, 7])
    """
    if not isinstance(layer, nn.Module):
        raise InputError(f"layer={type(layer).__name__}; allowed: a torch.nn.Module")
    count = check_int("channels", as_int(getattr(layer, "in_channels", 1)) if channels is None else channels, 1)
    sizes = getattr(layer, "kernel_size", None)
    axes = (len(sizes) if isinstance(sizes, tuple) else 1) if axes is None else as_int(axes)
    if axes not in FIRST:
        raise InputError(f"axes={axes!r}; allowed: 1, 2 or 3")
    steps = check_ints("stride", getattr(layer, "stride", 1) if stride is None else stride, axes, 1)
    run = _in_double(layer)
    side = max(FIRST[axes], 4 * max(as_ints(sizes) or (1,)), 8 * max(steps))
    failure = "its response to an impulse does not end"
    while side <= LARGEST[axes]:
        try:
            probe = _Probe(run, count, side, steps)
            if (kernel := probe.kernel()) is not None:
                probe.check(kernel)
                return _without_unseen(kernel.weight)
        except InputError as error:
            raise InputError(f"layer={type(layer).__name__}: {error}") from None
        except Exception as error:
            failure = f"it fails ({' '.join(str(error).split())[:160]})"
        side *= 2
    raise InputError(
        f"layer={type(layer).__name__}: {failure} with inputs of {count} channels and {axes} axes in float64, up to "
        f"{LARGEST[axes]} samples a side; allowed: a linear, shift-invariant layer with a finite kernel"
    )


@dataclass(frozen=True)
class _Kernel:
    """(filters, channels, *kernel), and the padding before the input with which a convolution computes the same."""

    weight: Tensor
    padding: tuple[int, ...]


class _Probe:
    """A layer with inputs of one size: `side` samples on each axis."""

    def __init__(self, run: Layer, channels: int, side: int, steps: tuple[int, ...]) -> None:
        self.run, self.channels, self.steps = run, channels, steps
        self.sides = (side,) * len(steps)
        self.middle = tuple(side // 2 // s * s for s in steps)
        self.offset = self._output(torch.zeros(1, channels, *self.sides, dtype=torch.float64))

    def _output(self, images: Tensor) -> Tensor:
        output: Any = self.run(images)
        axes = len(self.steps)
        if not isinstance(output, Tensor) or output.ndim != axes + 2 or len(output) != len(images):
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise InputError(
                f"its output for {tuple(images.shape)} is {shape}; allowed: (N, filters, *outputs) with "
                f"{axes} axes (see the arguments channels and axes)"
            )
        return output

    def _response(self, images: Tensor) -> Tensor:
        """The output less that for zeros."""
        return self._output(images) - self.offset

    def kernel(self) -> _Kernel | None:
        """The kernel, from impulses at as many neighbouring places as the stride has; None if it does not fit."""
        axes, sizes = len(self.steps), self.offset.shape[2:]
        phases = list(itertools.product(*map(range, self.steps)))
        check_bytes("the responses", 16 * len(phases) * self.channels * self.offset.numel(), "measure a smaller layer")
        places = [
            (c, *(m + f for m, f in zip(self.middle, phase, strict=True)))
            for c in range(self.channels)
            for phase in phases
        ]
        part = max(1, BATCH_BYTES // (8 * self.channels * math.prod(self.sides)))
        responses = torch.cat([self._impulses(places[i : i + part]) for i in range(0, len(places), part)])
        # (channels, *phases, filters, *outputs): outputs run against the taps, phases along with them
        split = responses.view(self.channels, *self.steps, -1, *sizes).flip(list(range(-axes, 0)))
        order = [axis for i in range(axes) for axis in (axes + 2 + i, 1 + i)]
        taps = split.permute(axes + 1, 0, *order).reshape(
            -1, self.channels, *(s * n for s, n in zip(self.steps, sizes, strict=True))
        )
        return self._cropped(taps)

    def _impulses(self, places: Sequence[tuple[int, ...]]) -> Tensor:
        images = torch.zeros(len(places), self.channels, *self.sides, dtype=torch.float64)
        for image, place in zip(images, places, strict=True):
            image[place] = 1
        return self._response(images)

    def _cropped(self, taps: Tensor) -> _Kernel | None:
        """The taps that are not zero; None if they come so near to an end that there may be more."""
        size = taps.abs().amax((0, 1))
        inside, padding = [], []
        for axis, (n, s) in enumerate(zip(size.shape, self.steps, strict=True)):
            along = size.amax([a for a in range(size.ndim) if a != axis]) if size.ndim > 1 else size
            found = (along > ZERO * size.max()).nonzero().flatten().tolist() or [n // 2]
            if found[0] < self._spread(axis) + s or found[-1] >= n - self._spread(axis) - s:
                return None
            inside.append(slice(found[0], found[-1] + 1))
            padding.append(n - s - self.middle[axis] - found[0])
        return _Kernel(taps[(..., *inside)], tuple(padding))

    def _spread(self, axis: int) -> int:
        """How far from the middle the random inputs of `check` reach, whose responses must be whole."""
        return max(1, self.sides[axis] // 16)

    def check(self, kernel: _Kernel) -> None:
        """An `InputError` unless the layer is linear, and a convolution with this kernel."""
        generator = torch.Generator().manual_seed(0)
        shape = (2, self.channels, *self.sides)
        first, second = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
        # values far from 1 too, where a layer may saturate
        both = self._response(1000 * first - second)
        self._same(both, 1000 * self._response(first) - self._response(second), "linear")
        block = torch.zeros(shape, dtype=torch.float64)
        near = tuple(slice(m - self._spread(i), m + self._spread(i)) for i, m in enumerate(self.middle))
        block[(..., *near)] = first[(..., *near)]
        self._same(self._response(block), self._convolved(block, kernel), f"shift-invariant at stride={self.steps}")

    def _convolved(self, images: Tensor, kernel: _Kernel) -> Tensor:
        ends: list[int] = []
        outputs, taps = self.offset.shape[2:], kernel.weight.shape[2:]
        for n, m, k, s, p in zip(self.sides, outputs, taps, self.steps, kernel.padding, strict=True):
            ends = [p, (m - 1) * s + k - n - p, *ends]  # torch counts from the last axis
        convolve: Any = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[len(self.steps)]
        return convolve(F.pad(images, ends), kernel.weight, stride=self.steps)

    def _same(self, found: Tensor, expected: Tensor, what: str) -> None:
        apart, size = (found - expected).abs().max(), expected.abs().max()
        if not apart <= TOLERANCE * size:  # NaN too
            raise InputError(
                f"not {what} (off by {float(apart / size):.2g} of its largest output on random inputs); "
                "allowed: a linear, shift-invariant layer, with its own stride"
            )


def _in_double(layer: nn.Module) -> Layer:
    """A copy of the layer in float64 and evaluation mode, without gradients or the hooks that follow its calls."""
    try:
        own: Any = copy_model(layer)
    except InputError:
        raise InputError(
            f"layer={type(layer).__name__} cannot be copied; allowed: a layer that torch can copy"
        ) from None
    own = own.double().eval()
    for module in own.modules():
        module._forward_hooks.clear()
    device = next(itertools.chain(own.parameters(), own.buffers()), torch.zeros(())).device

    def run(images: Tensor) -> Tensor:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return own(images.to(device)).cpu()

    return run


def _without_unseen(weight: Tensor) -> Tensor:
    """(filters, channels, *kernel) without the channels that a filter does not see, if all see equally many."""
    seen = weight.flatten(2).abs().amax(2) > ZERO * weight.abs().max()
    counts = seen.sum(1).unique()
    if len(counts) != 1 or counts[0] in (0, weight.shape[1]):
        return weight
    return weight[seen].view(len(weight), int(counts[0]), *weight.shape[2:])
