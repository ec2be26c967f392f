"""Subsampling after a low pass, in space or in the frequency domain; the layers are `windowconv.antialias`'s."""

from __future__ import annotations

from torch import Tensor, nn

from windowconv.antialias import BlurPool2d, FrequencyLowPassPool
from windowconv.antialias import blur as filtered


class Blur(BlurPool2d):
    """`windowconv.antialias.BlurPool2d`, also for maps with a side of one sample, which nothing can be reflected at."""

    def forward(self, input: Tensor) -> Tensor:
        """Blurred and subsampled: (N, C, H, W) -> (N, C, ceil(H / s), ceil(W / s))."""
        mode = "replicate" if min(input.shape[2:]) <= len(self.taps) // 2 else self.padding_mode
        return filtered(input, self.taps, self.stride, mode)


def blur(stride: int) -> nn.Module:
    """Arms `-blur`: a binomial filter, of which every stride-th sample is kept; after max pooling, max-blur-pool.

        y[i] = sum_n h[n] x[s i + n - (taps - 1) // 2],   h = [1, 2, 1] / 4 at stride 2

    Source: Zhang, "Making convolutional networks shift-invariant again", ICML 2019.
    """
    return Blur(stride)


def frequency_low_cut(stride: int) -> nn.Module:
    """Arms `-flc`: the spectrum is cut off at the new Nyquist frequency; a pool's maximum goes, too.

        y[m] = Re sum_k X[k] exp(2 pi i k m / M),   -(M // 2) <= k < ceil(M / 2)

    Source: Grabinski, Jung, Keuper & Keuper, "FrequencyLowCut pooling", ECCV 2022.
    """
    return FrequencyLowPassPool(stride)


def frequency_hamming(stride: int) -> nn.Module:
    """Arms `-asap`: as `-flc`, with a Hamming window on the frequencies that are kept, against ringing.

    Source: Grabinski, Keuper & Keuper, "Fix your downsampling ASAP! Be natively more robust via aliasing and
    spectral artifact free pooling", 2023.
    """
    return FrequencyLowPassPool(stride, window="hamming")
