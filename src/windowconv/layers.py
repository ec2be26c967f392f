"""Windowed convolution layers: torch's own, whose weight is multiplied by a window in every forward pass.

The raw weight is the parameter, so initialisation and weight decay act on it (as in the paper). Parameters,
state dict keys and signatures are torch's; `window` and `algorithm` are keyword-only. Not for inference:
`windowconv.fold` multiplies the window in once and gives torch's layers back.
"""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.dispatch import convolve
from windowconv.fftconv.arguments import Algorithm
from windowconv.windowed import LayerWindow, WindowedMixin
from windowconv.windows import as_size

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]


class WindowedConv1d(WindowedMixin, nn.Conv1d):
    """`torch.nn.Conv1d` with the weight `weight * window`.

    Args:
        window: as in `windowconv.as_window`, or a `LearnableWindow`; the rest is torch's.
        algorithm: as in `windowconv.fft_conv1d`; not for what is exported or traced, which is always direct.

    Raises:
        InputError: a window or a size that does not work (see `windowconv.get_window`); at the forward pass, an
            input that is smaller than the kernel or than its padding mode allows.
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
        as_size(kernel_size)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
        self.set_window(window, stacklevel=4)
        self.algorithm = algorithm

    def forward(self, input: Tensor) -> Tensor:
        """The convolution of `input` with the effective weight."""
        self.check_input(input)
        return convolve(self, input)


class WindowedConv2d(WindowedMixin, nn.Conv2d):
    """`torch.nn.Conv2d` with the weight `weight * window`.

    Args:
        window: as in `windowconv.as_window`, or a `LearnableWindow`; the rest is torch's.
        algorithm: as in `windowconv.fft_conv2d`; not for what is exported or traced, which is always direct.

    Raises:
        InputError: a window or a size that does not work (see `windowconv.get_window`); at the forward pass, an
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
        as_size(kernel_size)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
        self.set_window(window, stacklevel=4)
        self.algorithm = algorithm

    def forward(self, input: Tensor) -> Tensor:
        """The convolution of `input` with the effective weight."""
        self.check_input(input)
        return convolve(self, input)


class WindowedConv3d(WindowedMixin, nn.Conv3d):
    """`torch.nn.Conv3d` with the weight `weight * window`.

    Args:
        window: as in `windowconv.as_window`, or a `LearnableWindow`; the rest is torch's.
        algorithm: as in `windowconv.fft_conv3d`; not for what is exported or traced, which is always direct.

    Raises:
        InputError: a window or a size that does not work (see `windowconv.get_window`); at the forward pass, an
            input that is smaller than the kernel or than its padding mode allows.
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
        as_size(kernel_size)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
        self.set_window(window, stacklevel=4)
        self.algorithm = algorithm

    def forward(self, input: Tensor) -> Tensor:
        """The convolution of `input` with the effective weight."""
        self.check_input(input)
        return convolve(self, input)


class WindowedConvTranspose1d(WindowedMixin, nn.ConvTranspose1d):
    """`torch.nn.ConvTranspose1d` with the weight `weight * window`.

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
        as_size(kernel_size)
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            bias,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        self.set_window(window, stacklevel=4)
        self.algorithm = algorithm

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """The transposed convolution of `input` with the effective weight."""
        output_padding = self.resolve_output_padding(input, output_size)
        return F.conv_transpose1d(
            input,
            self.effective_weight,
            self.bias,
            self.stride,
            self.padding,  # pyright: ignore[reportArgumentType]
            output_padding,
            self.groups,
            self.dilation,
        )


class WindowedConvTranspose2d(WindowedMixin, nn.ConvTranspose2d):
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
        as_size(kernel_size)
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            bias,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        self.set_window(window, stacklevel=4)
        self.algorithm = algorithm

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """The transposed convolution of `input` with the effective weight."""
        output_padding = self.resolve_output_padding(input, output_size)
        return F.conv_transpose2d(
            input,
            self.effective_weight,
            self.bias,
            self.stride,
            self.padding,  # pyright: ignore[reportArgumentType]
            output_padding,
            self.groups,
            self.dilation,
        )


class WindowedConvTranspose3d(WindowedMixin, nn.ConvTranspose3d):
    """`torch.nn.ConvTranspose3d` with the weight `weight * window`.

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
        as_size(kernel_size)
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            bias,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        self.set_window(window, stacklevel=4)
        self.algorithm = algorithm

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """The transposed convolution of `input` with the effective weight."""
        output_padding = self.resolve_output_padding(input, output_size)
        return F.conv_transpose3d(
            input,
            self.effective_weight,
            self.bias,
            self.stride,
            self.padding,  # pyright: ignore[reportArgumentType]
            output_padding,
            self.groups,
            self.dilation,
        )


WINDOWED: dict[type[nn.Module], type[WindowedMixin]] = {
    nn.Conv1d: WindowedConv1d,
    nn.Conv2d: WindowedConv2d,
    nn.Conv3d: WindowedConv3d,
    nn.ConvTranspose1d: WindowedConvTranspose1d,
    nn.ConvTranspose2d: WindowedConvTranspose2d,
    nn.ConvTranspose3d: WindowedConvTranspose3d,
}
PLAIN = {windowed: plain for plain, windowed in WINDOWED.items()}
