"""The airbench network: its shapes, its whitening layer, its start as an identity under every window."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from windowconv.errors import InputError
from windowconv.lab.models.airbench import Whitening, start_as_identity
from windowconv.lab.models.build import build
from windowconv.layers import WindowedConv2d
from windowconv.model_summary import summary
from windowconv.windows import VALUES, Window


def network(arm: str = "3x3", widths: tuple[int, ...] = (4, 8, 8), channels: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return build("airbench", {"arm": arm, "classes": 10, "channels": channels, "widths": widths})


@pytest.mark.parametrize(("pixels", "sizes"), [(32, [31, 15, 7, 3]), (28, [27, 13, 6, 3]), (9, [8, 4, 2, 1])])
@pytest.mark.parametrize("arm", ["3x3", "7x7", "5x5-hamming"])
def test_its_shapes(pixels: int, sizes: list[int], arm: str) -> None:
    model = network(arm, channels=1 if pixels == 28 else 3)
    seen: list[int] = []
    for layer in model.modules():
        if isinstance(layer, Whitening | nn.MaxPool2d):
            layer.register_forward_hook(lambda layer, inputs, output: seen.append(output.shape[-1]))
    assert model(torch.rand(2, 1 if pixels == 28 else 3, pixels, pixels)).shape == (2, 10)
    assert seen == sizes


def test_the_published_sizes() -> None:
    """1.97 M parameters are published for (64, 256, 256); the whitening layer's 288 weights are none of ours."""
    with torch.device("meta"):
        model = build("airbench", {"arm": "3x3", "classes": 10, "channels": 3})
        found = summary(model, torch.empty(1, 3, 32, 32))
    convolutions = 9 * (24 * 64 + 64 * 64 + 64 * 256 + 3 * 256 * 256)
    assert found.parameters == convolutions + 24 + 2 * (2 * 64 + 4 * 256) + 2560
    assert round((found.parameters + 288) / 1e6, 2) == 1.97


def test_whitened_patches_are_uncorrelated() -> None:
    torch.manual_seed(1)
    mixed = torch.einsum(
        "cd,ndhw->nchw", torch.tensor([[0.5, 0.2, 0.1], [0.1, 0.3, 0], [0.2, 0, 0.4]]), torch.rand(400, 3, 9, 9)
    )
    images = F.avg_pool2d(mixed, 2, 1)  # neighbours are correlated, too
    layer = Whitening(3)
    assert not layer(images[:2]).sub(layer.bias.view(-1, 1, 1)).any()
    layer.fit(images)
    with torch.no_grad():
        outputs = (layer(images) - layer.bias.view(-1, 1, 1)).double()
    torch.testing.assert_close(outputs[:, :12], -outputs[:, 12:], rtol=1e-5, atol=1e-5)
    rows = outputs[:, :12].transpose(0, 1).flatten(1)
    torch.testing.assert_close(rows.mean(1), torch.zeros(12).double(), atol=0.05, rtol=0)
    covariance = torch.cov(rows, correction=0)
    # of values v + eps the part v is left, which is 1 for all but the smallest
    torch.testing.assert_close(covariance, torch.diag(covariance.diagonal()), atol=2e-3, rtol=0)
    variances = covariance.diagonal()
    assert (variances[:6] > 0.99).all()
    assert (variances < 1.001).all()
    assert (variances[:-1] >= variances[1:] - 1e-3).all()


def test_whitening_by_hand_on_grey_images() -> None:
    """Independent pixels of variance s^2 are 2x2 patches of covariance 1 after their normalisation."""
    torch.manual_seed(2)
    layer = Whitening(1)
    layer.fit(0.5 + 0.1 * torch.randn(3000, 1, 12, 12))
    norms = layer.weight[:4].flatten(1).norm(dim=1)
    torch.testing.assert_close(norms, torch.full((4,), 1 / 0.1 / math.sqrt(1 + Whitening.EPS)), rtol=0.02, atol=0)
    layer.fit(torch.full((10, 1, 9, 9), 0.25))  # nothing varies
    assert torch.isfinite(layer.weight).all()
    assert layer(torch.full((1, 1, 9, 9), 0.25)).sub(layer.bias.view(-1, 1, 1)).abs().max() < 1e-4


def test_the_whitening_layer_is_state_and_no_parameter() -> None:
    layer = Whitening(3)
    assert [name for name, _ in layer.named_parameters()] == ["bias"]
    assert set(layer.state_dict()) == {"bias", "weight", "offset"}
    assert {type(m) for m in network("7x7-hamming").modules() if hasattr(m, "kernel_size")} >= {WindowedConv2d}
    assert not isinstance(layer, nn.Conv2d)  # so that no conversion takes it


