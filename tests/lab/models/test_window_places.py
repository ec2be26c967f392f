"""Arms whose window is at some layers only."""

import pytest
import torch
from torch import nn

from windowconv.errors import InputError
from windowconv.lab.models.arm_layers import grow_to_arm, put_windows
from windowconv.lab.models.arms import parse_arm
from windowconv.lab.models.build import small_network
from windowconv.lab.models.resnet import ResNet18
from windowconv.lab.models.window_places import layers_at
from windowconv.windowed import WindowedMixin
from windowconv.windows import get_window


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 2, 5),
        nn.ReLU(),
        nn.Conv2d(2, 2, 5, stride=2),
        nn.Conv2d(2, 2, 5),
        nn.MaxPool2d(2),
        nn.Conv2d(2, 2, 5),
    )


def has_window(layer: nn.Module) -> bool:
    if not isinstance(layer, WindowedMixin) or layer.window_values is None:
        return False
    return torch.equal(layer.window_values, get_window("hamming", layer.kernel_size))


def windowed(model: nn.Module) -> list[str]:
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and not has_window(layer):
            assert not isinstance(layer, WindowedMixin) or torch.equal(layer.effective_weight, layer.weight)
    return [name for name, layer in model.named_modules() if has_window(layer)]


@pytest.mark.parametrize(
    ("place", "names"), [("first", ["0"]), ("pooled", ["2", "3"]), ("unpooled", ["0", "5"])]
)  # fmt: skip
def test_windows_are_where_the_arm_says(place: str, names: list[str]) -> None:
    assert windowed(put_windows(network(), parse_arm(f"5x5-hamming-{place}"), 0)) == names
    assert windowed(grow_to_arm(network(), parse_arm(f"5x5-hamming-{place}"), 0)) == names


def test_networks_of_the_laboratory() -> None:
    model = small_network("7x7-hamming-first", 10, 1, depth=3, width=2)
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.kernel_size for layer in layers] == [(7, 7)] * 3
    assert [has_window(layer) for layer in layers] == [True, False, False]
    resnet = grow_to_arm(ResNet18(10, 3, (8, 8, 8, 8)), parse_arm("7x7-hamming-pooled"), 0)
    strided = [
        n for n, m in resnet.named_modules() if isinstance(m, nn.Conv2d) and m.stride[0] > 1 and m.kernel_size[0] > 1
    ]
    assert set(strided) <= set(windowed(resnet))


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="place='pooled': the Sequential has no such layer"):
        put_windows(nn.Sequential(nn.Conv2d(1, 1, 5)), parse_arm("5x5-hamming-pooled"), 0)
    with pytest.raises(InputError, match="arm='5x5-first' names no window"):
        parse_arm("5x5-first")
    with pytest.raises(InputError, match="-first is for arms with windows, and -rates has none"):
        parse_arm("5x5-hamming-first-rates")
    assert layers_at(put_windows(network(), parse_arm("5x5-hamming"), 0), "all") == {"0", "2", "3", "5"}
