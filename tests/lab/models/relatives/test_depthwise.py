"""Depthwise separable kernels, channel by channel with SciPy."""

import numpy as np
import torch
from scipy.signal import correlate2d
from torch import nn

from windowconv.lab.models.relatives.depthwise import depthwise


def test_one_filter_a_channel_then_a_mixture_of_channels() -> None:
    torch.manual_seed(0)
    layer = depthwise(nn.Conv2d(4, 3, 5, stride=2, padding=2))
    assert isinstance(layer, nn.Sequential)
    spatial, across = layer
    assert isinstance(spatial, nn.Conv2d)
    assert isinstance(across, nn.Conv2d)
    assert across.bias is not None
    filters, mixture, offset = spatial.weight, across.weight, across.bias
    x = torch.rand(1, 4, 9, 9)
    maps = [
        correlate2d(np.pad(channel, 2), taps[0], "valid")[::2, ::2]
        for channel, taps in zip(x[0].numpy(), filters.detach().numpy(), strict=True)
    ]
    expected = np.einsum("oi,iyx->oyx", mixture[:, :, 0, 0].detach().numpy(), np.array(maps))
    got = layer(x)[0].detach().numpy() - offset.detach().numpy()[:, None, None]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_stems_and_grouped_kernels_stay() -> None:
    for layer in (nn.Conv2d(3, 8, 7), nn.Conv2d(8, 8, 7, groups=8)):
        assert depthwise(layer) is layer
