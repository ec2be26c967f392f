"""Kernels measured by impulses, against torch's own weights; what is not linear or shift-invariant is refused."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cases import CASES, Case
from windowconv.errors import InputError
from windowconv.layers import WindowedConv1d
from windowconv.spectra.filters import dilated, filters_of
from windowconv.spectra.impulse import impulse_response

FORWARD = [case for case in CASES if not case.transposed]


@pytest.mark.parametrize("case", FORWARD, ids=lambda case: case.name)
def test_a_convolutions_weight_is_found(case: Case):
    layer: Any = case.plain().float()
    expected = filters_of("", layer).double()
    torch.testing.assert_close(impulse_response(layer), expected, rtol=0, atol=1e-12)


def test_windows_and_dtypes_and_modes():
    layer = WindowedConv1d(2, 3, 21, window="hamming").to(torch.bfloat16).train()
    torch.testing.assert_close(impulse_response(layer), layer.double().effective_weight.detach(), rtol=0, atol=1e-12)
    assert layer.training


@pytest.mark.parametrize("taps", [401, 1023])
def test_long_kernels_and_strides(taps):
    layer = nn.Conv1d(1, 2, taps, stride=160, padding=3)
    torch.testing.assert_close(impulse_response(layer), layer.weight.detach().double(), rtol=0, atol=1e-12)


class Functional(nn.Module):
    """A kernel whose size nothing tells, of `taps` samples, by a matrix product."""

    kernel: torch.Tensor

    def __init__(self, taps: int, channels: int = 2):
        super().__init__()
        self.register_buffer("kernel", torch.randn(3, channels, taps, generator=torch.Generator().manual_seed(0)))

    def forward(self, x):
        return torch.einsum("nctk,fck->nft", x.unfold(2, self.kernel.shape[2], 1), self.kernel)


def test_a_layer_that_calls_no_convolution():
    layer = Functional(200)
    torch.testing.assert_close(impulse_response(layer, channels=2), layer.kernel.double(), rtol=0, atol=1e-12)


def test_several_layers_are_one_kernel():
    first, second = nn.Conv2d(1, 2, 3, bias=False).double(), nn.Conv2d(2, 3, 4, stride=2).double()
    found = impulse_response(nn.Sequential(first, second), axes=2, stride=2)
    expected = F.conv2d(second.weight, first.weight.flip(2, 3).transpose(0, 1), padding=2)  # full correlation
    torch.testing.assert_close(found, expected.detach(), rtol=0, atol=1e-12)


def test_zeros_around_the_taps_are_cropped():
    layer = nn.Conv1d(1, 1, 9)
    with torch.no_grad():
        layer.weight[..., :2] = 0
        layer.weight[..., 6:] = 0
    torch.testing.assert_close(impulse_response(layer), layer.weight.detach()[..., 2:6].double(), rtol=0, atol=1e-12)


def test_hooks_that_watch_the_layer_see_nothing():
    layer, seen = nn.Conv1d(1, 1, 5), []
    layer.register_forward_hook(lambda *_: seen.append(1))
    impulse_response(layer)
    assert seen == []


class Positional(nn.Module):
    """Linear, and different at each place."""

    def forward(self, x):
        return F.conv1d(x, torch.ones(1, 1, 3, dtype=x.dtype)) * torch.linspace(0.9, 1, x.shape[2] - 2)


class Noisy(nn.Module):
    """Never twice the same."""

    def forward(self, x):
        return x + 1e-3 * torch.randn_like(x)


class Single(nn.Module):
    """One that insists on float32."""

    def forward(self, x):
        return F.conv1d(x, torch.ones(1, 1, 3))


class Keyed(nn.Module):
    """One that torch cannot copy."""

    def __deepcopy__(self, memo):
        raise RuntimeError("no copies")


@pytest.mark.parametrize(
    ("layer", "options", "message"),
    [
        (3, {}, "layer=int"),
        (nn.Conv1d(1, 1, 3), {"channels": 0}, "channels=0"),
        (nn.Conv1d(1, 1, 3), {"axes": 4}, "axes=4; allowed: 1, 2 or 3"),
        (nn.Conv1d(1, 1, 3), {"stride": 0}, "stride=0"),
        (nn.Sequential(nn.Conv1d(1, 1, 5), nn.ReLU()), {}, "layer=Sequential: not linear"),
        (nn.Sequential(nn.Conv1d(1, 1, 5), nn.Hardtanh(-5, 5)), {}, "not linear"),
        (nn.Conv1d(1, 1, 5, stride=2), {"stride": 1}, "not shift-invariant at stride="),
        (nn.ConvTranspose1d(1, 1, 4, stride=2), {"stride": 1}, "not shift-invariant"),
        (Positional(), {}, "not shift-invariant"),
        (Noisy(), {}, "not linear"),
        (Single(), {}, "it fails .*dtype|it fails .*type"),
        (nn.AdaptiveAvgPool1d(1), {}, "does not end"),
        (nn.GRU(1, 1), {}, "it fails"),
        (nn.Flatten(), {}, "its output for .* is .*allowed: .N, filters, .outputs. with 1 axes"),
        (Keyed(), {}, "Keyed cannot be copied"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_what_is_no_convolution_is_refused(layer, options, message):
    with pytest.raises(InputError, match=message) as caught:
        impulse_response(layer, **options)
    assert "\n" not in str(caught.value)


def test_dilated_is_what_it_measures():
    layer = nn.Conv1d(1, 1, 3, dilation=4)
    torch.testing.assert_close(impulse_response(layer), dilated(layer.weight.detach().double(), (4,)))
