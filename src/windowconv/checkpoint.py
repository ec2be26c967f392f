"""Weights on disk together with each layer's window.

torch's own `load_state_dict` loads a windowed checkpoint into a plain network silently, since the keys are the same,
and the network then computes something else. `load_weights` refuses.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.errors import InputError, require
from windowconv.files import replace_file
from windowconv.learnable import LearnableWindow
from windowconv.state_names import misfit, unwrapped
from windowconv.weight_content import absence
from windowconv.windowed import METADATA_KEY, WindowedMixin, window_from_json
from windowconv.windows import Window

State = OrderedDict[str, Tensor]
Windows = dict[str, Window | LearnableWindow]  # by layer name
INNER = ("state_dict", "model_state_dict", "model")  # entries of training frameworks' files that are the state dict
METADATA = "__metadata__"  # the safetensors header's entry for strings
HEADER = "windowconv"  # the safetensors header's entry: JSON of layer name -> window


def save_weights(model: nn.Module, path: str | os.PathLike[str], extra: dict[str, str] | None = None) -> None:
    """Write a model's weights as safetensors, its windows in the header.

    The write is atomic, and equal weights give equal files, so that a checksum identifies them. Shared weights are
    written under each of their names.

    Args:
        model: any module.
        path: a name that ends in `.safetensors`.
        extra: more strings for the header.

    Raises:
        InputError: another suffix; a folder that cannot be written; safetensors is not installed; a weight that is
            sharded, offloaded or not there yet.
    """
    target = Path(path)
    if target.suffix != ".safetensors":
        raise InputError(f"path={target.name!r}; allowed: a name that ends in .safetensors")
    require("safetensors.torch", "lab")
    state = model.state_dict()
    for key, value in state.items():
        if (reason := absence(value)) is not None:
            raise InputError(f"{key!r} {reason}")
    tensors = {key: value.detach().clone().contiguous() for key, value in state.items()}
    header = {HEADER: json.dumps(windows_of(model), sort_keys=True), **(extra or {})}
    replace_file(target, to_safetensors(tensors, header))


def to_safetensors(tensors: dict[str, Tensor], header: dict[str, str]) -> bytes:
    """Tensors as safetensors, with the header's strings in the order of their names: safetensors has them in any.

    Args:
        tensors: contiguous, by name.
        header: strings by name, one at least.
    """
    content = require("safetensors.torch", "lab").save(tensors, metadata=header)
    end = 8 + int.from_bytes(content[:8], "little")
    entries = json.loads(content[8:end])
    entries[METADATA] = dict(sorted(entries[METADATA].items()))
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of eight bytes
    return b"".join([len(text).to_bytes(8, "little"), text, memoryview(content)[end:]])


def load_weights(model: nn.Module, path: str | os.PathLike[str], *, strict: bool = True) -> None:
    """Load weights that `save_weights` or `torch.save(model.state_dict())` wrote.

    Only tensors are unpickled. Names may have the parts that wrappers add: `module.`, `_orig_mod.`, `model.`; and the
    state dict may be an entry of the file, `state_dict`, `model_state_dict` or `model`.

    Args:
        model: the model to fill.
        path: a `.safetensors` file, or a state dict of torch's (`.pt`, `.pth`).
        strict: as in `load_state_dict`.

    Raises:
        InputError: a missing or unreadable file; keys or shapes that do not match; a layer that has a window in the
            file but none in the model.

    Warns:
        WindowWarning: a layer has another window than in the file.
    """
    state, windows = read_state(path)
    state, windows = _named_as_in(model, state, windows)
    modules = dict(model.named_modules())
    for name, saved in windows.items():
        if not isinstance(modules.get(name), WindowedMixin):
            raise InputError(
                f"{Path(path).name}: layer {name!r} was saved with the window {saved} but has none in this model, "
                "which would compute something else; allowed: to convert the model first, or to fold before saving"
            )
    try:
        model.load_state_dict(state, strict=strict)
    except RuntimeError as error:
        reason = misfit(model.state_dict(), state) or " ".join(str(error).split())[:200]
        raise InputError(f"{Path(path).name} does not fit the model: {reason}") from error


def _named_as_in(model: nn.Module, state: State, windows: Windows) -> tuple[State, Windows]:
    """A file's tensors, their metadata and windows under the model's names of them."""
    names = unwrapped(state, model.state_dict())
    if all(names.get(name) == name for name in state):
        return state, windows
    layers = {old.rpartition(".")[0]: own.rpartition(".")[0] for old, own in names.items()}
    renamed = OrderedDict((own, state[name]) for name, own in names.items())
    metadata = {layers[name]: held for name, held in getattr(state, "_metadata", {}).items() if name in layers}
    renamed._metadata = OrderedDict(metadata)  # pyright: ignore[reportAttributeAccessIssue]
    return renamed, {layers.get(name, name): window for name, window in windows.items()}


def read_state(path: str | os.PathLike[str]) -> tuple[State, Windows]:
    """The tensors of a weights file by name, and its windows other than boxcars by layer name.

    Args:
        path: as in `load_weights`.

    Raises:
        InputError: a missing or unreadable file.
    """
    source = Path(path)
    if not source.is_file():
        raise InputError(f"path={str(source)!r} not found; allowed: a weights file")
    state, texts = _read_safetensors(source) if source.suffix == ".safetensors" else _read_torch(source)
    windows = {name: window_from_json(text) for name, text in texts.items()}
    return state, {n: w for n, w in windows.items() if not (isinstance(w, Window) and w.name == "boxcar")}


def windows_of(model: nn.Module) -> dict[str, str]:
    """Each windowed layer's window as JSON, by layer name."""
    return {name: m.window.to_json() for name, m in model.named_modules() if isinstance(m, WindowedMixin)}


