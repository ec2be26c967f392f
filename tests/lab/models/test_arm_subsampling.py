"""Where a network subsamples, the arm's layer does, with the sizes that it had."""

import pytest
import torch
from torch import nn

from windowconv.antialias import antialias
from windowconv.errors import InputError
from windowconv.lab.models.arm_subsampling import put_subsampling
from windowconv.lab.models.arms import parse_arm
from windowconv.lab.models.build import build

SIZES = {"widths": (8, 8, 8, 8), "classes": 3, "channels": 3}


def test_a_blurred_network_is_what_the_library_makes_of_it() -> None:
    torch.manual_seed(0)
    plain = build("resnet18", {**SIZES, "arm": "3x3"}).eval()
    torch.manual_seed(0)
    blurred = build("resnet18", {**SIZES, "arm": "3x3-blur"}).eval()
    x = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(blurred(x), antialias(plain)(x))
    assert not torch.allclose(blurred(x), plain(x))


@pytest.mark.parametrize("arm", ["3x3-blur", "3x3-flc", "3x3-asap", "3x3-aps"])
def test_sizes_stay(arm: str) -> None:
    for sides in ((12, 13), (7, 10)):
        layers = [nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.MaxPool2d(2), nn.Sequential(nn.AvgPool2d(3, 2, 1))]
        network = nn.Sequential(*layers)
        x = torch.rand(1, 1, *sides)
        before = [
            layer(torch.rand(1, channels, *sides)).shape for channels, layer in zip((1, 2, 2), network, strict=True)
        ]
        put_subsampling(network, parse_arm(arm))
        after = [
            layer(torch.rand(1, channels, *sides)).shape for channels, layer in zip((1, 2, 2), network, strict=True)
        ]
        assert before == after
        assert network(x).isfinite().all()


def test_what_it_does_not_go_with_is_refused() -> None:
    with pytest.raises(InputError, match=r"arm='3x3-aps': -aps chooses .* allowed: networks without strided 1x1"):
        build("resnet18-cifar", {**SIZES, "arm": "3x3-aps"})
    for layer, message in (
        (nn.Conv2d(1, 1, 3), "the Sequential has no strided layer; allowed: networks that subsample"),
        (nn.Conv2d(1, 1, 2, stride=2), "the Sequential has no strided layer"),
        (nn.MaxPool2d(2, ceil_mode=True), "allowed: pools without ceil_mode"),
        (nn.MaxPool2d((2, 3)), r"stride=\(2, 3\) of a MaxPool2d; allowed: the same along both axes"),
    ):
        with pytest.raises(InputError, match=f"arm='3x3-blur': .*{message}"):
            put_subsampling(nn.Sequential(layer), parse_arm("3x3-blur"))
