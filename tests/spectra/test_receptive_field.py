"""Effective receptive fields of stacks of positive convolutions, which are the convolution of their kernels."""

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d
from torch import nn

from windowconv.errors import InputError
from windowconv.layers import WindowedConv2d
from windowconv.spectra.receptive_field import effective_receptive_field


def positive(layer: nn.Module) -> nn.Module:
    nn.init.uniform_(layer.weight, 0.1, 1.0)
    return layer


def stack() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 5, padding=2), nn.Conv2d(1, 1, (3, 1), padding=(1, 0))]
    return nn.Sequential(*map(positive, layers)).double()


@pytest.mark.parametrize("measure", ["absolute", "square"])
def test_a_stack_of_positive_convolutions_sees_the_convolution_of_its_kernels(measure):
    net = stack()
    kernel = np.ones((1, 1))
    for layer in net:
        kernel = convolve2d(kernel, layer.weight.detach()[0, 0].numpy())
    field = effective_receptive_field(net, size=(15, 17), samples=2, measure=measure)
    expected = np.zeros((15, 17))
    expected[7 - 4 : 7 + 5, 8 - 3 : 8 + 4] = kernel  # correlation: as the kernels lie
    expected = expected**2 if measure == "square" else expected
    np.testing.assert_allclose(field.map.numpy(), expected / expected.sum(), atol=1e-12)
    assert field.unit == (7, 8)
    assert (field.layer, field.samples) == ("", 2)
    rows, columns = np.mgrid[:15, :17]
    centre = [(expected * axis).sum() / expected.sum() for axis in (rows, columns)]
    assert field.centre == pytest.approx(centre)
    distance = np.hypot(rows - centre[0], columns - centre[1])
    for share, radius in ((0.5, field.radii[0]), (0.9545, field.radii[1]), (0.8, field.radius(0.8))):
        assert expected[distance <= radius + 1e-5].sum() >= share * expected.sum()
        assert expected[distance < radius - 1e-5].sum() < share * expected.sum()


def test_channels_are_summed():
    layer = positive(nn.Conv2d(3, 4, 3, padding=1, bias=False))
    field = effective_receptive_field(layer, size=7, samples=1)
    expected = layer.weight.detach().double().sum((0, 1))
    torch.testing.assert_close(field.map[2:5, 2:5], expected / expected.sum())
    assert field.map.sum().item() == pytest.approx(1)


def test_windowed_layers_see_their_effective_weight():
    layer = positive(WindowedConv2d(1, 1, 7, padding=3, window="hamming", bias=False))
    field = effective_receptive_field(layer, size=9, samples=1)
    expected = layer.effective_weight.detach()[0, 0].double()
    torch.testing.assert_close(field.map[1:8, 1:8], expected / expected.sum())


def test_strides_move_the_unit_and_layers_are_named():
    net = nn.Sequential(positive(nn.Conv2d(1, 2, 2, stride=2)), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))
    field = effective_receptive_field(net, "0", size=8, samples=1)
    assert field.unit == (2, 2)
    assert np.argwhere(field.map.numpy() > 0).tolist() == [[4, 4], [4, 5], [5, 4], [5, 5]]
    with pytest.raises(InputError, match=r"with output a tensor \(1, 3\); .* such as '0'"):
        effective_receptive_field(net, size=8)
    with pytest.raises(InputError, match=r"layers='00'; allowed: .*did you mean '0'"):
        effective_receptive_field(net, "00", size=8)
    with pytest.raises(InputError, match=r"layer='2' with output a tensor \(1, 32\)"):
        effective_receptive_field(net, "2", size=8)


def test_a_rectified_net_depends_on_seed_and_images_and_is_left_as_it_was():
    net = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
    calls = []
    first = effective_receptive_field(net, size=9, samples=3, progress=lambda *done: calls.append(done))
    assert torch.equal(first.map, effective_receptive_field(net, size=9, samples=3).map)
    assert not torch.equal(first.map, effective_receptive_field(net, size=9, samples=3, seed=1).map)
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert all(parameter.grad is None for parameter in net.parameters())
    assert net.training
    assert int(net[1].num_batches_tracked) == 0
    real = effective_receptive_field(net, images=torch.rand(2, 2, 7, 9), samples=5)
    assert (real.map.shape, real.samples) == ((7, 9), 2)


def test_what_follows_in_place_does_not_matter():
    layer = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    nn.init.constant_(layer.weight, -1.0)
    net = nn.Sequential(layer, nn.ReLU(inplace=True))
    images = torch.ones(1, 1, 7, 7)
    assert effective_receptive_field(net, "0", images=images).map.sum().item() == pytest.approx(1)
    assert effective_receptive_field(net, images=images).map.sum() == 0


def test_a_layer_that_the_input_does_not_reach_has_no_field():
    class Apart(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3)
            self.idle = nn.Conv2d(1, 1, 3)

        def forward(self, x):
            return x + self.conv(torch.ones(1, 1, 5, 5)).mean()

    assert effective_receptive_field(Apart(), "conv", size=7).map.sum() == 0
    with pytest.raises(InputError, match="layer='idle', which the model does not call"):
        effective_receptive_field(Apart(), "idle", size=7)


def test_where_no_gradient_arrives_there_is_no_field():
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.ReLU())
    nn.init.constant_(net[0].bias, -100.0)
    field = effective_receptive_field(net, size=7, samples=2)
    assert field.map.sum() == 0
    assert np.isnan([*field.centre, *field.radii]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 2}, "a shape that the model accepts"),
        ({"size": (4, 4, 4)}, "size="),
        ({"samples": 0}, "samples=0"),
        ({"measure": "mean"}, "measure='mean'"),
        ({"images": torch.rand(2, 1, 9, 9), "samples": 0}, "samples=0"),
        ({"images": [torch.rand(1, 1, 9, 9), torch.rand(1, 1, 8, 8)]}, "one size"),
        ({"channels": 2, "size": 9}, "a shape that the model accepts"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(InputError, match=message):
        effective_receptive_field(nn.Conv2d(1, 1, 5), **options)


def test_a_share_lies_within_one():
    field = effective_receptive_field(nn.Conv2d(1, 1, 3), size=9, samples=1)
    for share in (0.0, 1.1):
        with pytest.raises(InputError, match=f"share={share}"):
            field.radius(share)


def test_one_axis():
    """Four means of three: the weights of (1 + x + x^2)^4, of 81."""
    layers = [nn.Conv1d(1, 1, 3, padding=1, bias=False) for _ in range(4)]
    for layer in layers:
        nn.init.constant_(layer.weight, 1.0)
    expected = torch.zeros(15, dtype=torch.float64)
    expected[3:12] = torch.tensor([1, 4, 10, 16, 19, 16, 10, 4, 1]) / 81
    for size in (15, (15,)):
        field = effective_receptive_field(nn.Sequential(*layers), size=size)
        torch.testing.assert_close(field.map, expected, rtol=1e-6, atol=1e-9)
        assert (field.centre, field.unit) == ((7.0,), (7,))
        assert field.radii == (1.0, 3.0)  # 51 and 79 of 81 within one and three samples
        assert field.radius(1.0) == 4.0
    with pytest.raises(InputError):
        effective_receptive_field(nn.Sequential(*layers), size=(15, 15))
