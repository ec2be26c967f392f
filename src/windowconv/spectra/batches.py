"""Images for measurements of networks: a tensor, or an iterable of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from windowconv.errors import InputError, not_finite

Images = Tensor | Iterable[Tensor | Sequence[Tensor]]
Progress = Callable[[int, int], None] | None  # called with the number done and the total

BATCH = 64


def image_batches(
    images: Images, batch_size: int = BATCH, limit: int | None = None, axes: Sequence[int] = (2,)
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Batches of at most `batch_size` images (N, C, *size), each with its labels (N,) if there are any.

    Args:
        images: floats (N, C, *size), or an iterable of such batches, alone or as (images, labels, ...): a
            `DataLoader`, a list, a generator.
        batch_size: larger batches are split.
        limit: stop after this many images; None for all.
        axes: how many spatial axes an image may have: 2 for pictures.

    Raises:
        InputError: no images; another shape; integers; NaN or infinite values; a batch size or limit below 1.
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
            part = slice(start, start + batch_size)
            yield batch[part], None if labels is None else labels[part]
        if limit is not None and seen >= limit:
            return
    if seen == 0:
        raise InputError("images is empty; allowed: one or more images (is the iterator exhausted?)")


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
        raise InputError(f"images.shape={tuple(batch.shape)}; allowed: {wanted}")
    if not batch.is_floating_point():
        raise InputError(f"images.dtype={batch.dtype}; allowed: a floating-point dtype")
    if not torch.isfinite(batch).all():
        raise not_finite("images", int((~torch.isfinite(batch)).sum()))
