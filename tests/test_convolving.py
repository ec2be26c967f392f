"""Which layers of a model convolve, also those that make kernels of their own."""

import functools

import pytest
import torch
from timm.layers.blur_pool import BlurPool2d
from timm.layers.cond_conv2d import CondConv2d
from timm.layers.squeeze_excite import SqueezeExcite
from torch import nn
from torch.nn import functional as F

from windowconv import effective, windowed_conv1d
from windowconv.convolving import convolution_called, convolving_layers
from windowconv.effective import register_weight
from windowconv.errors import InputError


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    monkeypatch.setattr(effective, "_registered", dict(effective._registered))


class InForward(nn.Module):
    def forward(self, x):
        return F.conv1d(x, torch.ones(1, 1, 3))


class InMethod(nn.Module):
    def forward(self, x):
        return self.filtered(x)

    @classmethod
    def filtered(cls, x):
        return [torch.conv_transpose2d(one, torch.ones(1, 1, 3, 3)) for one in x]


class InProperty(nn.Module):
    @property
    def smooth(self):
        return windowed_conv1d(torch.ones(1, 1, 9), torch.ones(1, 1, 3))

    def forward(self, x):
        return x * self.smooth


def logged(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


class Decorated(nn.Module):
    @logged
    def forward(self, x):
        return F.conv3d(x, torch.ones(1, 1, 3, 3, 3))


class Child(InForward):
    """One that inherits it."""


class Elsewhere(nn.Module):
    """A method that forward does not call."""

    def forward(self, x):
        return x

    def unused(self, x):
        return F.conv1d(x, x)


class Holder(nn.Module):
    """One whose child has the function's name."""

    def __init__(self):
        super().__init__()
        self.conv1d = nn.Conv1d(1, 1, 3)

    def forward(self, x):
        return self.conv1d(x)


@pytest.mark.parametrize(
    ("module", "called"),
    [
        (InForward(), "conv1d"),
        (InMethod(), "conv_transpose2d"),
        (InProperty(), "windowed_conv1d"),
        (Decorated(), "conv3d"),
        (Child(), "conv1d"),
        (BlurPool2d(4), "conv2d"),
        (CondConv2d(4, 4, 3), "conv2d"),
        (Elsewhere(), None),
        (Holder(), None),
        (nn.Sequential(nn.Conv1d(1, 1, 3)), None),
        (nn.Conv1d(1, 1, 3), None),
        (SqueezeExcite(16), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_calls_are_read_from_the_code(module, called):
    assert convolution_called(module) == called


def test_each_layer_is_found_registered_or_left_out_with_the_reason():
    model = nn.Sequential(nn.Conv1d(1, 2, 3), InForward(), nn.ReLU(), Holder())
    found, left_out = convolving_layers(model)
    assert list(found) == ["0", "3.conv1d"]
    assert list(left_out) == ["1"]
    assert left_out["1"].startswith("InForward calls conv1d with a kernel of its own; allowed: after windowconv.reg")
    register_weight(InForward, lambda layer: torch.ones(1, 1, 3))
    found, left_out = convolving_layers(model)
    assert (list(found), left_out) == (["0", "1", "3.conv1d"], {})
    register_weight(Holder, lambda layer: torch.ones(1, 1, 3))  # what is inside is its own
    assert list(convolving_layers(model)[0]) == ["0", "1", "3"]
    assert list(convolving_layers(Holder())[0]) == [""]


def test_only_modules():
    with pytest.raises(InputError, match="model=int"):
        convolving_layers(3)
