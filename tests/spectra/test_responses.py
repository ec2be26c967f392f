"""Measured responses against NumPy's transform of the padded kernel; new energy against closed forms."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from windowconv import effective
from windowconv.errors import InputError
from windowconv.layers import WindowedConv1d, WindowedConv2d
from windowconv.spectra import forward, power_spectrum, responses
from windowconv.spectra.filters import filters_of
from windowconv.spectra.gratings import grating_images
from windowconv.spectra.responses import selectivity

SIZE = 12
LAYERS = {
    "plain": lambda: nn.Conv2d(3, 4, 3),
    "even": lambda: nn.Conv2d(2, 3, (4, 2), bias=False),
    "circular": lambda: nn.Conv2d(2, 3, 5, padding=2, padding_mode="circular"),
    "groups": lambda: nn.Conv2d(4, 6, 3, groups=2, padding=1),
    "depthwise": lambda: nn.Conv2d(4, 4, 3, groups=4),
    "dilated": lambda: nn.Conv2d(2, 3, 3, dilation=2),
    "stride": lambda: nn.Conv2d(2, 3, 3, stride=(2, 3)),
    "windowed": lambda: WindowedConv2d(3, 4, 7, window="hamming"),
}


def analytic(layer, together=False) -> np.ndarray:
    """(filters, SIZE, SIZE): what the kernel's transform says, in the order of fftfreq."""
    weight = layer.effective_weight if isinstance(layer, WindowedConv2d) else layer.weight
    weight = weight.detach().double().numpy()
    (dy, dx), (height, width) = layer.dilation, weight.shape[2:]
    spread = np.zeros((*weight.shape[:2], dy * (height - 1) + 1, dx * (width - 1) + 1))
    spread[:, :, ::dy, ::dx] = weight
    spectrum = np.fft.fft2(spread, s=(SIZE, SIZE))
    return np.abs(spectrum.sum(1)) if together else np.sqrt((np.abs(spectrum) ** 2).sum(1))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", LAYERS)
def test_response_is_the_transform_of_the_kernel(name, dtype):
    layer = LAYERS[name]().to(dtype)
    for channels in ("separate", "together"):
        found = selectivity(layer, SIZE, channels=channels)
        index = (found.frequencies * SIZE).round().long()
        expected = analytic(layer, channels == "together")[:, index[:, 0], index[:, 1]]
        np.testing.assert_allclose(found.response.numpy(), expected, rtol=0, atol=1e-12)
        assert found.response.dtype == torch.float64


def test_separate_channels_are_the_power_spectrum():
    layer = nn.Conv2d(3, 4, 5)
    expected = torch.fft.fftshift(power_spectrum(layer.weight, SIZE), (1, 2)).sqrt()
    torch.testing.assert_close(selectivity(layer, SIZE).maps(), expected, rtol=0, atol=1e-10)


ONE_AXIS = {
    "plain": lambda: nn.Conv1d(3, 4, 3),
    "even, stride": lambda: nn.Conv1d(2, 3, 4, stride=3, bias=False),
    "groups, dilated": lambda: nn.Conv1d(4, 6, 3, groups=2, dilation=3),
    "windowed": lambda: WindowedConv1d(3, 4, 9, window="hamming"),
    "parametrised": lambda: nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 4, 5)),
}


@pytest.mark.parametrize("channels", ["separate", "together"])
@pytest.mark.parametrize("name", ONE_AXIS)
def test_responses_of_one_axis(name, channels):
    layer = ONE_AXIS[name]()
    found = selectivity(layer, SIZE, channels=channels)
    weight = filters_of("", layer).double().numpy()
    spectrum = np.fft.fft(weight, SIZE)
    whole = np.abs(spectrum.sum(1)) if channels == "together" else np.sqrt((np.abs(spectrum) ** 2).sum(1))
    index = (found.frequencies[:, 0] * SIZE).round().long()
    np.testing.assert_allclose(found.response.numpy(), whole[:, index], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.maps().numpy(), np.fft.fftshift(whole, 1), rtol=0, atol=1e-12)
    assert found.preferred().shape == (len(weight), 1)
    assert found.stride == layer.stride
    if layer.stride == (1,):
        assert found.before.new().abs().max() < 1e-12


