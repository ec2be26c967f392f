"""Dilated kernels: 3x3 taps that reach as far as a larger kernel."""

from __future__ import annotations

from torch import nn

from windowconv.errors import InputError
from windowconv.lab.models.relatives.constructed_kernel import fresh_weight, options_of

TAPS = 3


def dilated(convolution: nn.Conv2d) -> nn.Module:
    """Arms `-dilated`: 3x3 taps in the place of KxK, with gaps of (K - 1) / 2 - 1 between them.

        y[i] = sum_n w[n] x[i + d n],   n = -1, 0, 1,   d = (K - 1) / 2

    Source: Yu & Koltun, "Multi-scale context aggregation by dilated convolutions", ICLR 2016.
    """
    if max(convolution.dilation) > 1:
        raise InputError(f"dilation={convolution.dilation} of a layer; allowed with -dilated: layers without one")
    steps = tuple((taps - 1) // (TAPS - 1) for taps in convolution.kernel_size)
    sparse = nn.Conv2d(**options_of(convolution, kernel_size=TAPS, dilation=steps))
    sparse.weight, sparse.bias = fresh_weight(convolution, TAPS, TAPS), convolution.bias
    return sparse
