"""Samples of the test images, the same for all runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from windowconv.lab.data.sets import Images
from windowconv.lab.data.subsets import stratified
from windowconv.lab.training.loading import ordered_loader

BATCH = 100


@dataclass(frozen=True)
class Sample:
    """A sample of the test images, the same for all runs.

    Args:
        images: float32 (N, C, H, W) in [0, 1].
        labels: int64 (N,).
        indices: int64 (N,), their positions in the test set.
        test_labels: int64 (images,), all labels of the test set.
        content_hash: the test set's.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor
    test_labels: Tensor
    content_hash: str

    def first(self, n: int, classes: int) -> Sample:
        """The sample of `n` images, which is part of this one."""
        inside = torch.isin(self.indices, stratified(self.test_labels, classes, n, 0))
        return replace(self, images=self.images[inside], labels=self.labels[inside], indices=self.indices[inside])


def draw(images: Images, n: int, workers: int = 2) -> Sample:
    """A sample of `n` images, evenly over the classes; always the same ones."""
    chosen = images.take(n)
    indices = stratified(images.labels, len(images.classes), n, 0)
    batches = list(ordered_loader(chosen, BATCH, "cpu", workers).epoch(0))
    held = torch.cat([batch.images.float() for batch in batches]).contiguous()
    return Sample(held, chosen.labels.cpu(), indices, images.labels.cpu(), images.content_hash)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """NumPy's and torch's global generators depend on `seed` alone inside the block, and are restored afterwards."""
    before = np.random.get_state()  # noqa: NPY002 - the toolbox draws from the global generator
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(before)  # noqa: NPY002
