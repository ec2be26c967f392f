"""Widths that match the 3x3 arm's size."""

from typing import Any

import pytest
import torch

from windowconv.errors import InputError
from windowconv.lab.config import Training
from windowconv.lab.models.build import build
from windowconv.lab.models.matching import NetworkSpec, network_spec
from windowconv.model_summary import summary

IMAGE = (3, 32, 32)


def spec(arm: str, **settings: Any) -> NetworkSpec:
    return network_spec(Training(**settings), arm, 0, 10, IMAGE)


def counted(found: NetworkSpec) -> tuple[int, int]:
    with torch.device("meta"):
        size = summary(build(found.builder, found.arguments), torch.empty(1, *IMAGE))
    return size.parameters, size.macs


def test_the_papers_networks_have_the_papers_sizes() -> None:
    paper: dict[str, Any] = {"depth": 6, "width": 128}
    sizes = [network_spec(Training(**paper), arm, 0, 100, IMAGE).parameters for arm in ("3x3", "7x7-hamming")]
    assert [round(size / 1e6, 2) for size in sizes] == [2.69, 14.50]
    imagenet: dict[str, Any] = {"width": 64}
    for network, expected in {"resnet18": (11_689_512, 60_519_976), "vgg11-bn": (132_868_840, 173_836_520)}.items():
        found = [
            network_spec(Training(network=network, **imagenet), arm, 0, 1000, (3, 224, 224))
            for arm in ("3x3", "7x7-hamming")
        ]
        assert tuple(f.parameters for f in found) == expected
        macs = {"resnet18": [1.81, 9.34], "vgg11-bn": [7.61, 40.88]}[network]
        assert [round(f.macs / 1e9, 2) for f in found] == macs


@pytest.mark.parametrize("match", ["params", "flops"])
@pytest.mark.parametrize("arm", ["7x7-hamming", "5x5", "9x9-learnable-cosine", "11x11-shuffled"])
def test_matched_arms_are_within_two_percent(arm: str, match: Any) -> None:
    base = spec("3x3")
    found = spec(arm, match=match)
    size = counted(found)
    assert (found.parameters, found.macs) == size
    mine, theirs = (size[0], base.parameters) if match == "params" else (size[1], base.macs)
    assert found.gap == pytest.approx(mine / theirs - 1)
    assert abs(found.gap or 1) < 0.02
    assert found.size()["widths"] == found.arguments["widths"]
    assert f"{found.gap:+.2%} against 3x3" in str(found)


def test_no_change_of_one_layer_comes_closer() -> None:
    found = spec("7x7", match="params")
    widths = found.arguments["widths"]
    for i in range(len(widths)):
        for step in (-1, 1):
            other = NetworkSpec(
                "small", {**found.arguments, "widths": [*widths[:i], widths[i] + step, *widths[i + 1 :]]}, 0, 0
            )
            assert abs(counted(other)[0] / spec("3x3").parameters - 1) >= abs(found.gap or 0)


def test_an_arms_own_suffix_goes_before_the_setting_and_3x3_stays() -> None:
    assert spec("7x7-hamming-params").matched == "params"
    assert spec("7x7-hamming-flops", match="params").matched == "flops"
    assert spec("3x3", match="params") == spec("3x3")
    assert spec("7x7").gap is None
    assert spec("7x7").arguments["widths"] == [16, 32, 32, 32]


def test_resnets_are_matched_stage_by_stage() -> None:
    found = spec("7x7-hamming", network="resnet18-cifar", width=16, match="params")
    assert len(found.arguments["widths"]) == 4
    assert abs(found.gap or 1) < 0.03


def test_networks_without_widths_are_refused() -> None:
    with pytest.raises(InputError, match="the network torchvision/resnet18 takes no widths; allowed: small"):
        spec("7x7", network="torchvision/resnet18", match="params")


def test_a_seed_is_an_argument_of_shuffled_arms_only() -> None:
    assert network_spec(Training(), "7x7-shuffled", 3, 10, IMAGE).arguments["seed"] == 3
    assert "seed" not in network_spec(Training(), "7x7-hamming", 3, 10, IMAGE).arguments
