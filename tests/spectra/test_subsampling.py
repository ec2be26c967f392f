"""What folds: gratings whose answer is known, NumPy's transform, and the layers' own outputs."""

import numpy as np
import pytest
import torch
from torch import nn

from windowconv.errors import InputError
from windowconv.layers import WindowedConv2d
from windowconv.spectra.subsampling import _at_stride_one, _stride, aliasing

LAYERS = [
    nn.Conv1d(2, 3, 3, stride=2),
    nn.Conv2d(2, 3, 3, stride=2, padding=1),
    nn.Conv2d(2, 4, (3, 5), stride=(3, 1), padding=(0, 2), dilation=(2, 1), groups=2),
    nn.Conv2d(2, 3, 5, stride=2, padding=2, padding_mode="circular"),
    nn.Conv2d(2, 3, 5, stride=2, padding=(2, 1), padding_mode="reflect"),
    nn.Conv3d(2, 3, 3, stride=(1, 2, 2), padding=1),
    WindowedConv2d(2, 3, 7, stride=2, padding=3),
    WindowedConv2d(2, 3, 7, stride=2, padding=3, padding_mode="replicate", algorithm="fft"),
    nn.MaxPool1d(2),
    nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True),
    nn.MaxPool2d((2, 3), dilation=(2, 1), return_indices=True),
    nn.MaxPool3d(2),
    nn.AvgPool1d(3, stride=2, padding=1),
    nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
    nn.AvgPool2d(2, divisor_override=3),
    nn.AvgPool3d((1, 2, 2)),
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_the_layers_output_is_part_of_the_one_at_stride_one(layer):
    layer.eval()
    axes = int(str(layer).split("d(")[0][-1])
    images = torch.rand(2, 2, *[12] * axes)
    with torch.no_grad():
        dense = _at_stride_one(layer, images)
        output = layer(images)
    output = output[0] if isinstance(output, tuple) else output
    every = dense[(..., *(slice(None, None, s) for s in _stride(layer)))]
    whole = tuple(slice(0, min(a, b)) for a, b in zip(output.shape, every.shape, strict=True))
    assert all(b - a <= 1 for a, b in zip(every.shape, output.shape, strict=True))  # ceil_mode's last
    torch.testing.assert_close(every[whole], output[whole], rtol=1e-5, atol=1e-6)


def test_parametrised_layers_are_seen():
    layer = nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 2, 3, stride=2))
    plain = nn.Conv2d(1, 2, 3, stride=2)
    plain.weight.data[:] = layer.weight.detach()
    images = torch.rand(2, 1, 9, 9)
    assert aliasing(layer, images).layers[0].folded == pytest.approx(aliasing(plain, images).layers[0].folded)


def share(maps: np.ndarray, stride: tuple[int, ...], with_mean: bool) -> np.ndarray:
    """Of each image's maps (N, C, *size), by definition."""
    power = (np.abs(np.fft.fftn(maps, axes=range(2, maps.ndim))) ** 2).sum(1)
    mesh = np.meshgrid(*[np.fft.fftfreq(n) for n in maps.shape[2:]], indexing="ij")
    above = np.any([np.abs(f) > 1 / (2 * s) + 1e-9 for f, s in zip(mesh, stride, strict=True)], axis=0)
    total = power.sum(tuple(range(1, power.ndim)))
    return power[:, above].sum(1) / (total if with_mean else total - power[(slice(None), *[0] * len(stride))])


