"""Shift consistency: whether a network's class survives a shift of the image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.errors import InputError
from windowconv.hooks import evaluating
from windowconv.spectra.batches import BATCH, Images, image_batches
from windowconv.spectra.forward import device_and_dtype, logits

Z = 1.959963984540054  # two-sided 95 %
PADDING = {"reflect": "reflect", "zeros": "constant"}


@dataclass(frozen=True)
class ShiftConsistency:
    """How often two shifts of one image get the same class.

    Attributes:
        share: of the pairs.
        low, high: Wilson's 95 % interval.
        pairs: pairs compared in all, of `images` images.
        agreements: pairs with the same class.
        max_shift: pixels, in each direction.
    """

    share: float
    low: float
    high: float
    pairs: int
    images: int
    agreements: int
    max_shift: int

    def __str__(self) -> str:
        interval = f"{100 * self.low:.1f} to {100 * self.high:.1f}"
        return (
            f"same class for {100 * self.share:.1f} % of {self.pairs:,} pairs of shifts (95 % interval {interval}; "
            f"{self.images:,} images, shifts of up to {self.max_shift} pixels)"
        )


def shift_consistency(
    model: nn.Module,
    images: Images,
    *,
    max_shift: int | None = None,
    pairs: int = 1,
    border: Literal["circular", "reflect", "zeros"] = "circular",
    seed: int = 0,
    limit: int | None = None,
    batch_size: int = BATCH,
) -> ShiftConsistency:
    """The share of pairs of shifts of one image that get the same class.

    Each pair is two different shifts, drawn evenly from the (2 max_shift + 1)^2 whole ones within `max_shift`
    pixels up, down, left and right; of signals (N, C, L), from the 2 max_shift + 1 to and fro. Labels do not matter:
    a model with one class for everything is perfectly consistent, so report accuracy too.

    The interval is Wilson's for `images` x `pairs` trials. Pairs of one image are correlated, so with more than one
    the number of trials is the effective one, p (1 - p) over the variance of the mean over images (Korn &
    Graubard, 1998), but not below the number of images where all pairs agree or none.

    Args:
        model: with one score per class as output; run in evaluation mode on its device.
        images: a tensor (N, C, H, W) as the model takes it, or an iterable of batches (`image_batches`).
        max_shift: pixels; None for an eighth of the shorter side (Zhang: 32 of 224).
        pairs: per image.
        border: fills the gap: "circular", from the other edge, which keeps all pixels but makes a seam; "reflect" or
            "zeros", a crop of the padded image, which loses the pixels that move out.
        seed: of the shifts, which do not depend on the batches.
        limit: stop after this many images.

    Raises:
        InputError: a shift below 1 or of the whole image; an unknown border; scores that are not (N, classes);
            weights, images or scores that are not finite; images of the wrong shape.

    Source: Zhang, "Making convolutional networks shift-invariant again", ICML 2019, section 4.

    >>> _ = torch.manual_seed(0)
    >>> blind = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 10))
    >>> print(shift_consistency(blind, torch.rand(100, 3, 16, 16)))
    same class for 100.0 % of 100 pairs of shifts (95 % interval 96.3 to 100.0; 100 images, shifts of up to 2 pixels)
    """
    device, dtype = device_and_dtype(model)
    if pairs < 1:
        raise InputError(f"pairs={pairs}; allowed: 1 or more per image")
    if border not in ("circular", *PADDING):
        raise InputError(f"border={border!r}; allowed: circular, reflect, zeros")
    random = np.random.default_rng(seed)
    counts = []
    reach = 0
    with evaluating(model):
        for batch, _ in image_batches(images, batch_size, limit, axes=(1, 2)):
            reach = reach or _reach(batch, max_shift)
            _reach(batch, reach)
            given = batch.to(device, dtype)
            agree = torch.zeros(len(batch), dtype=torch.int64)
            for first, second in _pairs(random, len(batch), pairs, reach, batch.ndim - 2):
                classes = [logits(model, _shifted(given, by, reach, border)).argmax(1) for by in (first, second)]
                agree += (classes[0] == classes[1]).cpu()
            counts.append(agree)
    agreed = torch.cat(counts)
    share, n = int(agreed.sum()) / (len(agreed) * pairs), len(agreed) * pairs
    low, high = wilson(share, _effective(agreed.double() / pairs, share, n))
    return ShiftConsistency(share, low, high, n, len(agreed), int(agreed.sum()), reach)


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `n` independent trials.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    >>> [round(end, 4) for end in wilson(0.5, 10)]
    [0.2366, 0.7634]
    """
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def _effective(by_image: Tensor, share: float, n: int) -> float:
    """How many independent pairs say as much as these."""
    if n == len(by_image):
        return n
    variance = by_image.var().item() / len(by_image) if len(by_image) > 1 else 0.0
    if variance == 0:
        return len(by_image)
    return min(float(n), share * (1 - share) / variance)


def _reach(batch: Tensor, max_shift: int | None) -> int:
    shortest = min(batch.shape[2:])
    reach = max(1, shortest // 8) if max_shift is None else max_shift
    if isinstance(reach, bool) or not 1 <= reach < shortest / 2:
        shape = "x".join(map(str, batch.shape[2:]))
        raise InputError(f"max_shift={reach}; allowed: 1 or more pixels, less than half of the image size {shape}")
    return reach


def _pairs(
    random: np.random.Generator, images: int, pairs: int, reach: int, axes: int = 2
) -> list[tuple[Tensor, Tensor]]:
    """For each pair, two different shifts of each image, (images, axes) each, from -reach to reach."""
    side = 2 * reach + 1
    # drawn image by image, so that batches do not matter
    drawn = np.array([random.integers((side**axes, side**axes - 1), size=(pairs, 2)) for _ in range(images)])
    first = drawn[..., 0]
    second = (first + 1 + drawn[..., 1]) % side**axes
    place = side ** np.arange(axes)[::-1]  # of each digit; np.unravel_index of NumPy 2.4 errs beyond 8,192 numbers
    one, other = (torch.from_numpy(s[..., None] // place % side - reach) for s in (first, second))
    return [(one[:, i], other[:, i]) for i in range(pairs)]


def _shifted(images: Tensor, by: Tensor, reach: int, border: str) -> Tensor:
    """Each image (N, C, *sides) moved down and right by its row of `by` (N, axes)."""
    axes = images.ndim - 2
    moved = images if border == "circular" else F.pad(images, [reach] * 2 * axes, mode=PADDING[border])
    by = by.to(images.device)
    for axis, n in enumerate(images.shape[2:]):
        index = torch.arange(n, device=images.device) - by[:, axis, None]
        index = index % n if border == "circular" else index + reach
        shape = [n if i == axis else 1 for i in range(axes)]
        sides = [n if i == axis else side for i, side in enumerate(moved.shape[2:])]
        moved = moved.gather(2 + axis, index.view(-1, 1, *shape).expand(-1, images.shape[1], *sides))
    return moved
