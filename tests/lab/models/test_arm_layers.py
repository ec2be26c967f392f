"""Networks in their arms: grown kernels, windows, controls, and what the controls are equal to."""

import warnings
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from windowconv import get_window
from windowconv.errors import InputError
from windowconv.lab.models.arm_layers import gradient_factors, grow_to_arm, grown_sizes, put_windows
from windowconv.lab.models.arms import parse_arm
from windowconv.lab.models.resnet import ResNet18
from windowconv.windowed import WindowedMixin


def network(size: int, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    convolution: dict[str, Any] = {"padding": size // 2, "bias": False}
    return nn.Sequential(
        nn.Conv2d(2, 3, size, **convolution), nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Conv2d(3, 4, size, **convolution)
    )


def weights(model: nn.Module) -> list[torch.Tensor]:
    return [m.weight.detach().clone() for m in model.modules() if isinstance(m, nn.Conv2d)]


def test_the_papers_sizes() -> None:
    model = grow_to_arm(ResNet18(10, widths=(8, 8, 16, 32)), parse_arm("7x7-hamming"), 0)
    sizes = {name: m.kernel_size[0] for name, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    assert sizes.pop("conv1") == 9
    assert {size for name, size in sizes.items() if "downsample" in name} == {1}
    assert {size for name, size in sizes.items() if "downsample" not in name} == {7}
    windowed = {name for name, m in model.named_modules() if isinstance(m, WindowedMixin)}
    assert windowed == {name for name in (*sizes, "conv1") if "downsample" not in name}
    assert grown_sizes(3) == {}
    assert grown_sizes(5) == {3: 5, 5: 5, 7: 7}


def test_a_plain_arm_has_torchs_own_layers_and_starts_as_the_windowed_one() -> None:
    models = []
    for arm in ("7x7", "7x7-hamming", "7x7-hamming-rates"):
        torch.manual_seed(0)
        models.append(grow_to_arm(ResNet18(10, widths=(8, 8, 8, 16)), parse_arm(arm), 0))
    assert not any(isinstance(m, WindowedMixin) for m in models[0].modules())
    assert not any(isinstance(m, WindowedMixin) for m in models[2].modules())
    for other in models[1:]:
        assert all(torch.equal(a, b) for a, b in zip(weights(models[0]), weights(other), strict=True))


def test_init_has_the_window_in_its_first_weights_only() -> None:
    plain = network(5)
    model = put_windows(network(5), parse_arm("5x5-hamming-init"), 0)
    window = get_window("hamming", (5, 5))
    assert not any(isinstance(m, WindowedMixin) for m in model.modules())
    for i, (old, new) in enumerate(zip(weights(plain), weights(model), strict=True)):
        torch.testing.assert_close(new, old if i == 1 else old * window)


def test_shuffled_is_one_permutation_a_seed_for_all_layers() -> None:
    def values(seed: int, size: int = 5) -> list[torch.Tensor]:
        model = put_windows(network(size), parse_arm(f"{size}x{size}-shuffled"), seed)
        return [
            m.window_values for m in model.modules() if isinstance(m, WindowedMixin) and m.window_values is not None
        ]

    first, second = values(0)
    assert torch.equal(first, second)
    window = get_window("hamming", (5, 5))
    assert torch.equal(first.flatten().sort().values, window.flatten().sort().values)
    assert not torch.equal(first, window)
    assert torch.equal(values(0)[0], first)
    assert not torch.equal(values(1)[0], first)
    energy = put_windows(network(5), parse_arm("5x5-hamming-energy-shuffled"), 0)[0]
    torch.testing.assert_close(energy.window_values.square().mean(), torch.tensor(1.0))


def test_radial_and_energy_reach_the_layers() -> None:
    model = put_windows(network(7), parse_arm("7x7-hamming-radial-energy"), 0)
    expected = get_window("hamming", (7, 7), kind="radial", normalize="energy")
    torch.testing.assert_close(model[0].window_values, expected)


def sgd(model: nn.Module, factors: dict[str, torch.Tensor], steps: int = 5) -> None:
    """Some steps with momentum and decay on fixed random data, in float64."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.1, nesterov=True)
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        images = torch.rand(4, 2, 9, 9, generator=generator, dtype=torch.float64)
        loss = F.cross_entropy(model(images).mean((2, 3)), torch.arange(4))
        optimizer.zero_grad()
        loss.backward()
        for name, parameter in model.named_parameters():
            if name in factors:
                assert parameter.grad is not None
                parameter.grad.mul_(factors[name])
        optimizer.step()


@pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")  # of dead taps, which stay so
@pytest.mark.parametrize("window", ["hamming", "hann", "kaiser:6", "hamming-energy"])
def test_rates_from_the_windowed_start_are_the_windowed_training(window: str) -> None:
    name, _, params = window.partition(":")
    suffix = f":{params}" if params else ""
    windowed = put_windows(network(5), parse_arm(f"5x5-{window}"), 0).double()
    rates = put_windows(network(5), parse_arm(f"5x5-{name}-rates{suffix}"), 0).double()
    factors = gradient_factors(rates, parse_arm(f"5x5-{name}-rates{suffix}"))
    assert list(factors) == ["0.weight", "3.weight"]
    with torch.no_grad():  # the same start: the effective weights
        for mine, theirs in zip(rates, windowed, strict=True):
            if isinstance(theirs, WindowedMixin):
                mine.weight.copy_(theirs.effective_weight)
    sgd(rates, factors)
    sgd(windowed, {})
    moved = 0.0
    for mine, theirs, start in zip(rates, windowed, network(5).double(), strict=True):
        if isinstance(theirs, WindowedMixin):
            torch.testing.assert_close(mine.weight, theirs.effective_weight, rtol=1e-10, atol=1e-13)
            assert isinstance(start, nn.Conv2d)
            moved = max(moved, (theirs.weight - start.weight).abs().max().item())
    assert moved > 1e-3


def test_even_rates_are_the_training_without_a_window_from_the_windowed_start() -> None:
    arm = parse_arm("5x5-general_hamming-even:0.75")
    even, plain = put_windows(network(5), arm, 0).double(), network(5).double()
    factors = gradient_factors(even, arm)
    assert list(factors) == ["0.weight", "3.weight"]
    with torch.no_grad():
        for mine, theirs in zip(even, plain, strict=True):
            if isinstance(mine, WindowedMixin):
                theirs.weight.copy_(mine.effective_weight)
    sgd(even, factors)
    sgd(plain, {})
    for mine, theirs in zip(even, plain, strict=True):
        if isinstance(mine, WindowedMixin):
            torch.testing.assert_close(mine.effective_weight, theirs.weight, rtol=1e-10, atol=1e-13)


def test_even_rates_end_at_a_hundred() -> None:
    arm = parse_arm("7x7-hamming-even")
    factor = gradient_factors(put_windows(network(7), arm, 0), arm)["0.weight"]
    assert (factor.max(), factor[3, 3]) == (100, 1)
    assert 1 < factor[3, 1] < 100


def test_square_roots_have_the_layers_own_size() -> None:
    model = put_windows(nn.Sequential(nn.Conv2d(1, 1, 5), nn.Conv2d(1, 1, 7)), parse_arm("7x7-hamming-sqrt"), 0)
    for layer, size in zip(model, (5, 7), strict=True):
        torch.testing.assert_close(layer.window_values, get_window("hamming", (size, size)).sqrt())


def test_only_rates_have_factors() -> None:
    for arm in ("5x5", "5x5-hamming", "5x5-hamming-init", "5x5-shuffled", "5x5-hamming-sqrt"):
        assert gradient_factors(network(5), parse_arm(arm)) == {}


@pytest.mark.parametrize("arm", ["5x5-hamming", "5x5-kaiser-energy:6", "5x5-learnable-cosine", "5x5"])
def test_a_function_that_is_preserved_is_so_in_one_step(arm: str) -> None:
    plain = network(3).double()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        grown = grow_to_arm(network(3).double(), parse_arm(arm), 0, preserve=True)
    images = torch.rand(2, 2, 9, 9, dtype=torch.float64)
    torch.testing.assert_close(grown(images), plain(images))
    assert {m.kernel_size for m in grown.modules() if isinstance(m, nn.Conv2d)} == {(1, 1), (5, 5)}
    # the corners of the old 3x3 kernel are divided by less than 10, those of the 5x5 one, which are zeros, by more
    assert not [str(w.message) for w in caught if "amplifies" in str(w.message)]


def test_what_keeps_no_function_is_refused_where_it_is_to_be_preserved() -> None:
    with pytest.raises(InputError, match="preserve=True with a window that is zero at some of 5x5 taps"):
        grow_to_arm(network(3), parse_arm("5x5-hann"), 0, preserve=True)
    for control in ("init", "rates", "even", "sqrt"):
        with pytest.raises(InputError, match=f"arm='5x5-hamming-{control}': the control -{control} keeps no function"):
            grow_to_arm(network(3), parse_arm(f"5x5-hamming-{control}"), 0, preserve=True)
