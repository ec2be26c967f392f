"""How measures of networks are given images: one tensor, or an iterable of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from windowconv.errors import InputError

Images = Tensor | Iterable[Tensor | Sequence[Tensor]]
Progress = Callable[[int, int], None] | None  # called with what is done and the total

BATCH = 64


def image_batches(
    images: Images, batch_size: int = BATCH, limit: int | None = None, axes: Sequence[int] = (2,)
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Batches of at most `batch_size` images, each with its labels where there are some.

    Args:
        images: floats (N, C, *size), or an iterable of such batches, alone or as (images, labels, ...): a
            `DataLoader`, a list, a generator.
        batch_size: larger batches are split.
        limit: stop after so many images, None for all.
        axes: how many axes an image may have: 2 for pictures.

    Raises:
        InputError: no image; another shape; integers; NaN or infinite values; a batch size or limit below 1.
    """
    if batch_size < 1:
        raise InputError(f"batch_size={batch_size}; allowed: 1 or more images")
    if limit is not None and limit < 1:
        raise InputError(f"limit={limit}; allowed: 1 or more images, or None for all")
    if isinstance(images, str) or not isinstance(images, Iterable):
        raise InputError(f"images={type(images).__name__}; allowed: a tensor (N, C, H, W), or an iterable of batches")
    seen = 0
    for given in [images] if isinstance(images, Tensor) else images:
        batch, labels = _split(given)
        left = len(batch) if limit is None or batch.ndim == 0 else limit - seen
        _check(batch, axes)
        batch, labels = batch[:left], None if labels is None else labels[:left]
        seen += len(batch)
        for start in range(0, len(batch), batch_size):
            some = slice(start, start + batch_size)
            yield batch[some], None if labels is None else labels[some]
        if limit is not None and seen >= limit:
            return
    if seen == 0:
        raise InputError("images holds no image; an iterator may be used up")


def _split(given: Any) -> tuple[Tensor, Tensor | None]:
    if isinstance(given, Tensor):
        return given, None
    if isinstance(given, Sequence) and given and isinstance(given[0], Tensor):
        labels = given[1] if len(given) > 1 and isinstance(given[1], Tensor) else None
        return given[0], labels
    raise InputError(f"images yields {type(given).__name__}; allowed: tensors, or (images, labels) of tensors")


def _check(batch: Tensor, axes: Sequence[int]) -> None:
    wanted = " or ".join(f"(N, C, {', '.join('DHW'[3 - n :])})" for n in axes)
    if batch.ndim - 2 not in axes or min(batch.shape[1:], default=0) == 0:
        raise InputError(f"images of shape {tuple(batch.shape)}; allowed: {wanted}")
    if not batch.is_floating_point():
        raise InputError(f"images of {batch.dtype}; allowed: floats, as the model takes them")
    if not torch.isfinite(batch).all():
        bad = int((~torch.isfinite(batch)).sum())
        raise InputError(f"images has {bad:,} NaN or infinite values; allowed: finite numbers")
