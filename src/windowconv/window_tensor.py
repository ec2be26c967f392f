"""The values of windows as tensors, in a cache of the process.

A window is a value of its specification, not a module's state: whatever casts, moves, fills, shards or swaps the state
of modules cannot spoil it. Layers ask for it with the dtype and device of the weight that they use in this call.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from windowconv.window_spec import Kind, Window
from windowconv.windows import coordinates, window_values

_shared: WeakValueDictionary[str, Window] = WeakValueDictionary()
CACHED = 512  # tensors of each kind; a kernel's window is small


@torch.compiler.assume_constant_result  # a constant of the graph, guarded by the arguments
def window_tensor(window: Window, size: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """The values of `window`, of shape `size`: computed in float64, cast once and cached.

    Not to be changed: all who ask get the same tensor. It is a plain one, whatever mode torch is in (inference mode,
    fake tensors, transforms, tracing).

    Raises:
        InputError: a window that cannot be made at this size.
    """
    return _window_tensor(window, size, dtype, device)


@torch.compiler.assume_constant_result
def coordinate_tensor(
    size: tuple[int, ...], kind: Kind, in_taps: bool, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """The taps' coordinates (axes, *size), or their radii (1, *size) with kind="radial", cached likewise.

    They are 1 at the last tap, or with `in_taps` its distance from the middle in taps (radial: of the longest axis).
    """
    return _coordinate_tensor(size, kind, in_taps, dtype, device)


def shared_window(window: Window) -> Window:
    """The one object for equal specifications: compiled code recognises a window by its identity."""
    return _shared.setdefault(window.to_json(), window)


def takes_only_fakes(weight: Tensor) -> bool:
    """Whether the weight is one of torch's fake tensors (which have no values) that mixes with no others."""
    if torch.compiler.is_compiling():
        return False
    mode = getattr(weight, "fake_mode", None)
    return mode is not None and not mode.allow_non_fake_inputs


@lru_cache(maxsize=CACHED)
def _window_tensor(window: Window, size: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    values = window_values(window, size)
    return _in_no_mode(lambda: torch.tensor(values, dtype=dtype, device="cpu").to(device))


@lru_cache(maxsize=CACHED)
def _coordinate_tensor(
    size: tuple[int, ...], kind: Kind, in_taps: bool, dtype: torch.dtype, device: torch.device
) -> Tensor:
    def make() -> Tensor:
        axes = torch.meshgrid(*[torch.tensor(coordinates(n)) for n in size], indexing="ij")
        u = torch.stack(axes)
        half = torch.tensor([(n - 1) / 2 for n in size], dtype=u.dtype)
        if kind == "radial":
            u, half = u.square().sum(0).sqrt().clamp(max=1)[None], half.max()[None]
        u = u * half.view(-1, *([1] * len(size))) if in_taps else u
        return u.to(dtype).to(device)

    return _in_no_mode(make)


def _in_no_mode(make: Callable[[], Tensor]) -> Tensor:
    """The result of `make` in a new thread: torch keeps its modes by thread, and a new one has none."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(make).result()
