"""VGG11 with batch norm and a width: torchvision's network at 64 channels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from windowconv.errors import InputError, require

CONVOLUTIONS = (1, 1, 2, 2, 2)  # a stage
POOLED = 7  # pixels a side that the classifier gets
HIDDEN = 8  # times the last stage's channels


def vgg11_bn(classes: int = 1000, channels: int = 3, widths: Sequence[int] = (64, 128, 256, 512, 512)) -> nn.Module:
    """VGG11 with batch norm (Simonyan & Zisserman, 2015) with torchvision's layers, names and initialisation.

    With its default widths its state dict is that of `torchvision.models.vgg11_bn`, which takes no width.

    Args:
        classes: of the output.
        channels: of the images.
        widths: channels of the five stages; the two hidden layers of the classifier
            have eight times the last one's.
    """
    if len(widths) != len(CONVOLUTIONS) or min(widths) < 1:
        raise InputError(f"widths={list(widths)}; allowed: channels of {len(CONVOLUTIONS)} stages, each 1 or more")
    vgg = require("torchvision.models.vgg", "lab")
    layers = [layer for width, n in zip(widths, CONVOLUTIONS, strict=True) for layer in (*[width] * n, "M")]
    features = vgg.make_layers(layers, batch_norm=True)
    if channels != 3:
        features[0] = nn.Conv2d(channels, widths[0], 3, padding=1)
    network = vgg.VGG(nn.Identity(), classes, init_weights=False)
    hidden = HIDDEN * widths[4]
    for place, sizes in {0: (widths[4] * POOLED**2, hidden), 3: (hidden, hidden), 6: (hidden, classes)}.items():
        network.classifier[place] = nn.Linear(*sizes)
    network.features = features
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(module.bias)  # pyright: ignore[reportArgumentType]
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
            nn.init.zeros_(module.bias)
    return network