def test_new_energy_of_one_axis_is_that_of_a_row():
    """A 1-D layer is a 2-D one of one row: same energies for the gratings along it."""
    layer: Any = nn.Conv1d(2, 3, 5, stride=2)
    row: Any = nn.Conv2d(2, 3, (1, 5), stride=(1, 2))
    with torch.no_grad():
        row.weight.copy_(layer.weight[:, :, None])
        row.bias.copy_(layer.bias)
    k = torch.arange(7)[:, None]
    one = selectivity(layer, SIZE, frequencies=k)
    two = selectivity(row, SIZE, frequencies=torch.cat([torch.zeros_like(k), k], 1))
    for part in ("before", "after"):
        for name in ("total", "kept", "mean"):
            expected = getattr(getattr(two, part), name)
            torch.testing.assert_close(getattr(getattr(one, part), name), expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (nn.Conv2d(1, 1, 7), 32),
        (nn.Conv2d(1, 1, 7, stride=3), 33),
        (nn.Conv1d(1, 1, 101), 128),
        (nn.Conv1d(1, 1, 401, stride=160), 640),
        (nn.Conv1d(1, 1, 9, dilation=16), 256),
    ],
)
def test_the_default_size_suits_kernel_and_stride(layer, size):
    assert selectivity(layer, phases=1).size == size


def test_layers_of_registered_classes(monkeypatch):
    class Smooth(nn.Module):
        def forward(self, x):
            return nn.functional.conv1d(x, torch.ones(1, 1, 9))

    monkeypatch.setattr(effective, "_registered", {})
    with pytest.raises(InputError, match=r"layer=Smooth; allowed: Conv2d, Conv1d, .*register_weight"):
        selectivity(Smooth())
    effective.register_weight(Smooth, lambda layer: torch.ones(1, 1, 9))
    expected = np.abs(np.fft.fftshift(np.fft.fft(np.ones(9), 32)))
    np.testing.assert_allclose(selectivity(Smooth()).maps()[0].numpy(), expected, atol=1e-12)


def test_a_linear_layer_makes_no_new_frequencies():
    found = selectivity(nn.Conv2d(2, 3, 3), SIZE)
    assert found.before.new().abs().max() < 1e-12
    torch.testing.assert_close(found.before.total, found.before.kept, rtol=1e-10, atol=1e-14)


def test_a_rectified_grating_has_the_share_of_new_energy_of_the_rectified_cosine():
    """Half wave: mean square 1/4, of which 1/8 stay at f and 1/pi^2 are the mean."""
    layer = nn.Conv2d(2, 3, 3, bias=False)
    k = torch.tensor([[0, 1], [1, 0], [3, 1]])
    found = selectivity(layer, 64, frequencies=k, phases=8)
    torch.testing.assert_close(found.after.new(), torch.full((3,), 0.5, dtype=torch.float64), rtol=0, atol=1e-3)
    without = (1 / 8 - 1 / np.pi**2) / (1 / 4 - 1 / np.pi**2)
    assert found.after.new(with_mean=False).numpy() == pytest.approx(without, abs=2e-3)
    other = selectivity(layer, 64, frequencies=k, phases=8, amplitude=0.01)
    torch.testing.assert_close(other.after.new(), found.after.new())  # without bias contrast does not matter


def test_a_large_bias_keeps_the_rectifier_linear():
    layer = nn.Conv2d(1, 2, 3)
    nn.init.constant_(layer.bias, 5.0)
    found = selectivity(layer, SIZE, amplitude=0.1)
    assert found.after.new(with_mean=False)[1:].max() < 1e-9
    assert found.after.new()[1:].min() > 0.99  # the bias itself
    nn.init.constant_(layer.bias, -5.0)
    assert selectivity(layer, SIZE, amplitude=0.1).after.new().isnan().all()


@pytest.mark.parametrize("stride", [2, (1, 3)])
@pytest.mark.parametrize("channels", ["separate", "together"])
def test_energies_are_those_of_the_layer_itself(stride, channels):
    layer = nn.Conv2d(3, 4, 3, stride=stride, padding=1, padding_mode="circular").double()
    found = selectivity(layer, SIZE, channels=channels, phases=2, amplitude=0.7)
    for at, k in enumerate((found.frequencies * SIZE).round().long()):
        held = all(2 * abs(n) * s <= SIZE for n, s in zip(k.tolist(), layer.stride, strict=True))
        total, kept, mean = np.zeros((3, 4))
        for wave in grating_images(k[None], SIZE, (0.0, np.pi))[0]:
            for driven in [[0], [1], [2]] if channels == "separate" else [[0, 1, 2]]:
                image = torch.zeros(1, 3, SIZE, SIZE, dtype=torch.float64)
                image[0, driven] = 0.7 * wave
                with torch.no_grad():
                    output = layer(image)[0].relu().numpy()
                spectrum = np.abs(np.fft.fft2(output) / output[0].size) ** 2
                total += spectrum.sum((1, 2)) / 2
                own = {tuple(sign * k.numpy() % output.shape[1:]) for sign in (1, -1)}
                kept += sum(spectrum[:, row, column] for row, column in own) / 2 if held else 0
                mean += spectrum[:, 0, 0] / 2 if k.any() else 0
        np.testing.assert_allclose(found.after.total[:, at].numpy(), total, atol=1e-12)
        np.testing.assert_allclose(found.after.kept[:, at].numpy(), kept, atol=1e-12)
        np.testing.assert_allclose(found.after.mean[:, at].numpy(), mean, atol=1e-12)


