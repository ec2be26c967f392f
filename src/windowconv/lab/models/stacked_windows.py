"""The windows of several networks that are computed as one, where they differ (shuffled ones do, by seed)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from windowconv.errors import InputError
from windowconv.windowed import WindowedMixin

WINDOW = "replica_window"


class OwnWindow(WindowedMixin):
    """A windowed layer whose window is a buffer, so that vmap can give each network its own."""

    @property
    def window_values(self) -> Tensor | None:
        """The window (*taps) of the network that is computed."""
        return self._buffers[WINDOW]


def windows_at_once(skeleton: nn.Module, networks: Sequence[nn.Module]) -> dict[str, Tensor]:
    """Make a buffer of every window of `skeleton` that the networks do not share.

    Args:
        skeleton: a copy of one network, which is changed.
        networks: (R) of the same layers.

    Returns:
        The windows (R, *taps) by the names of these buffers.

    Raises:
        InputError: windows that cannot be stacked: learnable ones of several kinds, or none in some of the networks.
    """
    stacked = {}
    for name, layer in skeleton.named_modules():
        if not isinstance(layer, WindowedMixin):
            continue
        twins = [network.get_submodule(name) for network in networks]
        specs = {twin.window: twin.window_values for twin in twins if isinstance(twin, WindowedMixin)}
        if len(specs) == 1:
            continue
        values = [twin.window_values for twin in twins if isinstance(twin, WindowedMixin)]
        if not all(isinstance(value, Tensor) for value in values):
            raise InputError(f"networks to be trained at once must be alike: {name} has the windows {list(specs)}")
        layer.__class__ = type(type(layer).__name__, (OwnWindow, type(layer)), {})
        layer.register_buffer(WINDOW, torch.empty(layer.kernel_size), persistent=False)  # vmap fills it
        stacked[f"{name}.{WINDOW}"] = torch.stack([value for value in values if value is not None])
    return stacked
