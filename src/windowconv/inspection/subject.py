"""What is inspected: a network by name, with the images that it takes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from windowconv.checkpoint import load_weights
from windowconv.convolving import convolving_layers
from windowconv.errors import InputError, require, unknown
from windowconv.finite import check_finite

GROUP = "windowconv.models"  # entry points: functions (text) -> Subject, or None where the text is none of theirs
PRETRAINED = "pretrained"
NONE: Mapping[str, Any] = MappingProxyType({})
WITH_ARGUMENTS = "only with torchvision/NAME, timm/NAME and package.module:function"
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # torchvision's mean and standard deviation


@dataclass(frozen=True)
class Subject:
    """A network to inspect.

    Attributes:
        name: shown to the reader.
        model: in evaluation mode.
        channels, size: channels of its input images and their side in pixels; None if unknown.
        mean, std: per-channel normalisation of images in [0, 1]; empty if there is none.
        weights: the source of the weights, as text.
        trained: whether the weights are those of a trained network.
        data: the training data, as --images takes it; None if unknown.
        others: inputs that it takes after the images, each with the batch as its first axis.
        rate: samples per second of its input; None if it is not sound, or unknown.
        facts: more about the network, by name, such as its test accuracy.
    """

    name: str
    model: nn.Module
    channels: int | None = None
    size: int | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    weights: str = "random"
    trained: bool = False
    data: str | None = None
    others: tuple[Tensor, ...] = ()
    rate: float | None = None
    facts: dict[str, str] = field(default_factory=dict)

    def normalize(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1], normalised."""
        if not self.mean:
            return images
        mean, std = images.new_tensor(self.mean), images.new_tensor(self.std)
        return (images - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)


def open_subject(text: str, weights: str | None = None, arguments: Mapping[str, Any] = NONE) -> Subject:
    """The network that MODEL on the command line names.

    Args:
        text: `torchvision/NAME`, `timm/NAME`, `package.module:function` (from the current folder too), or what an
            installed package registers, such as a run folder.
        weights: a file of weights, or `"pretrained"` for those that torchvision or timm downloads.
        arguments: of the network's constructor or function, such as `num_classes`.

    Raises:
        InputError: an unknown model; a function that fails; weights that do not fit, or are NaN or infinite; arguments
            that are not taken.
    """
    family, _, name = text.partition("/")
    if family in FAMILIES and name:
        subject = FAMILIES[family](name, weights == PRETRAINED, arguments)
    elif (subject := _registered(text)) is not None:
        if arguments:
            raise InputError(f"model-args={dict(arguments)} for model={text!r}; allowed: {WITH_ARGUMENTS}")
    else:
        if ":" not in text:
            raise InputError(
                f"model={text!r}; allowed: a run folder, torchvision/NAME, timm/NAME, or package.module:function"
            )
        subject = _from_function(text, arguments)
    if weights == PRETRAINED and family not in FAMILIES:
        raise InputError(f"weights='pretrained'; allowed: only for torchvision/NAME and timm/NAME, not model={text!r}")
    subject.model.eval()
    if weights is not None and weights != PRETRAINED:
        try:
            load_weights(subject.model, weights)
        except InputError as error:
            if "other shapes" not in str(error) or subject.facts:
                raise
            raise InputError(f"{error}; for another number of classes, pass --model-args num_classes=N") from None
        changed: dict[str, Any] = {"weights": Path(weights).name, "trained": True}
        subject = Subject(**{**subject.__dict__, **changed})
    check_finite(subject.model)
    if not any(convolving_layers(subject.model)):
        kind = type(subject.model).__name__
        raise InputError(f"model={text!r}, a {kind} without convolutions; allowed: a network with convolutions")
    return subject


def _registered(text: str) -> Subject | None:
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        if (found := entry.load()(text)) is not None:
            return found
    return None


