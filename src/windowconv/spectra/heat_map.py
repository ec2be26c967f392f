"""Fourier heat maps: a classifier's error under a perturbation of each frequency."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from windowconv.errors import InputError
from windowconv.hooks import evaluating
from windowconv.spectra.batches import Images, Progress, image_batches
from windowconv.spectra.forward import check_bytes, device_and_dtype, logits
from windowconv.spectra.gratings import grating_images

PHASE = -torch.pi / 4  # of the cosines, as in the authors' code: none is entirely zero


@dataclass(frozen=True)
class FourierHeatMap:
    """A classifier's error under each frequency.

    Attributes:
        error: (rows, columns) share of images classified wrong under the perturbation at this frequency, zero
            frequency in the middle: [rows // 2, columns // 2].
        rows, columns: the frequencies in cycles/pixel.
        clean_error: without perturbation.
        norm: of the perturbation of each channel.
        images: how many images.
    """

    error: Tensor
    rows: Tensor
    columns: Tensor
    clean_error: float
    norm: float
    images: int


def fourier_heat_map(
    model: nn.Module,
    images: Images,
    labels: Tensor | None = None,
    norm: float = 4.0,
    *,
    size: int | None = None,
    normalize: Callable[[Tensor], Tensor] | None = None,
    clip: bool = False,
    seed: int = 0,
    limit: int | None = None,
    batch_size: int = 256,
    progress: Progress = None,
) -> FourierHeatMap:
    """The error rate under a pure perturbation of each frequency, all of one norm.

        normalize(image + sign * norm * U(k)),  |U(k)|_2 = 1

    with U(k) the real cosine at k (`fourier_basis`) and a random sign for each image, channel and frequency. k and
    -k are one perturbation, evaluated once.

    `clip` is off, as in the paper's formula and its programs' default: clipped to [0, 1] a perturbation is smaller
    and has other frequencies too, the more so the darker or brighter the image. Turn it on for images that a file
    could hold, and report it.

    A perturbation of norm 4 is 0.07 per pixel at 32 x 32, and hardly visible at 224 x 224, where the paper uses 15.7.
    For pictures only: sound and volumes are refused. Not for comparing maps of different norms, sizes or images.

    Args:
        model: with one score per class as output; run in evaluation mode on its device.
        images: in [0, 1], all of one size: a tensor (N, C, H, W), or an iterable of batches (`image_batches`).
        labels: int (N,); None where `images` yields (images, labels).
        norm: L2 norm of each channel's perturbation.
        size: evaluate the lowest size x size frequencies only; None for all.
        normalize: applied to the perturbed images before the model; None where the model does so itself.
        seed: of the signs, which do not depend on the batches or `size`.
        limit: use this many images from the start; shuffle sets that are sorted by class.
        batch_size: images run together, of several frequencies where there are few images.
        progress: called with the number of frequencies done and of all.

    Raises:
        InputError: images outside [0, 1] or of several sizes; labels that do not fit; a size beyond the images';
            scores that are not (N, classes); weights, images or scores that are not finite.

    Source: Yin et al., "A Fourier perspective on model robustness in computer vision", NeurIPS 2019, section 3.

    >>> _ = torch.manual_seed(0)
    >>> bright = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))  # class 1: a mean above 1/2
    >>> _ = bright[2].load_state_dict({"weight": torch.tensor([[-1.0], [1.0]]), "bias": torch.tensor([0.5, -0.5])})
    >>> grey = 0.5 + 0.2 * torch.tensor([-1.0, 1.0]).repeat(20).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    >>> found = fourier_heat_map(bright, grey, torch.tensor([0, 1]).repeat(20), norm=4.0, size=3)
    >>> print(found.clean_error, (found.error > 0).int().tolist())  # only the mean can change its class
    0.0 [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    """
    device, dtype = device_and_dtype(model)
    if not 0 < norm < float("inf"):
        raise InputError(f"norm={norm}; allowed: a positive number")
    held, answers = _collected(images, labels, limit, batch_size)
    height, width = held.shape[2:]
    k, place = _frequencies(height, width, size)
    wrong = torch.zeros(len(k), dtype=torch.int64)
    clean = 0
    together = max(1, batch_size // len(held))  # frequencies

    def errors(batch: Tensor, expected: Tensor) -> Tensor:
        given = batch.clamp(0, 1) if clip else batch
        given = given.to(dtype) if normalize is None else normalize(given.to(dtype))
        return logits(model, given).argmax(1) != expected

    with evaluating(model):
        for start in range(0, len(held), batch_size):
            part = slice(start, start + batch_size)
            clean += int(errors(held[part].to(device), answers[part].to(device)).sum())
        for first in range(0, len(k), together):
            chosen = k[first : first + together]
            waves = norm * fourier_basis(chosen, (height, width)).to(device, dtype)
            signs = torch.stack([_signs(one, held.shape[:2], seed) for one in chosen.tolist()]).to(device, dtype)
            for start in range(0, len(held), batch_size):
                part = slice(start, start + batch_size)
                clear = held[part].to(device, dtype)
                noisy = clear + signs[:, part, :, None, None] * waves[:, None, None]
                found = errors(noisy.flatten(0, 1), answers[part].to(device).repeat(len(chosen)))
                wrong[first : first + together] += found.view(len(chosen), -1).sum(1).cpu()
            if progress is not None:
                progress(first + len(chosen), len(k))
    rows, columns = (_side(n, size) for n in (height, width))
    error = (wrong.double() / len(held))[place]
    return FourierHeatMap(error, rows / height, columns / width, clean / len(held), norm, len(held))


def fourier_basis(frequencies: Tensor, size: tuple[int, int]) -> Tensor:
    """Real images of norm 1 whose discrete Fourier transform has two points, k and -k (one where these are equal).

        U(k) = cos(2 pi (row * k0 / height + column * k1 / width) - pi / 4), over its norm

    Args:
        frequencies: integers (G, 2), cycles per image along rows and columns.
        size: (height, width) in pixels.

    Returns:
        float64 (G, height, width).

    Source: Yin et al., 2019, section 3; the phase is that of the authors' programs.

    >>> [round(value, 6) for value in fourier_basis(torch.tensor([[0, 2]]), (4, 4))[0, 0].tolist()]
    [0.25, -0.25, 0.25, -0.25]
    """
    waves = grating_images(frequencies, size, (PHASE,))[:, 0]
    return waves / torch.linalg.vector_norm(waves, dim=(1, 2), keepdim=True)


def _side(n: int, size: int | None) -> Tensor:
    """The frequencies of a map's side, in cycles per image, the lowest in the middle."""
    count = n if size is None else size
    return torch.arange(-(count // 2), count - count // 2)


def _frequencies(height: int, width: int, size: int | None) -> tuple[Tensor, Tensor]:
    """The frequencies of a map, one of each pair, and for each of its places which of them it is."""
    if size is not None and (isinstance(size, bool) or not 1 <= size <= min(height, width)):
        raise InputError(f"size={size}; allowed: 1 to {min(height, width)} frequencies per axis, or None for all")
    places: dict[tuple[int, int], int] = {}
    rows, columns = _side(height, size).tolist(), _side(width, size).tolist()
    index = torch.empty(len(rows), len(columns), dtype=torch.int64)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            partner = (row if 2 * row == -height else -row, column if 2 * column == -width else -column)
            index[i, j] = places.setdefault(max((row, column), partner), len(places))
    return torch.tensor(list(places)), index


def _signs(frequency: list[int], shape: tuple[int, ...], seed: int) -> Tensor:
    """-1 or 1 for each image and channel; the same for a frequency whatever the map."""
    row, column = frequency
    random = np.random.default_rng((seed, row + 2**20, column + 2**20))
    return torch.from_numpy(2.0 * random.integers(2, size=shape) - 1)


def _collected(images: Images, labels: Tensor | None, limit: int | None, batch_size: int) -> tuple[Tensor, Tensor]:
    """The images and labels on the host, checked."""
    parts: list[Tensor] = []
    given: list[Tensor] = []
    for batch, expected in image_batches(images, batch_size, limit):
        if parts and batch.shape[1:] != parts[0].shape[1:]:
            raise InputError(f"images of {tuple(parts[0].shape[1:])} and {tuple(batch.shape[1:])}; allowed: one size")
        parts.append(batch.detach().cpu())
        check_bytes("the images", sum(4 * part.numel() for part in parts), "set limit")
        given += [] if expected is None else [expected.detach().cpu()]
    held = torch.cat(parts)
    if held.min() < 0 or held.max() > 1:
        span = f"{held.min().item():g} to {held.max().item():g}"
        raise InputError(f"images from {span}; allowed: 0 to 1 (pass `normalize` for the model)")
    if labels is None and not given:
        raise InputError("labels=None; allowed: int (N,), or images as batches of (images, labels)")
    answers = torch.cat(given) if labels is None else torch.as_tensor(labels).cpu()
    answers = answers if limit is None else answers[:limit]
    if answers.shape != (len(held),) or answers.is_floating_point():
        raise InputError(
            f"labels.shape={tuple(answers.shape)}, labels.dtype={answers.dtype}; allowed: integers ({len(held)},)"
        )
    return held, answers
