"""The leakage of networks: which layers, which weights, and agreement with the functions for one layer."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import windowconv
from windowconv import WindowedConv2d, convert, fold
from windowconv.errors import InputError
from windowconv.spectra.curve import leakage_curve
from windowconv.spectra.filters import convolutions, filters_of, sampled
from windowconv.spectra.kernels import kernel_figures
from windowconv.spectra.network import leakage, pair_leakage
from windowconv.spectra.noise import noise_curve
from windowconv.spectra.recorder import LeakageRecorder
from windowconv.spectra.window_effects import window_effects


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 7, stride=2), nn.BatchNorm2d(6), nn.Conv2d(6, 8, 1), nn.Conv2d(8, 8, 5, groups=4)]
    return nn.Sequential(*layers, nn.Sequential(nn.Conv2d(8, 4, 3)))


def test_agrees_with_the_functions_for_one_layer():
    net = network()
    found = leakage(net)
    assert [layer.name for layer in found.layers] == ["0", "3", "4.0"]
    assert found.skipped == {"2": "one tap"}
    weight = net[0].weight
    assert isinstance(weight, torch.Tensor)
    curve = leakage_curve(weight)
    torch.testing.assert_close(found["0"].leakage, torch.stack([curve.at(1 / 8), curve.at(1 / 4)], 1))
    pairs = leakage_curve(weight, per="pair")
    torch.testing.assert_close(found["0"].pair_leakage, torch.stack([pairs.at(1 / 8), pairs.at(1 / 4)], 1))
    assert found["0"].pair_curve == pytest.approx(pairs.mean().tolist())
    figures = kernel_figures(weight, 2)
    torch.testing.assert_close(found["0"].figures.aliased, figures.aliased)
    assert found.rows()[0]["support"] == pytest.approx(figures.support.mean().item())


def test_windowed_and_folded_agree():
    net = convert(network(), window="cosine", kernel_size={3: 7, 5: 7})
    before, after = leakage(net), leakage(fold(net))
    for windowed, plain in zip(before.layers, after.layers, strict=True):
        torch.testing.assert_close(windowed.leakage, plain.leakage)
        torch.testing.assert_close(windowed.pair_leakage, plain.pair_leakage)
    assert before["0"].window == "cosine"
    assert after["0"].window is None


def test_parts_of_filters_make_no_difference(monkeypatch):
    net = network()
    whole = leakage(net)
    monkeypatch.setattr("windowconv.spectra.network.BATCH_BYTES", 1)
    monkeypatch.setattr("windowconv.spectra.curve.BATCH_BYTES", 1)
    for one, other in zip(whole.layers, leakage(net).layers, strict=True):
        torch.testing.assert_close(one.leakage, other.leakage)
        torch.testing.assert_close(one.figures.peak, other.figures.peak)


def test_a_transposed_layer_has_the_filters_of_its_outputs():
    layer = nn.ConvTranspose2d(6, 4, 3, groups=2)
    weight = filters_of("", layer)
    assert weight.shape == (4, 3, 3, 3)
    x = torch.zeros(1, 6, 5, 5)
    for out in range(4):
        for channel in range(3):
            x.zero_()
            x[0, 3 * (out // 2) + channel, 2, 2] = 1
            answer = F.conv_transpose2d(x, layer.weight, groups=2)[0, out, 2:5, 2:5]
            torch.testing.assert_close(answer, weight[out, channel])
    assert leakage(nn.Sequential(layer)).layers[0].means()["aliased"] is None


def test_a_dilated_kernel_is_measured_with_its_gaps():
    layer = nn.Conv2d(1, 1, 3, dilation=(2, 3))
    weight = filters_of("", layer)
    assert weight.shape == (1, 1, 5, 7)
    x = torch.randn(1, 1, 12, 12)
    torch.testing.assert_close(F.conv2d(x, weight), F.conv2d(x, layer.weight, dilation=(2, 3)))


def test_one_to_three_axes_and_large_kernels():
    net = nn.ModuleDict({"a": nn.Conv1d(2, 3, 80), "b": nn.Conv2d(1, 2, 3), "c": nn.Conv3d(1, 2, (1, 3, 3))})
    found = leakage(net)
    assert found.grid == 256  # the next power of two above 2 * 80 - 1
    assert [layer.kernel for layer in found.layers] == [(80,), (3, 3), (1, 3, 3)]


def test_large_kernels_with_many_channels():
    weight = torch.randn(2, 3, 300, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    from windowconv.spectra.curve import power_spectrum

    expected = torch.fft.fft(weight, 1024).abs().square().sum(1)
    torch.testing.assert_close(power_spectrum(weight, 1024), expected, rtol=1e-9, atol=1e-9)


def test_only_some_layers():
    found = leakage(network(), layers=["4", "0"])
    assert [layer.name for layer in found.layers] == ["0", "4.0"]


def test_a_sample_of_pairs_is_always_the_same():
    weight = torch.randn(20, 20, 3, 3)
    assert sampled(weight, 50).shape == (50, 1, 3, 3)
    torch.testing.assert_close(sampled(weight, 50), sampled(weight, 50))
    assert len(sampled(weight, 400)) == 400


def test_prints_a_table():
    lines = str(leakage(network())).splitlines()
    assert lines[0].split()[:3] == ["layer", "kernel", "stride"]
    assert lines[1].split()[:5] == ["0", "7x7", "2x2", "-", "6"]
    assert lines[-1].startswith("L(r): share of a kernel's")


def test_dead_filters_are_counted_and_left_out():
    net = nn.Sequential(nn.Conv2d(1, 2, 3))
    with torch.no_grad():
        net[0].weight[0] = 0  # pyright: ignore[reportIndexIssue]
    layer = leakage(net).layers[0]
    assert layer.dead == 1
    assert layer.means()["leakage_1/4"] == pytest.approx(layer.leakage[1, 1].item())
    with torch.no_grad():
        net[0].weight.zero_()  # pyright: ignore[reportCallIssue]
    layer = leakage(net).layers[0]
    assert (layer.dead, layer.curve, layer.means()["leakage_1/4"]) == (2, None, None)


def nan() -> nn.Module:
    net = network()
    with torch.no_grad():
        net[3].weight[0, 0, 0, 0] = math.nan  # pyright: ignore[reportIndexIssue]
    return net


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: leakage(nn.Linear(2, 2)), "model=Linear; allowed: a model with convolutions"),
        (lambda: leakage(nn.Conv2d(2, 2, 1)), "allowed: a model with convolutions of more than one tap"),
        (lambda: leakage(network(), layers=["5"]), "layers='5'; allowed"),
        (lambda: leakage(network(), layers="0"), "allowed: a list"),
        (lambda: leakage(network(), pairs=0), "pairs=0"),
        (lambda: leakage(nan()), "layer '3' has 1 NaN"),
        (lambda: leakage(nn.Sequential(nn.LazyConv2d(3, 3))), "layer '0' has no weight yet"),
        (lambda: leakage(nn.Conv2d(1, 1, 3, device="meta")), "no weight yet"),
        (lambda: leakage(network())["1"], "layer='1'; allowed"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_public_name():
    assert windowconv.leakage is leakage
    assert list(convolutions(network())) == ["0", "2", "3", "4.0"]


def test_noise_is_what_random_kernels_leak():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(20, 20, 5))
    nn.init.normal_(net[0].weight)  # pyright: ignore[reportArgumentType]
    found = leakage(net)
    assert found.layers[0].pair_curve == pytest.approx(noise_curve((5, 5), found.grid), abs=0.02)


def test_effects_of_a_window():
    net = network()
    effects = {effect.layer: effect for effect in window_effects(net, "hamming")}
    assert list(effects) == sorted(effects, key=lambda n: (effects[n].change is None, effects[n].change or 0))
    large = effects["0"]
    with torch.no_grad():
        windowed = WindowedConv2d(3, 6, 7)
        windowed.weight.copy_(net[0].weight)  # pyright: ignore[reportArgumentType]
    after = leakage(nn.Sequential(windowed)).layers[0].means()
    assert large.after == pytest.approx((after["pair_leakage_1/8"], after["pair_leakage_1/4"]))
    assert large.size == (7, 7)
    small = effects["4.0"]
    assert (small.after, small.kept, small.change, small.size) == (None, None, None, (7, 7))
    assert small.least == large.least
    assert window_effects(convert(net, window="hamming", kernel_size={3: 7})) == ()


def test_recorder():
    net = network()
    record = LeakageRecorder(net, layers=["0"])
    with torch.no_grad():
        net[0].weight.copy_(torch.ones(6, 3, 7, 7))  # pyright: ignore[reportCallIssue]
    record(3)
    epochs, values = record.by_layer()["0"]
    assert epochs == [0, 3]
    assert values[1] == pytest.approx(leakage_curve(torch.ones(1, 1, 7, 7)).at(1 / 4).item())
    with pytest.raises(InputError, match="epoch=3"):
        record(3)
    with pytest.raises(InputError, match="figure='nothing'"):
        record.by_layer("nothing")


def test_a_record_is_json(tmp_path):
    import json

    record = LeakageRecorder(network())
    record.save(tmp_path / "leakage.json")
    held = json.loads((tmp_path / "leakage.json").read_text())
    assert [row["layer"] for row in held["rows"]] == ["0", "3", "4.0"]


def test_pairs_alone_are_those_of_the_whole_measure():
    net = convert(network(), window="hamming", include="0")
    net[3].weight.data.zero_()
    for pairs in (5, 512):
        expected = {
            row["layer"]: [row["pair_leakage_1/8"], row["pair_leakage_1/4"]] for row in leakage(net, pairs=pairs).rows()
        }
        assert pair_leakage(net, pairs) == expected
    assert pair_leakage(net)["3"] == [None, None]
    for model, pairs, message in ((net, 0, "pairs=0; allowed"), (nn.Conv2d(3, 3, 1), 5, "more than one tap")):
        with pytest.raises(InputError, match=message):
            pair_leakage(model, pairs)
