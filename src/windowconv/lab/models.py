"""The networks that the laboratory trains, by name, so that a run folder can build its model again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from torch import nn

from windowconv.errors import InputError, unknown
from windowconv.lab.arms import parse_arm
from windowconv.layers import WindowedConv2d


def small_network(arm: str, classes: int, channels: int, depth: int = 6, width: int = 128) -> nn.Sequential:
    """The small network of Tomen & van Gemert: convolutions of one kernel size, no pooling but the last, global one.

    `depth` convolutions without bias, each followed by batch norm and ReLU: channels -> width at stride 2, width ->
    2 width, then 2 width -> 2 width; global average pooling; linear. With its defaults, 7x7 and 100 classes it
    has 14.50 M parameters, with 3x3 2.69 M.

    Args:
        arm: kernel size and window, as in `parse_arm`.
        classes: of the output.
        channels: of the images.
        depth: convolutions, at least 2.
        width: channels of the first convolution.
    """
    parsed = parse_arm(arm)
    window = parsed.layer_window()
    layers: list[nn.Module] = []
    for i in range(depth):
        sizes = (channels if i == 0 else width if i == 1 else 2 * width, width if i == 0 else 2 * width)
        options: dict[str, Any] = {"stride": 2 if i == 0 else 1, "padding": parsed.kernel_size // 2, "bias": False}
        if window is None:
            layers.append(nn.Conv2d(*sizes, parsed.kernel_size, **options))
        else:
            layers.append(WindowedConv2d(*sizes, parsed.kernel_size, **options, window=window))
        layers += [nn.BatchNorm2d(sizes[1]), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, classes))


BUILDERS: dict[str, Callable[..., nn.Module]] = {"small": small_network}


def build(builder: str, arguments: dict[str, Any]) -> nn.Module:
    """The network that a builder makes with these arguments."""
    if builder not in BUILDERS:
        raise unknown("builder", builder, BUILDERS)
    return BUILDERS[builder](**arguments)


def to_header(builder: str, arguments: dict[str, Any]) -> dict[str, str]:
    """What a weights file says of its network."""
    return {"builder": json.dumps({"name": builder, "arguments": arguments}, sort_keys=True)}


def from_header(header: dict[str, str]) -> nn.Module:
    """The network, with fresh weights, that a weights file says it is of."""
    try:
        given = json.loads(header["builder"])
        return build(given["name"], given["arguments"])
    except InputError as error:
        raise InputError(f"the weights' header names a network that cannot be built: {error}") from None
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"the weights' header names no network of this laboratory: {reason}") from None
