"""Running a model for a measure: where it lives, whether its weights are numbers, what its modules put out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from windowconv.errors import InputError, unknown

LARGEST = 4 * 2**30  # bytes that one result may take


def checked_home(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """The device and the floating dtype of a model's first parameter, which its images must have.

    Raises:
        InputError: not a module; no parameters or buffers; a parameter not made yet, or with NaN or infinite
            values, with its layer's name.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"model={type(model).__name__}; allowed: a torch module")
    home = None
    for name, held in [*model.named_parameters(), *model.named_buffers()]:
        layer = name.rpartition(".")[0]
        title = f"layer {layer!r}" if layer else f"the model ({type(model).__name__})"
        if is_lazy(held) or held.is_meta:
            raise InputError(f"{title} has no weights yet; run the model once on an example, or load its weights")
        if not held.is_floating_point():
            continue
        home = home or (held.device, held.dtype)
        if not torch.isfinite(held).all():
            bad = int((~torch.isfinite(held)).sum())
            raise InputError(f"{title} has {bad:,} NaN or infinite values in {name!r}; allowed: finite numbers")
    if home is None:
        raise InputError(f"model={type(model).__name__} has no parameters; allowed: a network with weights")
    return home


def run(model: nn.Module, images: Tensor) -> Any:
    """The model's output; an `InputError` with torch's words where the model cannot take images of this shape."""
    try:
        return model(images)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"images of shape {tuple(images.shape)} do not go through the model: {reason}") from error


def logits(model: nn.Module, images: Tensor) -> Tensor:
    """The model's output (N, classes); an `InputError` where it is not that, or not finite."""
    scores = run(model, images)
    if not isinstance(scores, Tensor) or scores.ndim != 2:
        shape = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise InputError(f"model={type(model).__name__} puts out {shape}; allowed: one score a class, (N, classes)")
    if not torch.isfinite(scores).all():
        raise InputError(f"model={type(model).__name__} puts out NaN or infinite scores for these images")
    return scores


def modules_named(model: nn.Module, names: Sequence[str]) -> dict[str, nn.Module]:
    """These modules by name; an `InputError` suggests the nearest where there is none of a name."""
    if isinstance(names, str):
        raise InputError(f"layers={names!r} is one string; allowed: a list of names")
    found = dict(model.named_modules())
    for name in names:
        if name not in found:
            raise unknown("layers", name, (name for name in found if name))
    return {name: found[name] for name in names}


@contextmanager
def watching(modules: Mapping[str, nn.Module], look: Callable[[str, Any], None]) -> Iterator[None]:
    """While open, look(name, output) is called after each call of one of the modules."""
    handles = []
    for name, module in modules.items():

        def hook(module: nn.Module, args: Any, output: Any, name: str = name) -> None:
            look(name, output)

        handles.append(module.register_forward_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def check_bytes(what: str, wanted: int, way_out: str) -> None:
    """An `InputError` where a result would take more than `LARGEST`."""
    if wanted > LARGEST:
        size, limit = wanted / 2**30, LARGEST / 2**30
        raise InputError(f"{what} would take {size:,.1f} GiB; allowed: {limit:g} GiB. {way_out}")
