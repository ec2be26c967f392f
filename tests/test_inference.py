"""Kernels prepared for inference: the same results, within the memory given, and never out of date."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tolerances import assert_close
from windowconv import LearnableWindow, WindowedConv1d, WindowedConv2d, WindowedConv3d, WindowedConvTranspose2d
from windowconv.errors import InputError
from windowconv.fftconv.native.library import library
from windowconv.inference import prepare_inference, release_inference

pytestmark = pytest.mark.skipif(library() is None, reason="needs the native operator")

SIDES = (12, 11)
LAYERS = {
    "plain": lambda: WindowedConv2d(40, 48, 7, padding=3, window=None, algorithm="fft"),
    "windowed": lambda: WindowedConv2d(40, 48, 5, padding=2, algorithm="fft"),
    "learnable": lambda: WindowedConv2d(8, 48, 5, padding=2, window=LearnableWindow("kaiser"), algorithm="fft"),
    "strided": lambda: WindowedConv2d(40, 48, 5, stride=2, padding=2, algorithm="fft"),
    "dilated": lambda: WindowedConv2d(8, 16, 5, dilation=2, padding=(4, 1), algorithm="fft"),
    "reflect": lambda: WindowedConv2d(8, 16, 5, padding=2, padding_mode="reflect", bias=False, algorithm="fft"),
    "groups": lambda: WindowedConv2d(40, 60, 5, padding=2, groups=4, algorithm="fft"),
    "depthwise": lambda: WindowedConv2d(40, 40, 5, padding=2, groups=40, algorithm="fft"),
    "multiplied": lambda: WindowedConv2d(8, 16, 5, padding=2, groups=8, algorithm="fft"),
    "one-axis": lambda: WindowedConv1d(8, 16, 7, padding=3, algorithm="fft"),
}


def _layer(name, dtype=torch.float32):
    torch.manual_seed(0)
    return LAYERS[name]().to(dtype).eval()


def _input(layer, batch=3, dtype=torch.float32):
    torch.manual_seed(1)
    return torch.randn(batch, layer.in_channels, *SIDES[: len(layer.kernel_size)]).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("last", [False, True], ids=["contiguous", "channels-last"])
@pytest.mark.parametrize("name", LAYERS)
def test_outputs_stay(name, last, dtype):
    layer = _layer(name, dtype)
    x = _input(layer, dtype=dtype)
    if last and x.ndim == 4:
        x = x.to(memory_format=torch.channels_last)
        layer = layer.to(memory_format=torch.channels_last)
    with torch.no_grad():
        before = layer(x), layer(x[:1]), layer(x[0])
        report = prepare_inference(layer, x)
        assert [row.prepared for row in report.layers] == [True], str(report)
        assert layer.prepared is not None
        after = layer(x), layer(x[:1]), layer(x[0])
    for one, other in zip(after, before, strict=True):
        assert_close(one, other)
        assert one.stride() == other.stride()


def test_inference_mode_works_and_the_kernel_is_used(monkeypatch):
    layer = _layer("windowed")
    x = _input(layer)
    prepare_inference(layer, x)
    monkeypatch.setattr(type(layer.prepared), "forward", lambda self, input, bias: input.new_full((1,), 7.0)[None])
    with torch.inference_mode():
        assert layer(x).item() == 7.0
    assert layer(x).requires_grad  # with gradients it goes as ever


CHANGES = {
    "in place": lambda layer: layer.weight.mul_(2),
    "train": lambda layer: layer.train(),
    "moved": lambda layer: layer.to(torch.float64).to(torch.float32),
    "loaded": lambda layer: layer.load_state_dict({k: v * 2 for k, v in layer.state_dict().items()}),
    "window": lambda layer: layer.set_window("cosine"),
    "replaced": lambda layer: setattr(layer, "weight", nn.Parameter(layer.weight.detach() * 2)),
    "released": lambda layer: release_inference(layer),
}


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_out_of_date(change):
    layer = _layer("windowed")
    x = _input(layer)
    prepare_inference(layer, x)
    with torch.no_grad():
        CHANGES[change](layer)
        got = layer.eval()(x)
        assert_close(got, copy.deepcopy(layer)(x))


def test_a_trained_window_is_noticed():
    layer = _layer("learnable")
    x = _input(layer)
    prepare_inference(layer, x)
    with torch.no_grad():
        before = layer(x)
        layer.learnable_window.raw.add_(0.5)
        after = layer(x)
        assert not torch.allclose(before, after, rtol=1e-3)
        assert_close(after, copy.deepcopy(layer)(x))


def test_copies_and_pickles_hold_no_prepared_kernel():
    layer = _layer("windowed")
    prepare_inference(layer, _input(layer))
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert other.prepared is None
        assert "prepared" not in other.state_dict()


def test_other_sizes_and_flop_counts_go_as_ever():
    layer = _layer("windowed")
    x = _input(layer)
    with torch.no_grad():
        with FlopCounterMode(display=False) as before:
            layer(x)
        prepare_inference(layer, x)
        with FlopCounterMode(display=False) as after:
            layer(x)
        larger = torch.randn(2, 40, 15, 9)
        assert_close(layer(larger), copy.deepcopy(layer)(larger))
        assert layer(x[:0]).shape == (0, 48, *SIDES)
    assert before.get_total_flops() == after.get_total_flops()


def _network():
    torch.manual_seed(0)
    return nn.Sequential(
        WindowedConv2d(3, 32, 5, padding=2, algorithm="fft"),
        WindowedConv2d(32, 64, 5, padding=2, algorithm="fft"),
        WindowedConv2d(64, 32, 5, padding=2, algorithm="direct"),
        WindowedConvTranspose2d(32, 8, 5, padding=2),
    ).eval()


def test_the_largest_gain_comes_first_and_the_memory_is_kept():
    net, x = _network(), torch.rand(2, 3, 12, 12)
    everything = prepare_inference(net, x)
    assert [row.prepared for row in everything.layers] == [True, True, False, False]
    assert [row.reason for row in everything.layers[2:]] == ["direct", "a transposed convolution"]
    sizes = [row.bytes for row in everything.layers]
    assert everything.bytes == sum(sizes)
    some = prepare_inference(net, x, max_bytes=sizes[1])
    assert [row.prepared for row in some.layers] == [False, True, False, False]
    assert some.layers[0].reason == "no memory left"
    assert net[0].prepared is None
    assert "no memory left" in str(some)
    nothing = prepare_inference(net, x, max_bytes=0)
    assert nothing.bytes == 0
    release_inference(net)
    assert all(getattr(module, "prepared", None) is None for module in net)


def test_a_layer_called_with_several_sizes_is_left():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = WindowedConv2d(4, 4, 5, padding=2, algorithm="fft")
            self.deep = WindowedConv3d(4, 4, 3, window=None, algorithm="fft")
            self.idle = WindowedConv2d(4, 4, 5)

        def forward(self, x):
            return self.conv(x), self.conv(x[..., 1:]), self.deep(x[:, :, None].expand(-1, -1, 3, -1, -1))

    report = prepare_inference(Twice().eval(), torch.rand(1, 4, 9, 9))
    assert {row.name: row.reason for row in report.layers} == {
        "conv": "called with several sizes",
        "deep": "three axes",
        "idle": "not called",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda: prepare_inference(_network().train(), torch.rand(1, 3, 9, 9)),
            "in training mode; allowed",
        ),
        (lambda: prepare_inference(nn.ReLU().eval(), torch.rand(1)), "model=ReLU without windowed layers; allowed"),
        (lambda: prepare_inference(_network()), r"inputs=\(\); allowed"),
        (lambda: prepare_inference(_network(), torch.rand(1, 3, 9, 9), max_bytes=-1), "max_bytes=-1; allowed"),
        (lambda: prepare_inference(_network(), torch.rand(1, 3, 9, 9), max_bytes=1.5), "max_bytes=1.5; allowed"),
    ],
    ids=["training", "no-layers", "no-inputs", "negative", "float"],
)
def test_what_cannot_be_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        change()
