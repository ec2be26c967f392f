"""Depthwise separable kernels: one filter a channel, then channels are mixed."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from windowconv.lab.models.relatives.constructed_kernel import options_of

COLOURS = 3
"""A convolution of so few channels sees an image, and stays dense, as the stems of networks with depthwise kernels."""


def is_separable(convolution: nn.Conv2d) -> bool:
    """Whether a convolution can be replaced by one filter a channel: no stem, and not grouped already."""
    return convolution.groups == 1 and convolution.in_channels > COLOURS


def depthwise(convolution: nn.Conv2d) -> nn.Module:
    """Arms `-depthwise`: y = P (D x) with a filter D for each channel and a 1x1 convolution P, nothing in between.

    Source: Chollet, "Xception: deep learning with depthwise separable convolutions", CVPR 2017.
    """
    if not is_separable(convolution):
        return convolution
    return nn.Sequential(OrderedDict(depthwise=per_channel(convolution, bias=False), pointwise=pointwise(convolution)))


def per_channel(convolution: nn.Conv2d, bias: bool) -> nn.Conv2d:
    """A convolution of the same geometry with a filter of its own for each input channel."""
    channels = convolution.in_channels
    return nn.Conv2d(**options_of(convolution, out_channels=channels, groups=channels, bias=bias))


def pointwise(convolution: nn.Conv2d) -> nn.Conv2d:
    """The 1x1 convolution to the same output channels, with a bias where the given one has it."""
    geometry = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1, "padding_mode": "zeros"}
    return nn.Conv2d(**options_of(convolution, **geometry))
