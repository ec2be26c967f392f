"""Whole numbers are taken by `__index__`, wherever an int is."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tolerances import assert_close
from windowconv.conversion import convert
from windowconv.errors import InputError
from windowconv.fftconv.convolution import fft_conv2d
from windowconv.integers import as_int, as_ints, check_int
from windowconv.layers import WindowedConv2d
from windowconv.plan import plan_conversion
from windowconv.spectra.curve import power_spectrum
from windowconv.windows import get_window


class Whole:
    """A number of a user's own."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


KINDS = {
    "int64": np.int64,
    "uint8": np.uint8,
    "array": lambda n: np.array(n),
    "tensor": torch.tensor,
    "own": Whole,
}


@pytest.mark.parametrize("kind", KINDS)
def test_whole_numbers(kind):
    make = KINDS[kind]
    assert (as_int(make(7)), type(as_int(make(7)))) == (7, int)
    assert as_ints([make(7), make(9)]) == (7, 9)
    assert as_ints(make(7)) == (7,)
    assert check_int("n", make(7), 7) == 7
    with pytest.raises(InputError, match=r"n=.*; allowed: an int of 8 or more, in taps"):
        check_int("n", make(7), 8, "taps")


@pytest.mark.parametrize(
    "value",
    [True, np.True_, torch.tensor(True), 7.0, np.float64(7), torch.tensor(7.0), "7", None, [7], torch.tensor([7])],
    ids=repr,
)
def test_everything_else_is_none(value):
    assert as_int(value) is None


@pytest.mark.parametrize("value", ["77", {7: 7}, {7}, [7.5], np.array([7.0]), torch.ones(2, 2, dtype=torch.int64)])
def test_sequences_of_something_else_are_none(value):
    assert as_ints(value) is None
    assert as_ints(np.array([7, 9])) == as_ints(torch.tensor([7, 9])) == as_ints(torch.Size([7, 9])) == (7, 9)


@pytest.mark.parametrize("kind", KINDS)
def test_kernel_sizes(kind):
    make = KINDS[kind]
    model: Any = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 5, padding=2))

    def sizes(given):
        return [layer.size for layer in plan_conversion(model, kernel_size=given).layers]

    assert sizes(make(7)) == [(7, 7), (7, 7)]
    assert sizes({3: make(7)}) == [(7, 7), (5, 5)]
    if kind != "array":  # no key
        assert sizes({make(3): 7}) == sizes({make(3): make(7)}) == [(7, 7), (5, 5)]
    assert sizes(lambda name, layer: make(9)) == [(9, 9), (9, 9)]
    assert sizes(lambda name, layer: (make(7), make(9))) == [(7, 9), (7, 9)]
    assert sizes(lambda name, layer: np.array([7, 9])) == sizes(lambda name, layer: torch.tensor([7, 9]))
    grown = convert(model, kernel_size=make(7))
    assert [type(k) for k in grown[0].kernel_size] == [int, int]
    assert_close(get_window("hamming", make(7)), get_window("hamming", 7))
    assert_close(get_window("hamming", (make(7), 5)), get_window("hamming", (7, 5)))
    assert power_spectrum(torch.rand(1, 1, 3, 3), grid=make(16)).shape[-1] == 16


@pytest.mark.parametrize("algorithm", ["direct", "fft", "auto"])
def test_layers_whose_sizes_are_numpys(algorithm):
    n = np.int64
    plain = nn.Conv2d(n(4), n(6), n(5), stride=n(2), padding=n(2), dilation=n(1), groups=n(2))
    converted = convert(plain, kernel_size=n(7))
    x = torch.rand(2, 4, 12, 12)
    layers = [converted, WindowedConv2d(n(4), n(6), n(7), n(2), n(3), n(1), n(2))]
    for layer in layers:
        assert isinstance(layer, WindowedConv2d)
        layer.algorithm = algorithm
        assert_close(layer(x), F.conv2d(x, layer.effective_weight, layer.bias, 2, 3, 1, 2), scale=4)
    weight = torch.rand(6, 2, 3, 3)
    got = fft_conv2d(x, weight, stride=n(2), padding=(n(1), n(1)), groups=n(2))
    assert_close(got, F.conv2d(x, weight, None, 2, 1, 1, 2), scale=4)
    assert WindowedConv2d(4, 6, torch.tensor(7)).kernel_size == (7, 7)
