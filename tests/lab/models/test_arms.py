"""An arm's name says its kernel size and window, and the built layers have just these."""

import numpy as np
import pytest
from scipy.signal import get_window
from torch import nn

from windowconv import WindowedConv2d
from windowconv.errors import InputError, WindowWarning
from windowconv.lab.models.arms import Arm, parse_arm
from windowconv.lab.models.build import small_network
from windowconv.windows import Window


@pytest.mark.parametrize(
    ("name", "arm"),
    [
        ("3x3", Arm("3x3", 3)),
        ("11x11", Arm("11x11", 11)),
        ("7x7-hamming", Arm("7x7-hamming", 7, "hamming")),
        ("7x7-kaiser:8.6", Arm("7x7-kaiser:8.6", 7, "kaiser", (8.6,))),
        ("9x9-general_gaussian:1.5,2", Arm("9x9-general_gaussian:1.5,2", 9, "general_gaussian", (1.5, 2.0))),
        ("7x7-hamming-energy", Arm("7x7-hamming-energy", 7, "hamming", normalize="energy")),
        ("7x7-kaiser-sum:8.6", Arm("7x7-kaiser-sum:8.6", 7, "kaiser", (8.6,), "sum")),
        ("7x7-learnable-cosine", Arm("7x7-learnable-cosine", 7, "learnable-cosine")),
        ("7x7-learnable-kaiser-peak:6", Arm("7x7-learnable-kaiser-peak:6", 7, "learnable-kaiser", (6.0,), "peak")),
    ],
)
def test_a_name_says_size_window_parameters_and_normalisation(name: str, arm: Arm) -> None:
    assert parse_arm(name) == arm


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "allowed: KxK"),
        ("7", "allowed: KxK"),
        ("hamming", "allowed: KxK"),
        ("7x7-", "allowed: KxK"),
        ("7x7-kaiser:", "allowed: KxK"),
        ("7x7 hamming", "allowed: KxK"),
        ("-7x7", "allowed: KxK"),
        ("7x7-../x", "allowed: KxK"),
        ("7x9", "odd size"),
        ("6x6", "odd size"),
        ("999999999x999999999", "odd size from 3 to 1023"),
        ("0x0", "odd size"),
        ("1x1", "from 3 to 1023"),
        ("7x7-kaiser:1,,2", "no numbers"),
        ("7x7-kaiser:-", "no numbers"),
    ],
)
def test_other_forms_are_refused_by_name(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_arm(name)
    assert f"arm={name!r}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("7x7-haming", "did you mean 'hamming'"),
        ("7x7-kaiser", "kaiser"),
        ("7x7-hamming:3", "hamming"),
        ("7x7-kaiser_bessel_derived:8", "even number"),
        ("7x7-hamming-sum-peak", "hamming"),
        ("7x7-learnable-cosin", "did you mean 'cosine'"),
        ("7x7-learnable-gaussian:-1", "gaussian"),
    ],
)
def test_windows_that_cannot_be_made_are_refused_by_the_arms_name(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_arm(name).layer_window()
    assert str(caught.value).startswith(f"arm={name!r}: ")


@pytest.mark.parametrize(
    ("arm", "scipy_window"), [("7x7-hamming", "hamming"), ("5x5-kaiser:3.5", ("kaiser", 3.5)), ("3x3-boxcar", "boxcar")]
)
def test_built_layers_multiply_their_weight_by_scipys_symmetric_window(arm: str, scipy_window: object) -> None:
    taps = get_window(scipy_window, int(arm[0]), fftbins=False)
    for layer in small_network(arm, 10, 1, depth=3, width=2):
        if isinstance(layer, nn.Conv2d):
            assert isinstance(layer, WindowedConv2d)
            quotient = (layer.effective_weight / layer.weight).detach().double().numpy()
            np.testing.assert_allclose(quotient, np.broadcast_to(np.outer(taps, taps), quotient.shape), rtol=1e-5)


def test_a_normalised_window_keeps_the_weights_energy() -> None:
    layer = small_network("7x7-hamming-energy", 10, 1, depth=2, width=2)[0]
    assert isinstance(layer, WindowedConv2d)
    assert layer.window_values is not None
    assert layer.window_values.square().mean().item() == pytest.approx(1, rel=1e-6)


def test_learnable_arms_have_a_trained_window_in_every_layer() -> None:
    layers = [m for m in small_network("7x7-learnable-kaiser:6", 10, 1, depth=3, width=2) if isinstance(m, nn.Conv2d)]
    assert len(layers) == 3
    for layer in layers:
        assert isinstance(layer, WindowedConv2d)
        assert layer.learnable_window is not None
        taps = np.kaiser(7, 6.0)
        np.testing.assert_allclose(layer.learnable_window()[0].detach(), np.outer(taps, taps), atol=1e-6)


def test_a_window_with_dead_taps_warns() -> None:
    with pytest.warns(WindowWarning, match="24 of 49"):
        small_network("7x7-hann", 10, 1, depth=2, width=2)


def test_a_square_root_of_a_window() -> None:
    network = small_network("7x7-hamming-sqrt", 10, 1, depth=2, width=4)
    layers = [layer for layer in network.modules() if isinstance(layer, WindowedConv2d)]
    assert layers
    profile = get_window("hamming", 7, fftbins=False)
    for layer in layers:
        squared = (layer.effective_weight / layer.weight).detach().square().numpy()
        np.testing.assert_allclose(squared, np.broadcast_to(np.outer(profile, profile), squared.shape), rtol=1e-4)
    assert parse_arm("7x7-hamming-sqrt-params") == Arm(
        "7x7-hamming-sqrt-params", 7, "hamming", power="sqrt", match="params"
    )
    with pytest.raises(
        InputError, match=r"arm='7x7-flattop-sqrt': window=flattop has values below 0; allowed with -sq"
    ):
        parse_arm("7x7-flattop-sqrt").layer_window()
    with pytest.raises(InputError, match="-sqrt is for fixed windows"):
        parse_arm("7x7-learnable-cosine-sqrt")
    with pytest.raises(InputError, match="names no window"):
        parse_arm("7x7-sqrt")


def test_a_window_without_its_ends_is_the_inside_of_the_larger_one() -> None:
    window = parse_arm("7x7-hann-inner").layer_window()
    taps = get_window("hann", 9, fftbins=False)[1:-1]
    assert isinstance(window, Window)
    np.testing.assert_allclose(np.reshape(window.params, (7, 7)), np.outer(taps, taps), atol=1e-15)
    with pytest.raises(InputError, match="-inner is for fixed windows"):
        parse_arm("7x7-learnable-kaiser-inner")


@pytest.mark.parametrize("name", ["7x7-hamming-stack", "7x7-stack-even", "7x7-stack-sqrt"])
def test_a_stack_has_no_window(name: str) -> None:
    with pytest.raises(InputError, match="a stack of 3x3 kernels without a window, such as 7x7-stack"):
        parse_arm(name)


def test_stacks_are_for_one_network() -> None:
    with pytest.raises(InputError, match=r"arm='7x7-stack': the small network has no -stack"):
        small_network("7x7-stack", 10, 1, depth=2, width=2)
