"""The mixin that owns a layer's window and its `effective_weight`, which folding, spectra and fast paths read."""

from __future__ import annotations

import warnings
from functools import lru_cache
from operator import mul
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.errors import InputError, WindowWarning
from windowconv.fftconv.arguments import Algorithm, Geometry, check_algorithm, make_geometry, too_small
from windowconv.functional import real_dtype, windowed_weight
from windowconv.learnable import LearnableWindow, LearnableWindowModule, without_buffer
from windowconv.tracing import recorded_for
from windowconv.window_tensor import shared_window, takes_only_fakes, window_tensor
from windowconv.windows import Window, WindowLike, advise, as_window, window_values

LayerWindow = WindowLike | LearnableWindow
METADATA_KEY = "window"


_geometry = lru_cache(maxsize=4096)(make_geometry)


def window_from_json(text: str) -> Window | LearnableWindow:
    """The window that `to_json` wrote."""
    return LearnableWindow.from_json(text) if '"learnable"' in text else Window.from_json(text)


def same_window(a: Window | LearnableWindow, b: Window | LearnableWindow, size: tuple[int, ...]) -> bool:
    """Whether two specifications have the same values for a kernel of `size` taps."""
    if isinstance(a, LearnableWindow) or isinstance(b, LearnableWindow):
        return a == b
    try:
        return a == b or bool((window_values(a, size) == window_values(b, size)).all())
    except InputError:  # one of them cannot be made at this size
        return False


if TYPE_CHECKING:  # what torch's convolutions have
    from torch.nn.modules.conv import _ConvNd as Convolution

    from windowconv.fftconv.prepared import PreparedKernel
else:
    Convolution = nn.Module


