"""Effective receptive fields: how much each input pixel influences the output's central unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from windowconv.errors import InputError
from windowconv.hooks import evaluating
from windowconv.integers import as_int, as_ints, check_ints
from windowconv.spectra.batches import Images, Progress, image_batches
from windowconv.spectra.filters import convolutions
from windowconv.spectra.forward import device_and_dtype, modules_named, output_hooks, run

SHARES = (0.5, 0.9545)  # of the mass: half of it, and what two standard deviations of a normal line hold


@dataclass(frozen=True)
class ReceptiveField:
    """How much each input pixel influences the central unit.

    Attributes:
        map: (height, width), or (samples,) of a 1-D input, float64, of sum 1; zero where no gradient arrives.
        centre: the map's centre of mass in pixels, (row, column), to a millionth.
        radii: the smallest distances from `centre` in pixels that hold 50 % and 95.45 % of the mass; NaN if zero.
        unit: the central unit's place in its layer's map.
        layer: its layer, "" for the model's output.
        samples: inputs averaged.
    """

    map: Tensor
    centre: tuple[float, ...]
    radii: tuple[float, float]
    unit: tuple[int, ...]
    layer: str
    samples: int

    def radius(self, share: float) -> float:
        """The smallest distance from `centre` in pixels that holds this share of the mass, in (0, 1]."""
        return _radius(self.map, self.centre, share)


def effective_receptive_field(
    model: nn.Module,
    layer: str | None = None,
    size: int | tuple[int, ...] = 64,
    *,
    samples: int = 16,
    measure: Literal["absolute", "square"] = "absolute",
    images: Images | None = None,
    channels: int | None = None,
    seed: int = 0,
    progress: Progress = None,
) -> ReceptiveField:
    """The mean absolute gradient of a layer's central unit with respect to each input pixel.

        map(p) = mean over inputs of sum over input channels c of |d y(centre) / d x(c, p)|

    with y(centre) the sum of all channels of the unit at [height // 2, width // 2], normalised to sum 1. The input is
    white noise of variance 1, or `images`; with rectifiers the result depends on it. Two radii measure the width:
    a normal density of standard deviation s on the plane holds 50 % within 1.18 s and 95.45 % within 2.49 s.
    Channels of opposite sign cancel in the sum, as in the source.

    Not a bound: the theoretical field is larger, and what lies outside of these radii still counts.

    Args:
        model: run in evaluation mode on its device; its parameters' gradients are left alone.
        layer: name of a module with output (N, C, H, W), or (N, C, L); None for the model's output, if it has that
            shape.
        size: of the input, pixels per side, (height, width) or (samples,); larger than the field, which the border
            would cut off. An int has the axes of the first convolution.
        samples: inputs, one after another.
        measure: "absolute" values of the gradient or their "square", which stresses the centre.
        images: real inputs (N, C, *sides) or batches, as many as `samples` or fewer, instead of noise and `size`.
        channels: of the noise; None for those of the first convolution.
        seed: of the noise.
        progress: called with samples done and their number.

    Raises:
        InputError: an output of another shape; an unknown layer; a size that the model does not accept; weights that
            are not finite; numbers below 1.

    Source: Luo et al., "Understanding the effective receptive field in deep convolutional neural networks",
    NeurIPS 2016.

    >>> blur = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    >>> _ = nn.init.constant_(blur.weight, 1.0)
    >>> field = effective_receptive_field(nn.Sequential(blur, blur), size=9)
    >>> [round(9 * v) for v in (9 * field.map[4]).tolist()]
    [0, 0, 3, 6, 9, 6, 3, 0, 0]
    >>> field.centre, [round(r, 2) for r in field.radii]
    ((4.0, 4.0), [1.41, 2.83])
    """
    device, dtype = device_and_dtype(model)
    if measure not in ("absolute", "square"):
        raise InputError(f"measure={measure!r}; allowed: absolute, square")
    if samples < 1:
        raise InputError(f"samples={samples}; allowed: 1 or more")
    sides = check_ints("size", size, axes=_axes(model, size), least=1)
    inputs = _noise(samples, channels or _channels(model), sides, seed) if images is None else images
    watched = {} if layer is None else modules_named(model, [layer])
    seen: list[tuple[tuple[int, ...], Tensor]] = []
    total = torch.zeros((), dtype=torch.float64, device=device)
    unit: tuple[int, ...] = ()
    done = 0

    def record(_: str, output: Any) -> None:
        # summed at once: what follows may change the map in place
        maps = _map(output, model, layer)
        place = tuple(n // 2 for n in maps.shape[2:])
        seen.append((place, maps[(..., *place)].sum()))

    with evaluating(model), output_hooks(watched, record):
        for given, _ in image_batches(inputs, 1, samples, axes=(1, 2)):
            source = given.to(device, dtype).detach().requires_grad_()
            seen.clear()
            with torch.enable_grad():
                output = run(model, source)
                if layer is None:
                    record("", output)
                if not seen:
                    raise InputError(f"layer={layer!r}, which the model does not call; allowed: a layer that it calls")
                unit, value = seen[-1]
                (gradient,) = torch.autograd.grad(value, source, allow_unused=True)
            moved = torch.zeros_like(source) if gradient is None else gradient
            if done and total.shape != moved.shape[2:]:
                raise InputError(f"images of {tuple(total.shape)} and {tuple(moved.shape[2:])}; allowed: one size")
            total = total + (moved.double().square() if measure == "square" else moved.double().abs()).sum((0, 1))
            done += 1
            if progress is not None:
                progress(done, samples)
    field = (total / total.sum() if total.sum() > 0 else total).cpu()
    centre = _centre(field)
    radii = (_radius(field, centre, SHARES[0]), _radius(field, centre, SHARES[1]))
    return ReceptiveField(field, centre, radii, unit, layer or "", done)


def _axes(model: nn.Module, size: Any) -> int:
    """The input's axes: as many as `size` has, or 1 if it is one int and the first convolution has 1; otherwise 2."""
    given = as_ints(size)
    if given is None or len(given) > 1:
        return 2
    first = next((len(layer.kernel_size) for layer in convolutions(model).values()), 2)
    return 1 if first == 1 or as_int(size) is None else 2


def _noise(samples: int, channels: int, shape: tuple[int, ...], seed: int) -> Any:
    """One image at a time, so that many large ones take no memory; float32, made on the host for every device."""
    random = torch.Generator().manual_seed(seed)
    return (torch.randn(1, channels, *shape, generator=random) for _ in range(samples))


def _channels(model: nn.Module) -> int:
    for module in convolutions(model).values():
        return module.in_channels
    raise InputError(f"model={type(model).__name__} without convolutions; allowed: only with channels")


def _map(output: Any, model: nn.Module, layer: str | None) -> Tensor:
    if isinstance(output, Tensor) and output.ndim in (3, 4) and output.requires_grad:
        return output
    given = f"a tensor {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
    if isinstance(output, Tensor) and output.ndim in (3, 4):
        given = "that no gradient reaches"
    names = list(convolutions(model))
    hint = f", such as {names[-1]!r}" if names and names[-1] else ""
    raise InputError(
        f"layer={layer!r} with output {given}; allowed: a module with output (N, C, H, W) or (N, C, L){hint}"
    )


def _centre(field: Tensor) -> tuple[float, ...]:
    if field.sum() == 0:
        return (torch.nan,) * field.ndim
    # rounded above the noise of float32, so that symmetric maps have symmetric distances
    return tuple(round(float((field * along).sum()), 6) for along in _places(field))


def _radius(field: Tensor, centre: tuple[float, ...], share: float) -> float:
    if not 0 < share <= 1:
        raise InputError(f"share={share}; allowed: above 0, at most 1")
    if field.sum() == 0:
        return torch.nan
    square = torch.zeros_like(field)
    for along, middle in zip(_places(field), centre, strict=True):
        square = square + (along - middle).square()
    distance = square.sqrt().flatten()
    order = distance.argsort(stable=True)
    within = field.flatten()[order].cumsum(0)
    reached = int((within >= share - 1e-9).int().argmax())
    return float(distance[order][reached])


def _places(field: Tensor) -> tuple[Tensor, ...]:
    """Each pixel's row, and its column."""
    return torch.meshgrid(*[torch.arange(n, dtype=torch.float64) for n in field.shape], indexing="ij")
