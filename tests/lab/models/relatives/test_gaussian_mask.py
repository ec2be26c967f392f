"""FlexConv's mask is SciPy's Gaussian window, and its widths learn."""

import numpy as np
import torch
from scipy.signal import get_window
from torch import nn
from torch.nn import functional as F

from windowconv.lab.models.relatives.gaussian_mask import MaskedConv2d, gaussian_mask


def test_the_mask_is_a_gaussian_of_the_trained_widths() -> None:
    plain = nn.Conv2d(2, 3, (5, 7), padding=(2, 3)).double()
    layer = gaussian_mask(plain)
    assert isinstance(layer, MaskedConv2d)
    assert layer.weight is plain.weight
    with torch.no_grad():
        layer.sigma.copy_(torch.tensor([0.5, 0.8]))
    profiles = [get_window(("gaussian", s), n, fftbins=False) for s, n in ((0.5 * 2, 5), (0.8 * 3, 7))]
    mask = np.outer(*profiles)
    np.testing.assert_allclose(layer.mask().detach().numpy(), mask, rtol=1e-6)
    x = torch.rand(1, 2, 8, 8, dtype=torch.float64)
    expected = F.conv2d(x, plain.weight * layer.mask(), plain.bias, padding=(2, 3))
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer.merged()(x), expected)
    layer(x).sum().backward()
    assert layer.sigma.grad is not None
    assert layer.sigma.grad.abs().min() > 0


def test_a_width_of_zero_leaves_the_middle_tap() -> None:
    layer = MaskedConv2d(1, 1, 5)
    nn.init.zeros_(layer.sigma)
    assert layer.mask().sum() == layer.mask()[2, 2] == 1
