"""Running a model to measure it: its device and dtype, checks of weights and outputs, hooks on modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from windowconv.errors import InputError, unknown
from windowconv.finite import check_finite_tensor

LARGEST = 4 * 2**30  # bytes that one result may take


def device_and_dtype(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """The device and floating-point dtype of a model's first parameter, for its images.

    Raises:
        InputError: not a module; no parameters or buffers; an uninitialised parameter, or one with NaN or infinite
            values. The message names the layer.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"model={type(model).__name__}; allowed: a torch.nn.Module")
    home = None
    for name, held in [*model.named_parameters(), *model.named_buffers()]:
        layer = name.rpartition(".")[0]
        title = f"layer {layer!r}" if layer else f"the model ({type(model).__name__})"
        if is_lazy(held) or held.is_meta:
            raise InputError(
                f"{title} has no weights yet; allowed: after one run on an example, or with weights loaded"
            )
        if not held.is_floating_point():
            continue
        home = home or (held.device, held.dtype)
        check_finite_tensor(name, held, type(model).__name__)
    if home is None:
        raise InputError(f"model={type(model).__name__}; allowed: a network with parameters")
    return home


def run(model: nn.Module, images: Tensor) -> Any:
    """The model's output for images (N, C, *size); an `InputError` with the reason where that fails."""
    try:
        signature(model.forward).bind(images)
    except TypeError as error:
        raise InputError(
            f"model={type(model).__name__} cannot be called with images alone ({error}); allowed: a model of one "
            "input, such as a module that gives this one its other inputs, or windowconv inspect with --input-shape"
        ) from None
    try:
        return model(images)
    except (torch.OutOfMemoryError, InputError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"images.shape={tuple(images.shape)}; allowed: a shape that the model accepts ({reason})"
        ) from error


def logits(model: nn.Module, images: Tensor) -> Tensor:
    """The model's output (N, classes) for images (N, C, H, W); an `InputError` for another shape or NaN."""
    scores = run(model, images)
    if not isinstance(scores, Tensor) or scores.ndim != 2:
        shape = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise InputError(
            f"model={type(model).__name__} with output {shape}; allowed: one score per class, (N, classes)"
        )
    if not torch.isfinite(scores).all():
        raise InputError(f"model={type(model).__name__} with NaN or infinite scores; allowed: finite scores")
    return scores


def modules_named(model: nn.Module, names: Sequence[str]) -> dict[str, nn.Module]:
    """The modules with these names; an `InputError` for an unknown name suggests the nearest."""
    if isinstance(names, str):
        raise InputError(f"layers={names!r}; allowed: a list of names")
    found = dict(model.named_modules())
    for name in names:
        if name not in found:
            raise unknown("layers", name, (name for name in found if name))
    return {name: found[name] for name in names}


@contextmanager
def output_hooks(modules: Mapping[str, nn.Module], on_output: Callable[[str, Any], None]) -> Iterator[None]:
    """A context in which `on_output(name, output)` is called after each call of one of the modules."""
    handles = []
    for name, module in modules.items():

        def hook(module: nn.Module, args: Any, output: Any, name: str = name) -> None:
            on_output(name, output)

        handles.append(module.register_forward_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def check_bytes(name: str, wanted: int, remedy: str) -> None:
    """An `InputError` if a result of `wanted` bytes exceeds `LARGEST`."""
    if wanted > LARGEST:
        size, limit = wanted / 2**30, LARGEST / 2**30
        raise InputError(f"{name} needs {size:,.1f} GiB; allowed: {limit:g} GiB ({remedy})")
