"""What the windowed mixin adds: state dicts that carry the window, and windows rebuilt exactly."""

import copy
import io
import warnings

import pytest
import torch
from torch import nn

from cases import ONE_OF_EACH, Case
from tolerances import assert_close
from windowconv.errors import WindowWarning
from windowconv.layers import WindowedConv1d, WindowedConv2d
from windowconv.learnable import LearnableWindow
from windowconv.windowed import METADATA_KEY
from windowconv.windows import get_window

pytestmark = pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")
each = pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)
LEARNABLE = [LearnableWindow(), LearnableWindow("kaiser", per_channel=True), LearnableWindow("gaussian", kind="radial")]


def exact(layer, window="hamming") -> None:
    """The window is the one that its specification says, rounded once."""
    expected = get_window(window, tuple(layer.kernel_size), dtype=layer.weight.dtype)
    assert torch.equal(layer.window_values, expected)
    assert layer.window_values.dtype == layer.weight.dtype


@each
def test_state_dicts_have_torchs_keys_and_load_both_ways(case: Case):
    windowed, plain = case.windowed(), case.plain()
    assert list(windowed.state_dict()) == list(plain.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.manual_seed(5)
        nn.init.normal_(plain.weight)
        windowed.load_state_dict(plain.state_dict())
        assert torch.equal(windowed.weight, plain.weight)
        nn.init.normal_(windowed.weight)
        plain.load_state_dict(windowed.state_dict())
    assert torch.equal(windowed.weight, plain.weight)


@pytest.mark.parametrize("prefix", ["", "a.b."])
def test_the_window_travels_in_the_metadata(prefix):
    layer = WindowedConv2d(3, 4, 7, window=("kaiser", 6.0))
    state = layer.state_dict(prefix=prefix)
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    assert loaded._metadata[prefix[:-1]][METADATA_KEY] == layer.window.to_json()


def test_another_window_in_the_checkpoint_warns_and_none_is_silent():
    hamming, kaiser = (nn.Sequential(WindowedConv2d(3, 4, 7, window=w)) for w in ("hamming", ("kaiser", 6.0)))
    with pytest.warns(
        WindowWarning, match=r"layer '0' has the window hamming, but .* saved with kaiser\(6.0\)"
    ) as all_:
        hamming.load_state_dict(kaiser.state_dict())
    assert len(all_) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hamming.load_state_dict(dict(kaiser.state_dict()))  # torch's metadata is lost here
        hamming.load_state_dict(copy.deepcopy(hamming).state_dict())
        same = WindowedConv2d(3, 4, 7, window=("general_hamming", 0.54))
        same.load_state_dict(hamming[0].state_dict())
    with pytest.warns(WindowWarning, match="saved with hamming"):
        WindowedConv2d(3, 4, 7, window=None).load_state_dict(hamming[0].state_dict())
    with pytest.warns(WindowWarning, match="saved with boxcar"):
        hamming[0].load_state_dict(WindowedConv2d(3, 4, 7, window=None).state_dict())


def test_a_window_of_another_size_leaves_torchs_error():
    layer = WindowedConv2d(3, 4, 7, window=torch.rand(7, 7))
    with pytest.raises(RuntimeError, match="size mismatch for weight"), pytest.warns(WindowWarning):
        WindowedConv2d(3, 4, 5).load_state_dict(layer.state_dict())


@each
def test_the_window_is_exact_after_every_change_of_dtype(case: Case):
    layer = case.windowed(torch.float32)
    for change in ("half", "double", "bfloat16", "float", "double"):
        getattr(layer, change)()
        exact(layer, case.window)
    for dtype in (torch.float16, torch.float64):
        exact(layer.to(dtype), case.window)
    model = nn.Sequential(layer).half().double()
    exact(model[0], case.window)


@each
@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("source", ["plain", "windowed"])
def test_meta_then_load_gives_exact_windows(case: Case, assign, source):
    state = getattr(case, source)(torch.float32).state_dict()
    layer = case.windowed(device="meta")
    assert layer.window_values.is_meta
    if not assign:
        layer.to_empty(device="cpu")
    layer.load_state_dict(state, assign=assign)
    expected = torch.float32 if assign else torch.float64
    assert layer.weight.dtype == expected
    exact(layer, case.window)
    assert torch.equal(layer.weight, case.plain(torch.float32).weight.to(expected))


def test_meta_by_context():
    with torch.device("meta"):
        layers = [WindowedConv2d(3, 4, 7, window=window) for window in ("hamming", *LEARNABLE)]
    for layer in layers:
        assert {t.device.type for t in (*layer.parameters(), *layer.buffers())} == {"meta"}
        layer.to_empty(device="cpu").load_state_dict(nn.Conv2d(3, 4, 7).state_dict())
        fresh = WindowedConv2d(3, 4, 7, window=layer.window)
        fresh.load_state_dict(layer.state_dict())
        assert_close(layer.effective_weight, fresh.effective_weight)


def test_dtype_argument_and_complex_weights():
    exact(WindowedConv2d(3, 4, 7, dtype=torch.float64))
    layer = WindowedConv1d(2, 2, 5, dtype=torch.complex64)
    assert layer.window_values is not None
    assert layer.window_values.dtype == torch.float32
    assert layer(torch.rand(1, 2, 9, dtype=torch.complex64)).dtype == torch.complex64


def test_set_window_replaces_and_removes():
    layer = WindowedConv2d(2, 2, 7)
    layer.set_window(LearnableWindow())
    assert list(layer.state_dict()) == ["weight", "bias", "learnable_window.raw"]
    assert layer.window_values is None
    layer.set_window(("kaiser", 5.0))
    exact(layer, ("kaiser", 5.0))
    assert list(layer.state_dict()) == ["weight", "bias"]
    layer.set_window(None)
    assert layer.effective_weight is layer.weight
    with pytest.warns(WindowWarning, match="24 of 49 taps") as caught:
        layer.set_window("hann")
    assert caught[0].filename == __file__


def test_a_bad_window_warns_once_where_the_layer_is_made():
    with pytest.warns(WindowWarning, match="nearly closes") as caught:
        WindowedConv2d(2, 2, 3)
    assert len(caught) == 1
    assert caught[0].filename == __file__