def read_header(path: str | os.PathLike[str]) -> dict[str, str]:
    """The strings in a safetensors file's header; an `InputError` if it is not one."""
    safe_open = require("safetensors", "lab").safe_open
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except Exception as error:  # safetensors has an exception class of its own, which it does not export everywhere
        raise InputError(f"{Path(path).name} cannot be read as safetensors (damaged?): {error}") from error


def _read_safetensors(path: Path) -> tuple[State, dict[str, str]]:
    try:
        windows: dict[str, str] = json.loads(read_header(path).get(HEADER, "{}"))
        if not isinstance(windows, dict) or not all(isinstance(text, str) for text in windows.values()):
            raise TypeError("no JSON of layer name -> window")
    except InputError:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path.name}: header entry {HEADER!r} cannot be read: {error}") from None
    try:
        state = OrderedDict(require("safetensors.torch", "lab").load_file(path))
    except Exception as error:
        raise InputError(f"{path.name} cannot be read as safetensors (damaged?): {error}") from error
    metadata = {name: {METADATA_KEY: text} for name, text in windows.items()}
    state._metadata = OrderedDict(metadata)  # pyright: ignore[reportAttributeAccessIssue]
    return state, windows


def _read_torch(path: Path) -> tuple[State, dict[str, str]]:
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            f"{path.name} cannot be read safely (damaged, or a pickled model?); allowed: a file written by "
            "save_weights or torch.save(model.state_dict(), ...)"
        ) from error
    if isinstance(state, dict):
        state = next((state[key] for key in INNER if isinstance(state.get(key), dict) and state[key]), state)
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(
            f"{path.name} is not a state dict (tensors by name); allowed: the inner one, such as "
            "checkpoint['state_dict']"
        )
    metadata = getattr(state, "_metadata", {})
    windows = {n: m[METADATA_KEY] for n, m in metadata.items() if METADATA_KEY in m}
    return OrderedDict(state) if not isinstance(state, OrderedDict) else state, windows
