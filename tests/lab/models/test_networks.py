"""The networks that take widths are torchvision's at torchvision's width."""

from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

from windowconv.errors import InputError
from windowconv.lab.models.build import PreprocessedNetwork, build
from windowconv.lab.models.resnet import ResNet18
from windowconv.lab.models.vgg import vgg11_bn


@pytest.mark.parametrize(("ours", "theirs"), [(ResNet18, models.resnet18), (vgg11_bn, models.vgg11_bn)])
def test_at_64_channels_they_are_torchvisions(ours: Any, theirs: Any) -> None:
    with torch.device("meta"):
        mine, reference = ours(7), theirs(num_classes=7)
    assert [(k, v.shape) for k, v in mine.state_dict().items()] == [
        (k, v.shape) for k, v in reference.state_dict().items()
    ]
    assert [type(m) for m in mine.modules() if not list(m.children())] == [
        type(m) for m in reference.modules() if not list(m.children())
    ]


def test_resnet_computes_what_torchvisions_does() -> None:
    torch.manual_seed(0)
    reference = models.resnet18(num_classes=5).eval()
    mine = ResNet18(5).eval()
    mine.load_state_dict(reference.state_dict())
    images = torch.rand(2, 3, 40, 48)
    torch.testing.assert_close(mine(images), reference(images))


def test_initialisation_is_torchvisions() -> None:
    torch.manual_seed(0)
    mine = {
        **dict(ResNet18(10).named_parameters()),
        **dict(vgg11_bn(10, widths=(8, 16, 32, 64, 64)).named_parameters()),
    }
    for name, weight in mine.items():
        if weight.ndim == 4:
            std = (2 / (weight.shape[0] * weight[0, 0].numel())) ** 0.5
            assert weight.std().item() == pytest.approx(std, rel=0.15), name
        elif name.startswith("classifier") and weight.ndim == 2:
            assert weight.std().item() == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("name", ["resnet18", "resnet18-cifar", "vgg11-bn", "torchvision/squeezenet1_1"])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_of_them_takes_grey_images_and_small_ones(name: str, channels: int) -> None:
    widths = {"resnet18": [8, 8, 8, 9], "resnet18-cifar": [8, 8, 9, 8], "vgg11-bn": [2, 4, 4, 4, 4]}
    arguments: dict[str, Any] = {"arm": "5x5-hamming", "classes": 3, "channels": channels, "normalize": "imagenet"}
    if name in widths:
        arguments["widths"] = widths[name]
    network = build(name, arguments).eval()
    assert isinstance(network, PreprocessedNetwork)
    assert network(torch.rand(2, channels, 32, 32)).shape == (2, 3)


def test_images_are_normalised_and_grey_ones_repeated() -> None:
    seen: list[torch.Tensor] = []

    class Spy(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images)
            return images

    grey = torch.rand(2, 1, 4, 4)
    PreprocessedNetwork(Spy(), "imagenet", 3)(grey)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = (grey.expand(-1, 3, -1, -1) - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    torch.testing.assert_close(seen[0], expected)
    PreprocessedNetwork(Spy(), "none", 3)(grey)
    torch.testing.assert_close(seen[1], grey.expand(-1, 3, -1, -1))
    assert PreprocessedNetwork(Spy(), "imagenet").state_dict() == {}


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("resnet81", {}, "network='resnet81'; allowed: small, resnet18, resnet18-cifar, vgg11-bn"),
        ("torchvision/resnet81", {}, "did you mean 'torchvision/resnet"),
        ("timm/resnet81", {}, "did you mean 'timm/res"),
        ("torchvision/fcn_resnet50", {}, "network='torchvision/fcn_resnet50'; allowed"),
        ("resnet18", {"widths": [1, 2]}, r"widths=\[1, 2\]; allowed: channels of 4 stages, each 8 or more"),
        ("vgg11-bn", {"widths": [1, 2, 3, 4, 0]}, r"allowed: channels of 5 stages, each 1 or more"),
        ("small", {"normalize": "imagnet"}, "did you mean 'imagenet'"),
    ],
)
def test_what_cannot_be_built_is_refused(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(name, {"arm": "3x3", "classes": 3, "channels": 3, **arguments})


@pytest.mark.parametrize(("layer", "allowed"), [
    (nn.Conv2d(4, 16, 1, stride=2), False),
    (nn.Conv2d(16, 7, 1, stride=(1, 2)), False),
    (nn.Conv2d(8, 8, 1, stride=2), True),
    (nn.Conv2d(4, 4, 1), True),
    (nn.Conv2d(4, 4, 3, stride=2), True),
])  # fmt: skip
def test_narrow_strided_layers_are_refused_in_others_networks_too(
    layer: nn.Conv2d, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = nn.Sequential(nn.Conv2d(3, layer.in_channels, 3), nn.Sequential(layer))
    monkeypatch.setattr("windowconv.lab.models.build.plain_network", lambda *_: network)
    arguments = {"arm": "3x3", "classes": 3, "channels": 3}
    if allowed:
        assert build("torchvision/x", arguments) is network
        return
    message = (
        r"network='torchvision/x': the layer '1\.0' is a 1x1 convolution at stride 2 with [47] channels; allowed: 8 "
    )
    with pytest.raises(InputError, match=message):
        build("torchvision/x", arguments)
