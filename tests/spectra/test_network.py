"""The leakage of networks: which layers, which weights, and agreement with the functions for one layer."""

import math
import warnings

import pytest
import torch
from timm.layers.std_conv import StdConv2d
from torch import nn
from torch.nn import functional as F

import windowconv
from reparametrized import WAYS, changed
from windowconv import WindowedConv2d, convert, effective, fold
from windowconv.errors import InputError
from windowconv.spectra.curve import leakage_curve, power_spectrum
from windowconv.spectra.filters import convolutions, filters_of, sampled
from windowconv.spectra.impulse import impulse_response
from windowconv.spectra.kernels import frequency_response, kernel_figures
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
    found = leakage(nn.ModuleDict({"a": nn.Conv1d(2, 3, 80), "b": nn.Conv2d(1, 2, 3)}))
    assert found.grid == 256  # the next power of two above 2 * 80 - 1
    assert [layer.kernel for layer in found.layers] == [(80,), (3, 3)]
    found = leakage(nn.ModuleDict({"b": nn.Conv1d(1, 2, 5), "c": nn.Conv3d(1, 2, (1, 3, 3))}))
    assert [layer.kernel for layer in found.layers] == [(5,), (1, 3, 3)]


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
    assert lines[4].startswith("L(r): share of a kernel's")
    assert lines[6].split()[:3] == ["layer", "side", "taps"]
    assert lines[7].split()[0] == "0"
    assert lines[-1].startswith("Side: of the smallest central square")


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


# --- whose weight is measured -----------------------------------------------------------------------------------------


@pytest.mark.compatibility(
    "torch", "leakage of layers with weight_norm, spectral_norm, orthogonal, parametrize, pruning"
)
@pytest.mark.parametrize("windowed", [False, True], ids=["plain", "windowed"])
@pytest.mark.parametrize("way", WAYS)
def test_a_computed_weight_is_measured_as_it_is_used(way, windowed):
    torch.manual_seed(0)
    layer = (WindowedConv2d if windowed else nn.Conv2d)(4, 6, 5)
    layer = changed(WAYS[way](layer)).eval()
    found = leakage(nn.Sequential(layer))
    layer(torch.rand(1, 4, 9, 9))  # what hooks compute is now as it was used
    used = layer.effective_weight if windowed else layer.weight
    expected = leakage_curve(used).leakage[:, [8, 16]]  # NaN for filters that are pruned whole
    torch.testing.assert_close(found["0"].leakage, expected, rtol=1e-5, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("way", ["spectral_norm", "older spectral_norm"])
def test_measuring_does_not_move_a_norms_estimate(way):
    net = nn.Sequential(WAYS[way](nn.Conv2d(4, 6, 5))).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    leakage(net)
    pair_leakage(net)
    window_effects(net)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_standardised_weight_is_measured_as_it_is_used():
    torch.manual_seed(0)
    layer = StdConv2d(4, 6, 7)
    before = leakage(layer).rows()[0]["leakage_1/8"]
    with torch.no_grad():
        layer.weight.add_(1)
    assert leakage(layer).rows()[0]["leakage_1/8"] == pytest.approx(before, abs=1e-4)
    raw = leakage_curve(layer.weight).at(1 / 8).mean().item()
    assert abs(raw - before) > 0.3  # what was measured once


class Sinc(nn.Module):
    """Filters of 101 taps, computed from two frequencies a channel."""

    stride = 2

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = nn.Parameter(torch.tensor([0.02, 0.1])), nn.Parameter(torch.tensor([0.1, 0.2]))

    def filters(self) -> torch.Tensor:
        t = torch.arange(-50, 51)
        high, low = (2 * f[:, None] * torch.sinc(2 * f[:, None] * t) for f in (self.high, self.low))
        return ((high - low) * torch.hamming_window(101, periodic=False, dtype=high.dtype))[:, None]

    def forward(self, x):
        return F.conv1d(x, self.filters(), stride=self.stride)


def test_layers_with_kernels_of_their_own_are_left_out_with_a_word_until_registered(monkeypatch):
    monkeypatch.setattr(effective, "_registered", {})
    net = nn.Sequential(Sinc(), nn.ReLU(), nn.Conv1d(2, 4, 9), nn.Conv1d(4, 4, 1))
    found = leakage(net)
    assert [layer.name for layer in found.layers] == ["2"]
    assert found.skipped["0"].startswith("Sinc calls conv1d with a kernel of its own; allowed: after")
    assert found.skipped["3"] == "one tap"
    assert f"Left out: 0: {found.skipped['0']}." in str(found).splitlines()
    with pytest.raises(InputError, match=r"model=Sinc .the model: Sinc calls conv1d.*register_weight"):
        leakage(net[0])
    with pytest.raises(InputError, match="register_weight"):
        leakage(net, ["0"])
    for function in (Sinc.filters, impulse_response):
        windowconv.register_weight(Sinc, function)
        found = leakage(net)
        assert [(layer.name, layer.kernel, layer.stride) for layer in found.layers] == [
            ("0", (101,), (2,)),
            ("2", (9,), (1,)),
        ]
        curve = leakage_curve(net[0].filters(), grid=found.grid)
        torch.testing.assert_close(found["0"].leakage[:, 0], curve.at(1 / 8), rtol=1e-4, atol=1e-6)
        figures = kernel_figures(net[0].filters(), 2, found.grid)
        torch.testing.assert_close(found["0"].figures.aliased, figures.aliased, rtol=1e-4, atol=1e-6)
    sinc, other = (found[name].leakage[:, 0].mean() for name in ("0", "2"))
    assert sinc < 0.01 < other


def test_an_unknown_forward_is_left_out_with_a_word():
    class Masked(nn.Conv2d):
        def forward(self, input):
            return F.conv2d(input, self.weight * input.mean())

    net = nn.Sequential(Masked(1, 1, 3), nn.Conv2d(1, 1, 5))
    found = leakage(net)
    assert "Masked's weight is not known: its weight depends on the input; allowed: after" in found.skipped["0"]
    assert [effect.layer for effect in window_effects(net)] == ["1"]


def test_a_quantised_layer_is_measured_by_its_values():
    from torch.ao.nn.quantized import Conv2d

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = Conv2d(2, 3, 5)
        weight = torch.randn(3, 2, 5, 5, generator=torch.Generator().manual_seed(0))
        whole = torch.quantize_per_tensor(weight, 0.2, 0, torch.qint8)
        layer.set_weight_bias(whole, None)
        found = leakage(nn.Sequential(layer))
    torch.testing.assert_close(found["0"].leakage, leakage_curve(whole.dequantize()).leakage[:, [8, 16]])


@pytest.mark.parametrize("taps", [33, 101, 1024])
def test_kernels_of_hundreds_of_taps_have_a_grid_of_their_own(taps):
    weight = torch.randn(3, 2, taps, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    grid = {33: 128, 101: 256, 1024: 2048}[taps]
    torch.testing.assert_close(leakage_curve(weight).leakage, leakage_curve(weight, grid=grid).leakage)
    expected = torch.fft.fft(weight, grid).abs().square().sum(1)
    torch.testing.assert_close(power_spectrum(weight), expected, rtol=1e-9, atol=1e-9)
    assert kernel_figures(weight).support.shape == (3,)
    assert frequency_response(weight).shape[-1] == {33: 64, 101: 128, 1024: 1024}[taps]
    assert leakage_curve(weight[..., :32]).peak.shape == (3, 1)  # 64, as ever
    assert power_spectrum(weight[..., :32]).shape == (3, 64)


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