class WindowedMixin(Convolution):
    """What the windowed layers add to torch's.

    The window is a value of its specification (`windowconv.window_tensor`), so that the state dict has the plain
    layer's keys and nothing that handles the state of modules can spoil it; the specification travels in the state
    dict's metadata. Only what a learnable window trains is state.
    """

    window: Window | LearnableWindow
    learnable_window: LearnableWindowModule | None
    name_in_model: str | None
    plain_class: type[nn.Module]  # the class before conversion, which fold restores
    prepared: PreparedKernel | None = None  # set by `prepare_inference`, a cache
    ADDED: ClassVar = ("window", "learnable_window", "name_in_model", "_algorithm", "prepared")

    def set_window(
        self, window: LayerWindow, *, name: str | None = None, quiet: bool = False, stacklevel: int = 3
    ) -> None:
        """Give this layer another window.

        Args:
            window: as in `windowconv.as_window`, or a `LearnableWindow`.
            name: the layer's name in its model, for error messages.
            quiet: do not warn of a window that suits the kernel's size badly.
            stacklevel: as in `warnings.warn`; 3 names the caller's line.

        Raises:
            InputError: a window that cannot be made for this kernel.
        """
        if len(self.kernel_size) != len(self.stride):
            raise InputError(f"kernel_size={self.kernel_size!r}; allowed: an int, or {len(self.stride)} ints")
        self._modules.pop("learnable_window", None)
        self.learnable_window = self.prepared = None
        self.name_in_model = name
        if isinstance(window, LearnableWindow):
            self.window = window
            self.learnable_window = window.module(
                self.kernel_size, self.out_channels, self.weight.dtype.to_real(), self.weight.device
            )
            return
        self.window = shared_window(as_window(window, self.kernel_size))
        window_values(self.window, self.kernel_size)  # raises where it cannot be made
        if not quiet:
            advise(self.window, self.kernel_size, stacklevel)

    @property
    def window_values(self) -> Tensor | None:
        """The fixed window (*taps) in the weight's precision and on its device; None if learnable or all ones.

        It is not the layer's own and not to be changed: `set_window` gives the layer another window.
        """
        if isinstance(self.window, LearnableWindow) or self.window.name == "boxcar":
            return None
        weight = recorded_for(self, self.weight)
        dtype = real_dtype(weight)
        if takes_only_fakes(weight):
            return weight.new_empty(self.kernel_size, dtype=dtype)
        return window_tensor(self.window, self.kernel_size, dtype, weight.device)

    @property
    def algorithm(self) -> Algorithm:
        """How the layer is computed: "direct" (torch's own), "fft", "depthwise", or "auto": what should be fastest."""
        return self.__dict__.get("_algorithm", "auto")  # converted layers and old pickles have none

    @algorithm.setter
    def algorithm(self, algorithm: Algorithm) -> None:
        check_algorithm(algorithm)
        if self.transposed and algorithm == "fft":
            raise InputError("algorithm='fft' for a transposed convolution; allowed: 'auto', 'direct'")
        if algorithm == "depthwise" and (self.transposed or not self.groups == self.in_channels == self.out_channels):
            raise InputError(
                f"algorithm='depthwise' for groups={self.groups}, in_channels={self.in_channels}, out_channels="
                f"{self.out_channels}{', transposed' if self.transposed else ''}; allowed: one group for each channel"
            )
        self.__dict__["_algorithm"] = algorithm

    @property
    def effective_weight(self) -> Tensor:
        """The raw weight times the window, in the raw weight's shape."""
        learnable = self.learnable_window
        return windowed_weight(self.weight, self.window_values if learnable is None else self._by_channel(learnable()))

    def weight_and_window(self) -> tuple[Tensor, Tensor | None]:
        """Two factors of the effective weight: one in its shape, to be trained, and a fixed window (*taps) or None."""
        return (self.weight, self.window_values) if self.learnable_window is None else (self.effective_weight, None)

    def weight_sources(self) -> list[Tensor]:
        """The tensors that the effective weight is computed from."""
        parts = [self.weight] if self.window_values is None else [self.weight, self.window_values]
        return parts if self.learnable_window is None else [*parts, *self.learnable_window.parameters()]

    def train(self, mode: bool = True) -> Any:
        """Torch's; in training mode, a kernel prepared for inference is released."""
        if mode:
            self.prepared = None
        return super().train(mode)

    def geometry(self) -> Geometry:
        """Stride, padding with zeros, dilation and groups; other padding is part of the input (`padded`)."""
        padding = self.padding if self.padding_mode == "zeros" else 0
        make = make_geometry if torch.compiler.is_compiling() else _geometry  # the compiler does not trace the cache
        return make(self.kernel_size, self.stride, padding, self.dilation, self.groups)

    def padded(self, input: Tensor) -> Tensor:
        """The input (N, C, *sides) or (C, *sides), padded if the layer pads with anything but zeros."""
        if self.padding_mode == "zeros":
            return input
        return F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)

    def extra_repr(self) -> str:
        chosen = "" if self.algorithm == "auto" else f", algorithm={self.algorithm}"
        return f"{super().extra_repr()}, window={self.window}{chosen}"

    def check_input(self, input: Tensor) -> None:
        """Raise an `InputError` for an input that is too small; torch's own message names no layer."""
        if torch.compiler.is_compiling() or torch._C._get_tracing_state() or not isinstance(input, Tensor):
            return
        self.check_float(input)
        axes = len(self.kernel_size)
        if input.ndim not in (axes + 1, axes + 2):
            return  # torch's own error is clear
        if self.padding_mode == "zeros" and min(input.shape[-axes:]) >= max(map(mul, self.dilation, self.kernel_size)):
            return  # as nearly all do; the rest takes several times as long
        padding = self._reversed_padding_repeated_twice
        for axis, n in enumerate(input.shape[-axes:]):
            before, after = padding[2 * (axes - 1 - axis)], padding[2 * (axes - 1 - axis) + 1]
            reach = self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
            if self.padding_mode == "zeros" and self.padding == "same":
                before, after = (reach - 1) // 2, reach - 1 - (reach - 1) // 2
            limit = {"reflect": n - 1, "circular": n}.get(self.padding_mode)
            if limit is not None and max(before, after) > limit:
                raise InputError(
                    f"{self.title()}: padding={max(before, after)} for input side={n}; allowed: at most {limit} with "
                    f"padding_mode={self.padding_mode!r} (a larger input, a smaller kernel or 'zeros')"
                )
            if n + before + after < reach:
                raise too_small(n, (before, after), reach, f"{self.title()}: ")

    def check_float(self, input: Any) -> None:
        """Raise an `InputError` for a quantised input: torch.ao quantises around the layers that it does not know."""
        if getattr(input, "is_quantized", False):
            raise InputError(
                f"{self.title()}: input.dtype={input.dtype}; allowed: floating point (fold the model, then quantise it)"
            )

    def resolve_output_padding(self, input: Tensor, output_size: list[int] | None) -> list[int]:
        """A transposed layer's output padding for each axis, by torch's own rule."""
        axes = len(self.kernel_size)
        return self._output_padding(  # pyright: ignore[reportCallIssue]
            input, output_size, self.stride, self.padding, self.kernel_size, axes, self.dilation
        )

    def title(self) -> str:
        """The layer's name in error messages."""
        return f"layer {self.name_in_model!r}" if self.name_in_model else f"{self}"

    def __prepare_scriptable__(self) -> NoReturn:
        """What torch.jit.script calls first; its own message would name a line of ours that it cannot compile."""
        raise InputError(
            f"torch.jit.script({self.title()}); allowed: torch.export.export(model, ...), or "
            "torch.jit.script(windowconv.fold(model))"
        )

    def _by_channel(self, window: Tensor) -> Tensor:
        """Values (channels, *taps) in a shape that broadcasts to the weight; groups may split the output channels."""
        learnable = self.learnable_window
        if learnable is None or learnable.channels == 1:
            return window[0]
        if not self.transposed:
            return window[:, None]
        grouped = window.view(self.groups, 1, self.out_channels // self.groups, *self.kernel_size)
        each = self.out_channels // self.groups
        grouped = grouped.expand(-1, self.in_channels // self.groups, each, *self.kernel_size)
        return grouped.reshape(self.in_channels, each, *self.kernel_size)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self.prepared = None
        return super()._apply(fn, recurse)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(without_buffer(state, "window_values"))
        if isinstance(self.window, Window):
            self.window = shared_window(self.window)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if hasattr(destination, "_metadata"):
            destination._metadata.setdefault(prefix[:-1], {})[METADATA_KEY] = self.window.to_json()

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], *args: Any, **kwargs: Any
    ) -> None:
        self.prepared = None
        learnable, weight = self.learnable_window, state_dict.get(prefix + "weight")
        if learnable is not None and isinstance(weight, Tensor):
            # a plain checkpoint has no window: it gets the start; torch passes this dictionary on to the children
            start = learnable.start_raw().to(dtype=learnable.raw.dtype, device=weight.device)
            state_dict.setdefault(prefix + "learnable_window.raw", start)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args, **kwargs)
        if text := local_metadata.get(METADATA_KEY):
            saved = window_from_json(text)
            if not same_window(saved, self.window, self.kernel_size):
                layer = prefix[:-1] or self.name_in_model or type(self).__name__
                warnings.warn(
                    f"layer {layer!r} has the window {self.window}, but the checkpoint was saved with "
                    f"{saved}: this is another model; layer.set_window follows the checkpoint",
                    WindowWarning,
                    stacklevel=2,
                )
