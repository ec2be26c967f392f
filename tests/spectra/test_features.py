"""Feature spectra against NumPy, ring by ring, and where the answer is known."""

import numpy as np
import pytest
import torch
from torch import nn

from windowconv.errors import InputError
from windowconv.spectra.features import feature_spectra


def naive(maps: np.ndarray) -> np.ndarray:
    """(N, rings) mean log amplitudes of maps (N, C, *size), by definition."""
    size = maps.shape[2:]
    spectrum = np.abs(np.fft.fftn(maps, axes=range(2, maps.ndim)))
    mesh = np.meshgrid(*[np.fft.fftfreq(n) * min(size) for n in size], indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in mesh))
    rings = range(min(size) // 2 + 1)
    within = [(radius > r - 0.5 + 1e-12) & (radius <= r + 0.5 + 1e-12) for r in rings]
    return np.stack([np.log(spectrum[..., ring]).mean((1, 2)) for ring in within], 1)


def identity(channels: int, axes: int) -> nn.Module:
    layer = getattr(nn, f"Conv{axes}d")(channels, channels, 1, bias=False)
    nn.init.dirac_(layer.weight)
    return layer


@pytest.mark.parametrize("size", [(8, 8), (7, 7), (6, 9), (16,), (4, 5, 6)])
def test_against_the_definition(size):
    maps = torch.rand(5, 3, *size, dtype=torch.float64)
    found = feature_spectra(identity(3, len(size)).double(), maps, batch_size=2)
    (layer,) = found.layers
    expected = naive(maps.numpy())
    relative = expected - expected[:, :1]
    assert (layer.name, layer.size, layer.images, layer.empty) == ("", size, 5, 0)
    np.testing.assert_allclose(layer.frequencies.numpy(), np.arange(min(size) // 2 + 1) / min(size))
    np.testing.assert_allclose(layer.log_amplitude.numpy(), expected.mean(0), atol=1e-10)
    np.testing.assert_allclose(layer.relative.numpy(), relative.mean(0), atol=1e-10)
    assert layer.relative_sd is not None
    np.testing.assert_allclose(layer.relative_sd.numpy(), relative.std(0, ddof=1), atol=1e-10)


def test_an_impulse_is_flat_and_a_blur_falls():
    impulse = torch.zeros(1, 1, 16, 16)
    impulse[0, 0, 5, 3] = 2
    (layer,) = feature_spectra(identity(1, 2), impulse).layers
    assert layer.relative.abs().max() < 1e-6
    assert layer.relative_sd is None
    blur = nn.Conv2d(1, 1, 2, padding=1, bias=False)
    nn.init.constant_(blur.weight, 0.25)
    (layer,) = feature_spectra(blur, impulse).layers
    assert (layer.relative.diff() < 0).all()


def test_layers_come_in_the_order_in_which_they_run_with_reasons_for_the_rest():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.late = nn.Conv2d(4, 4, 3, padding=1)
            self.early = nn.Conv2d(3, 4, 3, padding=1)
            self.tiny = nn.Conv2d(4, 4, 3, stride=8)
            self.unused = nn.Conv2d(1, 1, 1)
            self.drop = nn.Dropout()

        def forward(self, x):
            return self.tiny(self.late(self.drop(self.early(x))))

    net = Net()
    net.early.eval()
    found = feature_spectra(net, [torch.rand(2, 3, 12, 12), torch.rand(2, 3, 16, 16)])
    assert [(layer.name, layer.size) for layer in found.layers] == [
        (name, (n, n)) for n in (12, 16) for name in ("early", "late")
    ]
    assert found.skipped == {"unused": "not called", "tiny": "map of 2x2 has fewer than 3 frequencies"}
    assert "Skipped tiny: map of 2x2" in str(found)
    assert net.training
    assert not net.early.training
    assert not net.early._forward_hooks


def test_named_modules_and_what_they_put_out():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 2))
    found = feature_spectra(net, torch.rand(2, 3, 8, 8), ["1", "3"])
    assert [layer.name for layer in found.layers] == ["1"]
    assert found.skipped == {"3": "output is a tensor (2, 2), not maps (N, C, *size)"}


def test_maps_of_zeros_are_left_out_and_counted():
    layer = nn.Conv2d(1, 2, 1, bias=False)
    layer.weight.data[1] = 0
    images = torch.rand(3, 1, 8, 8)
    (row,) = feature_spectra(layer, images).layers
    assert row.empty == 0.5
    np.testing.assert_allclose(
        row.relative.numpy(), (naive(images.numpy()) - naive(images.numpy())[:, :1]).mean(0), atol=1e-4
    )
    layer.weight.data[:] = 0
    with pytest.raises(InputError, match="all maps are zero"):
        feature_spectra(layer, images)


def test_a_constant_map_is_finite():
    (row,) = feature_spectra(identity(1, 2), torch.ones(1, 1, 8, 8)).layers
    assert row.relative[1:].max() < np.log(1e-5)
    assert row.relative.isfinite().all()


@pytest.mark.parametrize(
    ("model", "images", "layers", "message"),
    [
        (nn.Linear(2, 2), torch.rand(1, 1, 4, 4), None, "without convolutions"),
        (nn.Sequential(nn.Conv2d(1, 1, 1)), torch.rand(1, 1, 4, 4), ["9"], "layers='9'; allowed"),
        (nn.Conv2d(1, 1, 1), torch.rand(1, 1, 3, 3), None, "has no spectra .*3x3"),
        (nn.Conv2d(1, 1, 9), torch.rand(1, 1, 4, 4), None, "a shape that the model accepts"),
        (nn.Conv2d(1, 1, 1), torch.full((1, 1, 4, 4), torch.inf), None, "infinite"),
    ],
)
def test_bad_input(model, images, layers, message):
    with pytest.raises(InputError, match=message):
        feature_spectra(model, images, layers)
