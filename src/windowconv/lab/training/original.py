"""A pretrained network before its conversion: its weights are read, and checked against the network's own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from windowconv.checkpoint import read_state
from windowconv.errors import InputError
from windowconv.finite import check_finite
from windowconv.lab.config import Training
from windowconv.lab.models.build import BUILDERS, FAMILIES, build
from windowconv.lab.models.matching import BASELINE, start_widths
from windowconv.state_names import misfit, unwrapped

PROBE = 997  # a number of classes that no other layer has as its size

State = dict[str, Tensor]


@dataclass(frozen=True)
class Original:
    """A network before its conversion.

    Attributes:
        network: with its weights and torch's own convolutions, in evaluation mode.
        head: the name of its last layer, which classifies.
        classes: of that.
    """

    network: nn.Module
    head: str
    classes: int


def find_head(training: Training) -> str:
    """The name of a network's last layer; an `InputError` for an unknown network, or one without such a layer."""
    name = training.network
    family, _, own = name.partition("/")
    if name not in BUILDERS and not (family in FAMILIES and own):
        allowed = ", ".join(["torchvision/NAME", "timm/NAME", *BUILDERS])
        raise InputError(f"model={name!r}; allowed: {allowed}")
    try:
        with torch.device("meta"):
            probe = _unconverted(training, PROBE, 3)
    except InputError as error:
        raise InputError(str(error).replace("network=", "model=", 1)) from None
    found = [key for key, m in probe.named_modules() if isinstance(m, nn.Linear) and m.out_features == PROBE]
    if len(found) != 1:
        raise InputError(f"model={name!r} has {len(found)} linear layers that classify; allowed: networks with one")
    return found[0]


def read_weights(path: Path) -> tuple[State, str]:
    """A file's tensors by name, and 16 hex digits of its SHA-256; an `InputError` if it is no file of weights."""
    try:
        state, windows = read_state(path)
        if windows:
            name, window = next(iter(windows.items()))
            raise InputError(
                f"{path.name}: layer {name!r} was saved with the window {window}, but finetune converts a network "
                "itself; pass weights from before any conversion"
            )
        return state, hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except (InputError, OSError) as error:
        raise InputError(f"weights={str(path)!r} cannot be used: {error}") from None


def load_original(training: Training, channels: int, head: str, state: State, name: str) -> Original:
    """The network of the settings before its conversion, with these weights and as many classes as they have.

    Args:
        training: names the network.
        channels: that it takes.
        head: see `find_head`.
        state: tensors by name.
        name: of their file.

    Raises:
        InputError: the weights are of another network, or are NaN or infinite.
    """
    wrong = f"weights={name!r} are not those of model={training.network!r} before any conversion: "
    key = f"{head}.weight"
    with torch.device("meta"):
        names = unwrapped(state, _unconverted(training, PROBE, channels).state_dict())
    state = {own: state[name] for name, own in names.items()}
    if key not in state or state[key].ndim != 2:
        raise InputError(f"{wrong}they have no matrix {key!r}")
    classes = len(state[key])
    network = _unconverted(training, classes, channels)
    if reason := misfit(network.state_dict(), state):
        raise InputError(wrong + reason)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(wrong + " ".join(str(error).split())) from None
    try:
        check_finite(network)
    except InputError as error:
        raise InputError(f"weights={name!r}: {error}") from None
    return Original(network.eval(), head, classes)


def _unconverted(training: Training, classes: int, channels: int) -> nn.Module:
    """The network of the settings as others have it: no kernel grown, no window, nothing before it."""
    arguments = {"arm": BASELINE, "classes": classes, "channels": channels, "widths": start_widths(training)}
    return build(training.network, {key: value for key, value in arguments.items() if value is not None})
