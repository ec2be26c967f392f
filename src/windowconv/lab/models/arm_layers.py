"""A network brought into an arm: its kernels grown, its windows put in."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn

from windowconv.conversion import convert
from windowconv.errors import InputError
from windowconv.folding import fold
from windowconv.lab.models.arm import Arm
from windowconv.lab.models.arm_kernels import put_kernels, unwindowed
from windowconv.lab.models.arm_subsampling import put_subsampling
from windowconv.lab.models.window_places import layers_at
from windowconv.plan import plan_conversion
from windowconv.windowed import WindowedMixin
from windowconv.windows import Window, get_window

MOST = 100.0
"""The largest factor of a gradient: without an end, a window's corner taps would have thousands, and noise to match."""

Network = TypeVar("Network", bound=nn.Module)


def grown_sizes(kernel_size: int) -> dict[int, int]:
    """How an arm of this size grows the kernels of a network made for 3x3: 7 grows a stem of 7 to 9, as in the paper.

    >>> grown_sizes(7)
    {3: 7, 5: 7, 7: 9}
    """
    if kernel_size == 3:
        return {}
    return {3: kernel_size, 5: max(5, kernel_size), 7: max(7, kernel_size + 2)}


def grow_to_arm(network: nn.Module, arm: Arm, seed: int, preserve: bool = False) -> nn.Module:
    """A network of 3x3 kernels as the arm has it, in place; kernels of one tap stay as they are.

    Args:
        network: with torch's own convolutions.
        arm: what to make of it.
        seed: of a shuffled window.
        preserve: keep the function that the network computes, see `windowconv.convert`.

    Raises:
        InputError: with `preserve`, a control or another axis, or a window that cannot be divided by.
    """
    if arm.form == "stack":
        raise InputError(
            f"arm={arm.name!r}: no kernel is grown into a -{arm.form}; allowed: in the network airbench only"
        )
    sizes = grown_sizes(arm.kernel_size)
    controls = [value for value in (arm.control, arm.power, arm.ends, arm.place) if value not in ("none", "all")]
    changed = next(iter([*controls, *arm.axes]), None)
    if preserve and changed:
        kind = "the control " if changed in controls else ""
        raise InputError(f"arm={arm.name!r}: {kind}-{changed} keeps no function; allowed: preserve=False")
    if not changed and arm.window is not None:  # in one step, which knows the old taps and what is frozen
        window = arm.layer_window()
        return convert(network, window=window, kernel_size=sizes or None, preserve=preserve, inplace=True)
    if sizes:
        fold(convert(network, window=None, kernel_size=sizes, preserve=preserve, inplace=True), inplace=True)
    return put_arm(network, arm, seed)


def put_arm(network: Network, arm: Arm, seed: int) -> Network:
    """All that an arm changes in a network whose kernels have the arm's sizes already, in place."""
    put_subsampling(network, arm)  # first, so that no kernel has a stride
    put_kernels(network, arm)
    return put_windows(network, arm, seed)


def put_windows(network: Network, arm: Arm, seed: int) -> Network:
    """The arm's windows in a network whose kernels have the arm's sizes already, in place."""
    if arm.window is None or arm.control == "rates":
        return network
    exclude = unwindowed(arm)
    if arm.has_own_values:
        convert(network, window=None, exclude=exclude, inplace=True)
        for layer in network.modules():
            if isinstance(layer, WindowedMixin):
                layer.set_window(arm.layer_window(layer.kernel_size, seed), name=layer.name_in_model, quiet=True)
    else:
        convert(network, window=arm.layer_window(), exclude=exclude, inplace=True)
    if arm.place != "all":
        chosen = layers_at(network, arm.place)
        for name, layer in network.named_modules():
            if isinstance(layer, WindowedMixin) and name not in chosen:
                layer.set_window(None, name=layer.name_in_model, quiet=True)
    return fold(network, inplace=True) if arm.control == "init" else network


def gradient_factors(network: nn.Module, arm: Arm) -> dict[str, Tensor]:
    """Factors of the weights' gradients by parameter, each of the kernel's size (kH, kW).

    Training a windowed layer by SGD, W <- W - lr (w g + d W) for the raw weight W and the gradient g of the effective
    one, V = w W, is V <- V - lr w^2 (g + (d / w^2) V): a learning rate of w^2 and a weight decay of 1/w^2 for each
    tap, or a gradient of w^2 g with lr and d as they are: the arms `-rates`. Momentum is linear in them and changes
    nothing. The other way round, a gradient of 1/w^2 for W is one of g for V, as without a window: the arms `-even`,
    whose factors end at `MOST`. Other arms have no factors.
    """
    if arm.control == "even":
        return {
            f"{name}.weight" if name else "weight": layer.window_values.detach().square().reciprocal().clamp(max=MOST)
            for name, layer in network.named_modules()
            if isinstance(layer, WindowedMixin) and layer.window_values is not None
        }
    if arm.control != "rates":
        return {}
    window = arm.layer_window()
    assert isinstance(window, Window)
    parameters = dict(network.named_parameters())
    factors = {}
    for layer in plan_conversion(network, window=window, exclude=unwindowed(arm)).layers:
        if layer.action == "window":
            weight = parameters[f"{layer.name}.weight" if layer.name else "weight"]
            values = get_window(window, layer.size, dtype=weight.dtype, device=weight.device)
            factors[f"{layer.name}.weight" if layer.name else "weight"] = values.square()
    return factors