@pytest.mark.parametrize("size", [(12, 12), (13, 10)])
def test_against_the_definition(size):
    net = nn.Sequential(
        WindowedConv2d(3, 4, 5, stride=2, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding=1)
    ).double()
    images = torch.rand(5, 3, *size, dtype=torch.float64)
    first, pool = aliasing(net, images, batch_size=2).layers
    with torch.no_grad():
        dense = nn.functional.conv2d(images, net[0].effective_weight, net[0].bias, padding=2)
        pooled = nn.functional.max_pool2d(net[:2](images), 2, stride=1)
    for row, maps in ((first, dense.numpy()), (pool, pooled.numpy())):
        assert row.size == maps.shape[2:]
        assert row.images == 5
        folded, with_mean = share(maps, (2, 2), False), share(maps, (2, 2), True)
        assert (row.folded, row.folded_sd) == (pytest.approx(folded.mean()), pytest.approx(folded.std(ddof=1)))
        assert (row.with_mean, row.with_mean_sd) == (
            pytest.approx(with_mean.mean()),
            pytest.approx(with_mean.std(ddof=1)),
        )
    assert (first.name, first.kind, pool.name, pool.kind) == ("0", "WindowedConv2d", "2", "MaxPool2d")


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_gratings_below_above_and_at_the_new_nyquist_frequency(axes):
    net = getattr(nn, f"Conv{axes}d")(1, 1, 1, stride=2, bias=False)
    x = torch.arange(8.0)
    shape = [1, 1, *[8] * axes]
    for cycles, expected in ((1, 0.0), (2, 0.0), (3, 1.0), (4, 1.0)):
        wave = torch.cos(2 * torch.pi * cycles * x / 8).view([-1 if i == axes + 1 else 1 for i in range(axes + 2)])
        (row,) = aliasing(net, 3 + wave.expand(shape)).layers
        assert row.folded == pytest.approx(expected, abs=1e-6)
        assert row.with_mean == pytest.approx(
            expected * (wave.square().mean() / (9 + wave.square().mean())).item(), abs=1e-5
        )
        assert row.folded_sd is None


def test_the_bias_does_not_matter_but_for_the_mean():
    net = nn.Conv2d(1, 2, 3, stride=2)
    images = torch.rand(4, 1, 9, 9)
    (before,) = aliasing(net, images).layers
    with torch.no_grad():
        net.get_parameter("bias").add_(10)
    (after,) = aliasing(net, images).layers
    assert after.folded == pytest.approx(before.folded, rel=1e-3)
    assert after.with_mean < before.with_mean / 10


def test_constant_images_have_no_share():
    (row,) = aliasing(nn.Conv2d(1, 1, 1, stride=2), torch.ones(2, 1, 8, 8)).layers
    assert np.isnan(row.folded)
    assert row.folded_sd is None
    assert row.with_mean == pytest.approx(0, abs=1e-9)


def test_the_model_is_left_as_it_was_and_the_table_reads():
    net = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2), nn.BatchNorm2d(2), nn.MaxPool2d(2))
    net[1].eval()
    mean = net[1].running_mean.clone()
    found = aliasing(net, [(torch.rand(2, 1, 16, 16), torch.zeros(2))])
    assert net.training
    assert not net[1].training
    assert torch.equal(net[1].running_mean, mean)
    assert net[0].stride == (2, 2)
    assert not net[0]._forward_pre_hooks
    assert str(found).splitlines()[0].split()[:4] == ["layer", "class", "stride", "size"]
    assert "2x2" in str(found)


@pytest.mark.parametrize(
    ("model", "images", "message"),
    [
        (nn.Conv2d(1, 1, 3), torch.rand(1, 1, 4, 4), "convolution or pooling modules of stride above 1"),
        (nn.ConvTranspose2d(1, 1, 3, stride=2), torch.rand(1, 1, 4, 4), "model=ConvTranspose2d; allowed"),
        (nn.Conv2d(1, 1, 9, stride=2), torch.rand(1, 1, 4, 4), "a shape that the model accepts"),
    ],
)
def test_bad_input(model, images, message):
    with pytest.raises(InputError, match=message):
        aliasing(model, images)


def test_layers_that_are_not_called_are_named():
    net = nn.Sequential(nn.Conv2d(1, 1, 1))
    net[0].unused = nn.Conv2d(1, 1, 3, stride=2)
    with pytest.raises(InputError, match=r"calls none of 0\.unused"):
        aliasing(net, torch.rand(1, 1, 4, 4))