def _torchvision(name: str, pretrained: bool, arguments: Mapping[str, Any]) -> Subject:
    models = require("torchvision", "lab").models
    if name not in models.list_models():
        raise unknown("model", name, models.list_models())
    chosen: dict[str, Any] = {"weights": "DEFAULT" if pretrained else None}
    if not pretrained and "weights_backbone" in signature(models.get_model_builder(name)).parameters:
        chosen["weights_backbone"] = None  # else they are loaded, and the network is not random
    try:
        model = _call(f"torchvision/{name}", models.get_model, name, **{**chosen, **arguments})
    except OSError as error:
        raise _no_download(name, error) from None
    try:
        preset = models.get_model_weights(name).DEFAULT.transforms()
        mean, std = tuple(preset.mean), tuple(preset.std)
        size = preset.crop_size[0] if isinstance(preset.crop_size, list) else int(preset.crop_size)
    except AttributeError:  # no weights, or a preset for other things than classifying images
        mean, std, size = (*IMAGENET, 224)
    source = "torchvision's pretrained weights" if pretrained else "random"
    return Subject(f"torchvision/{name}", model, 3, size, mean, std, source, pretrained)


def _timm(name: str, pretrained: bool, arguments: Mapping[str, Any]) -> Subject:
    timm = require("timm", "timm")
    if not timm.is_model(name):
        raise unknown("model", name, timm.list_models())
    try:
        model = _call(f"timm/{name}", timm.create_model, name, **{"pretrained": pretrained, **arguments})
    except (OSError, RuntimeError) as error:
        raise _no_download(name, error) from None
    made: dict[str, Any] = model.pretrained_cfg
    channels, size = made.get("input_size", (3, 224, 224))[:2]
    mean, std = (tuple(made.get(key, default)) for key, default in zip(("mean", "std"), IMAGENET, strict=True))
    source = "timm's pretrained weights" if pretrained else "random"
    return Subject(f"timm/{name}", model, channels, size, mean, std, source, pretrained)


FAMILIES: dict[str, Callable[[str, bool, Mapping[str, Any]], Subject]] = {"torchvision": _torchvision, "timm": _timm}


def _call(text: str, make: Callable[..., Any], *given: Any, **arguments: Any) -> Any:
    """What a constructor returns; an `InputError` where it does not take its arguments."""
    try:
        return make(*given, **arguments)
    except (TypeError, ValueError, AssertionError) as error:
        raise InputError(f"model={text!r} with {arguments}: {_one_line(error)}") from error


def _no_download(name: str, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:200]
    return InputError(
        f"weights='pretrained' of {name} cannot be downloaded ({reason}); pass a local file: --weights FILE"
    )


def _from_function(text: str, arguments: Mapping[str, Any]) -> Subject:
    """The model that `package.module:function` returns, with its channels from the first convolution."""
    place, _, name = text.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # as python -m has it: the user's own files
    try:
        module = importlib.import_module(place)
    except ImportError as error:
        raise InputError(f"model={text!r}: importing {place!r} failed: {error}") from None
    except Exception as error:
        raise InputError(f"model={text!r}: importing {place!r} failed: {_one_line(error)}") from error
    function = getattr(module, name, None)
    if function is None:
        raise unknown(f"model={text!r}: function", name, _makers(module))
    try:
        made = callable(function) and not isinstance(function, nn.Module)
        model = function(**arguments) if made else function
    except Exception as error:
        raise InputError(f"model={text!r}: {name}({_shown(arguments)}) failed: {_one_line(error)}") from error
    if not isinstance(model, nn.Module):
        raise InputError(f"model={text!r} returns a {type(model).__name__}; allowed: a torch.nn.Module")
    if arguments and not made:
        raise InputError(f"model-args={dict(arguments)} for model={text!r}, a network; allowed: {WITH_ARGUMENTS}")
    return Subject(text, model, _channels(model), weights=f"as {name}({_shown(arguments)}) creates them")


def _shown(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())


def _makers(module: Any) -> list[str]:
    """Names in a module that may give a network: its own functions, and networks."""
    return [
        name
        for name, held in vars(module).items()
        if isinstance(held, nn.Module) or (callable(held) and getattr(held, "__module__", "") == module.__name__)
    ]


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _channels(model: nn.Module) -> int | None:
    known = (getattr(layer, "in_channels", None) for layer in convolving_layers(model)[0].values())
    return next((channels for channels in known if channels is not None), None)
