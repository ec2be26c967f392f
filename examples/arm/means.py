"""An arm of your own: networks that pool by means, not maxima."""

from torch import nn

from windowconv.lab.models.arm_axes import Subsampling


@Subsampling.named("means", after_max=False)
def means(stride):
    return nn.AvgPool2d(stride, ceil_mode=True)