@pytest.mark.filterwarnings("ignore:.*hann is zero at 24 of 49 taps")
@pytest.mark.parametrize(
    "arm",
    ["3x3", "7x7", "7x7-hamming", "5x5-hamming-energy", "7x7-hann", "7x7-kaiser:8.6", "5x5-learnable-cosine",
     "7x7-hamming-init", "7x7-hamming-rates", "7x7-shuffled"],
)  # fmt: skip
def test_layers_start_as_an_identity_whatever_the_window(arm: str) -> None:
    model = network(arm)
    convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 6
    for layer in convolutions:
        kept = min(layer.in_channels, layer.out_channels)
        images = torch.rand(2, layer.in_channels, 9, 9)
        torch.testing.assert_close(layer(images)[:, :kept], images[:, :kept], rtol=1e-5, atol=1e-6)
        assert not layer.weight[kept:].eq(0).all() or kept == layer.out_channels


@pytest.mark.filterwarnings("ignore:.*is zero at 1 of 9 taps")
def test_a_window_that_is_zero_in_the_middle_is_refused() -> None:
    layer = WindowedConv2d(2, 2, 3, window=Window(VALUES, [[1.0, 1, 1], [1, 0, 1], [1, 1, 1]]))
    with pytest.raises(InputError, match="zero at the kernel's middle tap; allowed: "):
        start_as_identity(layer)


def test_the_scale_of_batch_norms_is_fixed() -> None:
    norms = [layer for layer in network().modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 6
    for norm in norms:
        assert (norm.weight.requires_grad, norm.bias.requires_grad) == (False, True)
        assert (norm.eps, norm.momentum) == (1e-12, 0.4)


@pytest.mark.parametrize("size", [5, 7])
def test_a_stack_sees_as_far_as_the_kernel_that_it_stands_for(size: int) -> None:
    """The receptive field of the layers before the first pooling: a one-pixel change reaches size // 2 pixels."""
    arms = {}
    for arm in (f"{size}x{size}", f"{size}x{size}-stack"):
        model = network(arm).eval()
        assert isinstance(model, nn.Sequential)
        pool = next(i for i, layer in enumerate(model) if isinstance(layer, nn.MaxPool2d))
        weights = [layer.weight for layer in model[2:pool] if isinstance(layer, nn.Conv2d)]
        kernel = torch.ones(1, 1, 1, 1)
        for weight in weights:
            kernel = F.conv_transpose2d(kernel, torch.ones(1, 1, *weight.shape[2:]))
        arms[arm] = (len(weights), tuple(kernel.shape[2:]), sum(isinstance(layer, nn.Conv2d) for layer in model))
    assert arms[f"{size}x{size}"] == (1, (size, size), 6)
    assert arms[f"{size}x{size}-stack"] == (size // 2, (size, size), 6 * (size // 2))


def test_a_stack_starts_as_an_identity_too() -> None:
    model = network("7x7-stack", (24, 24, 24))
    assert isinstance(model, nn.Sequential)
    x = torch.rand(1, 24, 8, 8)
    for layer in model:
        if isinstance(layer, nn.Conv2d):
            torch.testing.assert_close(layer(x), x)


@pytest.mark.parametrize(
    "arm", ["5x5-depthwise", "5x5-hamming-depthwise", "5x5-depthwise-dcls", "5x5-dcls", "5x5-flex"]
)
def test_relatives_start_as_an_identity_at_each_convolution(arm: str) -> None:
    """Six places, where dense arms have a convolution each; those of other forms are tested by themselves."""
    model = network(arm, (24, 24, 24))
    assert isinstance(model, nn.Sequential)
    places = [layer for layer in model if isinstance(layer, nn.Conv2d | nn.Sequential)]
    assert len(places) == 6
    x = torch.rand(1, 24, 8, 8)
    for layer in places:
        torch.testing.assert_close(layer(x), x, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("arm", ["7x7-flc", "7x7-asap", "7x7-aps", "7x7-blur"])
def test_its_sizes_are_the_same_however_it_subsamples(arm: str) -> None:
    model = network(arm).eval()
    assert isinstance(model, nn.Sequential)
    pool = next(layer for layer in model if isinstance(layer, nn.AdaptiveMaxPool2d))
    seen: list[int] = []
    pool.register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0].shape[-1]))
    for pixels in (32, 24, 28, 9):
        assert model(torch.rand(2, 3, pixels, pixels)).isfinite().all()
    assert seen == [3, 2, 3, 1]
