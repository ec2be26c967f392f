"""One table of convolutions that the tests of functions, layers, conversion and folding share, wrong ones beside."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from windowconv import layers

PLAIN = {
    (1, False): nn.Conv1d,
    (2, False): nn.Conv2d,
    (3, False): nn.Conv3d,
    (1, True): nn.ConvTranspose1d,
    (2, True): nn.ConvTranspose2d,
    (3, True): nn.ConvTranspose3d,
}
WINDOWED: dict[tuple[int, bool], type[Any]] = {
    (1, False): layers.WindowedConv1d,
    (2, False): layers.WindowedConv2d,
    (3, False): layers.WindowedConv3d,
    (1, True): layers.WindowedConvTranspose1d,
    (2, True): layers.WindowedConvTranspose2d,
    (3, True): layers.WindowedConvTranspose3d,
}


@dataclass(frozen=True)
class Case:
    """A convolution and an input's sides; `options` are those of torch's layer."""

    name: str
    kernel: tuple[int, ...]
    sides: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)
    channels: tuple[int, int] = (4, 6)
    transposed: bool = False
    window: Any = "hamming"

    @property
    def key(self) -> tuple[int, bool]:
        return len(self.kernel), self.transposed

    def plain(self, dtype: torch.dtype = torch.float64, **changes: Any) -> Any:
        """Torch's layer, its weights the same every time."""
        torch.manual_seed(0)
        return PLAIN[self.key](*self.channels, self.kernel, **{**self.options, **changes}).to(dtype)

    def windowed(self, dtype: torch.dtype = torch.float64, **changes: Any) -> Any:
        """The windowed layer with the same raw weights."""
        torch.manual_seed(0)
        options = {**self.options, "window": self.window, **changes}
        return WINDOWED[self.key](*self.channels, self.kernel, **options).to(dtype)

    def input(self, dtype: torch.dtype = torch.float64, batch: int | None = 2) -> Tensor:
        """A batch, or one unbatched example if `batch` is None."""
        generator = torch.Generator().manual_seed(1)
        shape = (self.channels[0], *self.sides) if batch is None else (batch, self.channels[0], *self.sides)
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def _case(name: str, kernel: Any, sides: Any, **options: Any) -> Case:
    channels = options.pop("channels", (4, 6))
    window = options.pop("window", "hamming")
    transposed = options.pop("transposed", False)
    return Case(name, kernel, sides, options, channels, transposed, window)


CASES = [
    _case("1d", (7,), (12,)),
    _case("1d-stride-pad", (7,), (12,), stride=2, padding=3),
    _case("1d-same-dilated", (5,), (12,), padding="same", dilation=2),
    _case("1d-dilation-above-padding", (5,), (14,), padding=2, dilation=3),
    _case("1d-circular", (5,), (9,), padding=2, padding_mode="circular"),
    _case("1d-even-same", (6,), (9,), padding="same"),
    _case("1d-even-same-reflect", (6,), (9,), padding="same", padding_mode="reflect"),
    _case("1d-transposed", (7,), (6,), transposed=True, stride=3, padding=2, output_padding=1),
    _case("2d", (7, 7), (9, 10), padding=3),
    _case("2d-no-bias", (5, 5), (8, 8), bias=False),
    _case("2d-stride", (7, 7), (11, 10), padding=3, stride=2),
    _case("2d-strides", (5, 5), (9, 10), padding=(2, 1), stride=(2, 3)),
    _case("2d-even", (4, 6), (9, 10), padding=(1, 2)),
    _case("2d-not-square", (3, 7), (8, 9), padding=(1, 3), window=["boxcar", "hamming"]),
    _case("2d-row", (1, 7), (8, 9), padding=(0, 3)),
    _case("2d-same", (5, 5), (8, 9), padding="same"),
    _case("2d-same-even-dilated", (4, 4), (8, 9), padding="same", dilation=(1, 3)),
    _case("2d-valid", (5, 5), (8, 9), padding="valid"),
    _case("2d-reflect", (5, 5), (8, 9), padding=2, padding_mode="reflect"),
    _case("2d-replicate", (5, 5), (8, 9), padding=2, padding_mode="replicate"),
    _case("2d-circular", (5, 5), (8, 9), padding=2, padding_mode="circular"),
    _case("2d-dilated", (5, 5), (9, 10), padding=4, dilation=2),
    _case("2d-groups", (5, 5), (8, 8), padding=2, groups=2),
    _case("2d-depthwise", (7, 7), (8, 8), padding=3, groups=4, channels=(4, 4)),
    _case("2d-depthwise-double", (5, 5), (8, 8), padding=2, groups=4, channels=(4, 8)),
    _case("2d-kaiser", (7, 7), (8, 8), padding=3, window=("kaiser", 5.0)),
    _case("2d-transposed", (5, 5), (6, 5), transposed=True, padding=2),
    _case(
        "2d-transposed-stride", (5, 7), (5, 4), transposed=True, stride=(2, 3), padding=(2, 3), output_padding=(1, 2)
    ),
    _case("2d-transposed-even", (4, 4), (5, 4), transposed=True, stride=2, padding=1),
    _case("2d-transposed-groups", (5, 5), (5, 4), transposed=True, groups=2, dilation=2, padding=4, bias=False),
    _case("3d", (3, 5, 5), (5, 6, 7), padding=(1, 2, 2), channels=(2, 3), window=["boxcar", "hamming", "hamming"]),
    _case("3d-stride", (5, 5, 5), (6, 6, 6), padding=2, stride=2, channels=(2, 3)),
    _case("3d-transposed", (5, 5, 5), (3, 3, 3), transposed=True, stride=2, padding=2, channels=(2, 3)),
]  # fmt: skip
BY_NAME = {case.name: case for case in CASES}
IDS = list(BY_NAME)
# one case of each class, for the tests of what depends on the class alone
ONE_OF_EACH = [BY_NAME[n] for n in ("1d", "2d-stride", "3d-stride", "1d-transposed", "2d-transposed", "3d-transposed")]


