"""Windowed convolution layers: torch's own, whose weight is multiplied by a window in every forward pass.

The raw weight is the parameter, so initialisation and weight decay act on it (as in the paper). Parameters, state dict
keys and signatures are torch's; `window` and `algorithm` are keyword-only. Not for inference: `windowconv.fold`
multiplies the window in once and gives torch's layers back.

Behaviour is in two mixins. Each class spells out its constructor, because editors and type checkers read signatures
from the source: Python's typing cannot say "torch's signature and two keywords more", and a signature set at run time
(`__signature__`) is seen by `inspect` alone.
"""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.dispatch import convolve_layer
from windowconv.fftconv.arguments import Algorithm
from windowconv.integers import as_int
from windowconv.tracing import whole_call
from windowconv.windowed import LayerWindow, WindowedMixin
from windowconv.windows import as_size

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]
CONV_TRANSPOSE: Any = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


class _Conv(WindowedMixin):
    """The constructor's work and the forward pass of the three convolutions."""

    def _build(self, window: LayerWindow, algorithm: Algorithm, *arguments: Any) -> None:
        """Construct torch's layer from its own `arguments` in their order, then set the window and the algorithm."""
        size = as_size(arguments[2])  # torch's own error for a wrong kernel size is unclear
        arguments = (*arguments[:2], size if as_int(arguments[2]) is None else size[0], *arguments[3:])
        super().__init__(*arguments)
        self.set_window(window, stacklevel=5)
        self.algorithm = algorithm

    def forward(self, input: Tensor) -> Tensor:
        """The convolution of `input`, (N, C, *sides) or (C, *sides), with the effective weight."""
        if (call := whole_call(self, input)) is not None:
            return call
        self.check_input(input)
        return convolve_layer(self, input)


class _ConvTranspose(_Conv):
    """The forward pass of the three transposed convolutions."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """The transposed convolution of `input`, (N, C, *sides) or (C, *sides), with the effective weight.

        `output_size` is the output's (*sides), where the stride leaves a choice.
        """
        if (call := whole_call(self, input, output_size)) is not None:
            return call
        self.check_float(input)
        output_padding = self.resolve_output_padding(input, output_size)
        convolve = CONV_TRANSPOSE[len(self.kernel_size)]
        options = self.stride, self.padding, output_padding, self.groups, self.dilation
        return convolve(input, self.effective_weight, self.bias, *options)


class WindowedConv1d(_Conv, nn.Conv1d):
    """`torch.nn.Conv1d` with the weight `weight * window`.

    `window`, `algorithm` and errors are as in `WindowedConv2d`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: str | int | tuple[int] = 0,
        dilation: int | tuple[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: Any = None,
        dtype: Any = None,
        *,
        window: LayerWindow = "hamming",
        algorithm: Algorithm = "auto",
    ) -> None:
        sizes = in_channels, out_channels, kernel_size, stride, padding, dilation
        self._build(window, algorithm, *sizes, groups, bias, padding_mode, device, dtype)


