"""Pictures whose spectra fall with frequency as those of photographs do."""

import numpy as np
import torch
from torch import Tensor


def natural_like(n: int, size: int = 32, channels: int = 3, seed: int = 0) -> Tensor:
    """uint8 (n, channels, size, size): Gaussian fields of amplitude 1/frequency, channels much alike."""
    rng = np.random.default_rng(seed)
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij"))
    radius[0, 0] = 1 / size
    shared, own = rng.standard_normal((n, 1, size, size)), rng.standard_normal((n, channels, size, size))
    field = np.fft.ifft2(np.fft.fft2(shared + 0.3 * own) / radius).real
    field = (field - field.mean((1, 2, 3), keepdims=True)) / field.std((1, 2, 3), keepdims=True)
    level = rng.uniform(0.35, 0.65, (n, 1, 1, 1))
    return torch.from_numpy(np.rint(255 * np.clip(level + 0.2 * field, 0, 1)).astype(np.uint8))