def test_what_a_stride_cannot_hold_is_new():
    found = selectivity(nn.Conv2d(1, 2, 3, stride=2, bias=False), SIZE)
    above = (found.frequencies.abs() > 1 / 4 + 1e-9).any(1)
    assert above.any()
    assert (found.before.new()[above] > 1 - 1e-12).all()
    assert (found.before.new()[~above] < 1e-12).all()


def test_a_module_is_the_nonlinearity_in_float64_and_left_as_it_was():
    norm = nn.BatchNorm2d(3)
    mean = norm.get_buffer("running_mean").add_(1)
    after = nn.Sequential(norm, nn.ReLU())
    layer = nn.Conv2d(2, 3, 3)
    found = selectivity(layer, SIZE, nonlinearity=after)
    assert norm.training
    assert mean.tolist() == [1, 1, 1]
    scale = 1 / np.sqrt(1 + norm.eps)
    expected = selectivity(layer, SIZE, nonlinearity=lambda x: ((x - 1) * scale).relu())
    torch.testing.assert_close(found.after.total, expected.after.total)


def test_batches_do_not_matter_and_progress_ends_at_the_total(monkeypatch):
    layer = nn.Conv2d(2, 3, 3)
    whole = selectivity(layer, SIZE)
    calls = []
    monkeypatch.setattr(responses, "BATCH_BYTES", 2**19)
    parts = selectivity(layer, SIZE, progress=lambda *done: calls.append(done))
    torch.testing.assert_close(parts.response, whole.response, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(parts.after.new(), whole.after.new(), rtol=1e-12, atol=1e-14)
    assert len(calls) > 2
    assert calls[-1] == (74, 74)
    assert calls == sorted(calls)


def test_preferred_frequency_and_maps():
    wave = grating_images(torch.tensor([[2, -3]]), SIZE)[0]
    layer = nn.Conv2d(1, 1, SIZE, bias=False)
    layer.weight.data[0] = wave.float()
    found = selectivity(layer, SIZE)
    assert (SIZE * found.preferred()).round().tolist() in ([[2, -3]], [[-2, 3]])
    peaks = np.argwhere(found.maps()[0].numpy() > 1)
    assert (peaks - SIZE // 2).tolist() == [[-2, 3], [2, -3]]
    some = selectivity(layer, SIZE, frequencies=torch.tensor([[0, 1]])).maps()
    assert int((~some.isnan()).sum()) == 2


@pytest.mark.parametrize(
    ("layer", "options", "message"),
    [
        (nn.Conv3d(1, 1, 3), {}, "Conv3d; allowed: Conv2d"),
        (nn.ConvTranspose2d(1, 1, 3), {}, "ConvTranspose2d"),
        (nn.Conv2d(1, 1, 7), {"size": 6}, "size=6; .* extent, 7 and 7"),
        (nn.Conv2d(1, 1, 3, stride=2), {"size": 13}, "multiple of the stride 2x2"),
        (nn.Conv2d(1, 1, 3), {"channels": "all"}, "channels='all'"),
        (nn.Conv2d(1, 1, 3), {"phases": 0}, "phases=0"),
        (nn.Conv2d(1, 1, 3), {"amplitude": float("nan")}, "amplitude=nan"),
        (nn.Conv2d(1, 1, 3), {"nonlinearity": lambda x: x.mean()}, "changes the shape"),
        (nn.Conv2d(1, 1, 3), {"frequencies": torch.ones(2, 2)}, "frequencies="),
        (nn.Conv2d(1, 1, 3), {"frequencies": torch.tensor([[0, 9]])}, "within half the size"),
    ],
)
def test_bad_input(layer, options, message):
    with pytest.raises(InputError, match=message):
        selectivity(layer, **({"size": SIZE} | options))


def test_weights_and_biases_must_be_finite_and_results_must_fit(monkeypatch):
    layer = nn.Conv2d(1, 1, 3)
    nn.init.constant_(layer.get_parameter("bias"), torch.nan)
    with pytest.raises(InputError, match=r"layer\.bias has NaN"):
        selectivity(layer, SIZE)
    layer.weight.data[0] = torch.nan
    with pytest.raises(InputError, match=r"the model .* has 9 NaN"):
        selectivity(layer, SIZE)
    monkeypatch.setattr(forward, "LARGEST", 2**16)
    with pytest.raises(InputError, match="GiB"):
        selectivity(nn.Conv2d(1, 64, 3), SIZE)