class WindowedConv2d(_Conv, nn.Conv2d):
    """`torch.nn.Conv2d` with the weight `weight * window`.

    Args:
        window: as in `windowconv.as_window`, or a `LearnableWindow`; the rest is torch's.
        algorithm: as in `windowconv.fft_conv2d`; what is exported or traced is always direct.

    Raises:
        InputError: a window or a size that does not work (see `windowconv.get_window`); in the forward pass, an
            input that is smaller than the kernel or than its padding mode allows.

    >>> import torch
    >>> layer = WindowedConv2d(3, 8, 7, padding=3)
    >>> layer
    WindowedConv2d(3, 8, kernel_size=(7, 7), stride=(1, 1), padding=(3, 3), window=hamming)
    >>> sorted(layer.state_dict())
    ['bias', 'weight']
    >>> torch.equal(layer.effective_weight[0, 0, 3, 3], layer.weight[0, 0, 3, 3])
    True
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: Any = None,
        dtype: Any = None,
        *,
        window: LayerWindow = "hamming",
        algorithm: Algorithm = "auto",
    ) -> None:
        sizes = in_channels, out_channels, kernel_size, stride, padding, dilation
        self._build(window, algorithm, *sizes, groups, bias, padding_mode, device, dtype)


class WindowedConv3d(_Conv, nn.Conv3d):
    """`torch.nn.Conv3d` with the weight `weight * window`.

    `window`, `algorithm` and errors are as in `WindowedConv2d`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int, int],
        stride: int | tuple[int, int, int] = 1,
        padding: str | int | tuple[int, int, int] = 0,
        dilation: int | tuple[int, int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: Any = None,
        dtype: Any = None,
        *,
        window: LayerWindow = "hamming",
        algorithm: Algorithm = "auto",
    ) -> None:
        sizes = in_channels, out_channels, kernel_size, stride, padding, dilation
        self._build(window, algorithm, *sizes, groups, bias, padding_mode, device, dtype)


class WindowedConvTranspose1d(_ConvTranspose, nn.ConvTranspose1d):
    """`torch.nn.ConvTranspose1d` with the weight `weight * window`.

    `window`, `algorithm` and errors are as in `WindowedConvTranspose2d`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: int | tuple[int] = 0,
        output_padding: int | tuple[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int] = 1,
        padding_mode: PaddingMode = "zeros",
        device: Any = None,
        dtype: Any = None,
        *,
        window: LayerWindow = "hamming",
        algorithm: Algorithm = "auto",
    ) -> None:
        sizes = in_channels, out_channels, kernel_size, stride, padding, output_padding
        self._build(window, algorithm, *sizes, groups, bias, dilation, padding_mode, device, dtype)


class WindowedConvTranspose2d(_ConvTranspose, nn.ConvTranspose2d):
    """`torch.nn.ConvTranspose2d` with the weight `weight * window`.

    Args:
        window: as in `windowconv.as_window`, or a `LearnableWindow`; the rest is torch's.
        algorithm: "auto" or "direct", which are the same here.

    Raises:
        InputError: a window or a size that does not work (see `windowconv.get_window`), or algorithm="fft".
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        output_padding: int | tuple[int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, int] = 1,
        padding_mode: PaddingMode = "zeros",
        device: Any = None,
        dtype: Any = None,
        *,
        window: LayerWindow = "hamming",
        algorithm: Algorithm = "auto",
    ) -> None:
        sizes = in_channels, out_channels, kernel_size, stride, padding, output_padding
        self._build(window, algorithm, *sizes, groups, bias, dilation, padding_mode, device, dtype)


class WindowedConvTranspose3d(_ConvTranspose, nn.ConvTranspose3d):
    """`torch.nn.ConvTranspose3d` with the weight `weight * window`.

    `window`, `algorithm` and errors are as in `WindowedConvTranspose2d`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int, int],
        stride: int | tuple[int, int, int] = 1,
        padding: int | tuple[int, int, int] = 0,
        output_padding: int | tuple[int, int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, int, int] = 1,
        padding_mode: PaddingMode = "zeros",
        device: Any = None,
        dtype: Any = None,
        *,
        window: LayerWindow = "hamming",
        algorithm: Algorithm = "auto",
    ) -> None:
        sizes = in_channels, out_channels, kernel_size, stride, padding, output_padding
        self._build(window, algorithm, *sizes, groups, bias, dilation, padding_mode, device, dtype)


WINDOWED: dict[type[nn.Module], type[WindowedMixin]] = {
    nn.Conv1d: WindowedConv1d,
    nn.Conv2d: WindowedConv2d,
    nn.Conv3d: WindowedConv3d,
    nn.ConvTranspose1d: WindowedConvTranspose1d,
    nn.ConvTranspose2d: WindowedConvTranspose2d,
    nn.ConvTranspose3d: WindowedConvTranspose3d,
}
PLAIN = {windowed: plain for plain, windowed in WINDOWED.items()}