@dataclass(frozen=True)
class Wrong:
    """A layer that cannot be made, or (with `input`) an input that it refuses, and the error expected."""

    name: str
    key: tuple[int, bool]
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    message: str
    input: tuple[int, ...] | None = None


WRONG = [
    Wrong("size-0", (2, False), (3, 8, 0), {}, "size=0; allowed: 1 or more"),
    Wrong("size-negative", (1, False), (3, 8, -3), {}, "size=-3"),
    Wrong("size-axis-0", (2, True), (3, 8, (3, 0)), {}, r"size=\(3, 0\)"),
    Wrong("size-float", (2, False), (3, 8, 3.0), {}, "size=3.0; allowed"),
    Wrong("size-axes", (2, False), (3, 8, (7,)), {}, "kernel_size=.*allowed: an int, or 2 ints"),
    Wrong("window-misspelt", (2, False), (3, 8, 7), {"window": "haming"}, "did you mean 'hamming'"),
    Wrong("window-parameters", (2, False), (3, 8, 7), {"window": ("kaiser", "a")}, "finite numbers"),
    Wrong("window-shape", (2, False), (3, 8, 7), {"window": torch.ones(5, 5)}, "allowed: .7, 7., the kernel's size"),
    Wrong("window-nan", (1, True), (3, 8, 2), {"window": torch.tensor([1, float("nan")])}, "finite numbers"),
    Wrong("window-axes", (3, False), (3, 8, 7), {"window": ["hamming"]}, "allowed: 3 windows"),
    Wrong("window-tuple-of-names", (2, False), (3, 8, 7), {"window": ("hamming", "hamming")}, "hamming"),
    Wrong("window-zero", (2, False), (3, 8, 2), {"window": "hann"}, "zero at every tap"),
    Wrong(
        "input-below-kernel", (2, False), (3, 8, 7), {"padding": 1},
        r"input side=4 with padding=1 \+ 1 is smaller than the kernel; allowed: 7 or more", (1, 3, 9, 4),
    ),
    Wrong("input-below-dilated", (1, False), (3, 8, 5), {"dilation": 3}, "allowed: 13 or more in all", (1, 3, 12)),
    Wrong(
        "input-below-reflect", (2, False), (3, 8, 7), {"padding": 3, "padding_mode": "reflect"},
        "padding=3 for input side=3; allowed: at most 2 with padding_mode='reflect'", (1, 3, 8, 3),
    ),
    Wrong(
        "input-below-circular", (2, False), (3, 8, 9), {"padding": 4, "padding_mode": "circular"},
        "padding=4 for input side=3; allowed: at most 3 with padding_mode='circular'", (1, 3, 8, 3),
    ),
    Wrong(
        "input-below-same-reflect", (1, False), (3, 8, 9), {"padding": "same", "padding_mode": "reflect"},
        "padding=4 for input side=4; allowed: at most 3", (1, 3, 4),
    ),
]  # fmt: skip
