"""Dilated kernels are kernels of the arm's size with zeros in the gaps."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from windowconv.errors import InputError
from windowconv.lab.models.relatives.dilated import dilated


def test_nine_taps_reach_as_far_as_the_kernel_that_they_stand_for() -> None:
    layer = dilated(nn.Conv2d(2, 3, 7, stride=2, padding=3))
    whole = torch.zeros(3, 2, 7, 7)
    whole[..., ::3, ::3] = layer.weight.detach()
    x = torch.rand(1, 2, 11, 11)
    torch.testing.assert_close(layer(x), F.conv2d(x, whole, layer.bias, stride=2, padding=3))
    with pytest.raises(InputError, match="allowed with -dilated: layers without one"):
        dilated(nn.Conv2d(1, 1, 5, dilation=2))
