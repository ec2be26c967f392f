"""The windowed layers: values, gradients, memory formats, signatures, and wrong input."""

import copy
import inspect
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cases import CASES, IDS, ONE_OF_EACH, PLAIN, WINDOWED, WRONG, Case, Wrong
from tolerances import assert_close
from windowconv.errors import InputError
from windowconv.fftconv import choice
from windowconv.layers import WindowedConv2d, WindowedConvTranspose2d
from windowconv.learnable import LearnableWindow
from windowconv.windows import get_window

pytestmark = pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")
each = pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)
LEARNABLE = [LearnableWindow(), LearnableWindow("kaiser", per_channel=True), LearnableWindow("gaussian", kind="radial")]


def values(case: Case) -> Tensor:
    return get_window(case.window, case.kernel, dtype=torch.float64)


def reference(case: Case) -> Any:
    """Torch's float64 layer, the window multiplied in."""
    layer = case.plain()
    with torch.no_grad():
        layer.weight.mul_(values(case))
    return layer


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_values_are_torchs_of_the_windowed_weight(case: Case, dtype):
    with torch.no_grad():
        got = case.windowed(dtype)(case.input(dtype))
    assert got.dtype == dtype
    assert_close(got, reference(case)(case.input()), dtype)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_gradients_are_torchs(case: Case):
    windowed, plain = case.windowed(), reference(case)
    x, y = case.input().requires_grad_(), case.input().requires_grad_()
    cotangent = torch.randn_like(plain(x))
    windowed(x).backward(cotangent)
    plain(y).backward(cotangent)
    assert_close(x.grad, y.grad)
    assert_close(windowed.weight.grad, plain.weight.grad * values(case))
    assert_close([] if plain.bias is None else [windowed.bias.grad], [] if plain.bias is None else [plain.bias.grad])


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_unbatched_and_empty_batches(case: Case):
    layer = case.windowed()
    one = layer(case.input(batch=None))
    assert_close(one, layer(case.input(batch=None)[None])[0])
    x = case.input(batch=0).requires_grad_()
    empty = layer(x)
    assert empty.shape == (0, *one.shape)
    empty.sum().backward()
    assert not layer.weight.grad.any()


@pytest.mark.parametrize("case", [c for c in CASES if len(c.kernel) == 2], ids=lambda case: case.name)
def test_channels_last(case: Case):
    layer = case.windowed(torch.float32).to(memory_format=torch.channels_last)
    x = case.input(torch.float32).contiguous(memory_format=torch.channels_last)
    if layer.weight.shape[1] > 1:
        assert layer.effective_weight.is_contiguous(memory_format=torch.channels_last)
    assert_close(layer(x), reference(case)(case.input()), torch.float32)


@each
@pytest.mark.parametrize("window", ["hamming", *LEARNABLE], ids=str)
def test_gradcheck(case: Case, window):
    layer = case.windowed(window=window)
    names = [name for name, _ in layer.named_parameters()]
    start = [p.detach().clone().requires_grad_() for p in layer.parameters()]
    x = case.input(batch=1).requires_grad_()

    def call(x, *parameters):
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x,)).square()

    assert torch.autograd.gradcheck(call, (x, *start), fast_mode=True)
    assert torch.autograd.gradgradcheck(call, (x, *start), fast_mode=True)


@pytest.mark.parametrize("key", PLAIN, ids=str)
def test_signatures_are_torchs_and_two_keywords(key):
    plain = list(inspect.signature(PLAIN[key].__init__).parameters.values())
    windowed = list(inspect.signature(WINDOWED[key].__init__).parameters.values())
    assert [(p.name, p.default, p.kind) for p in windowed[:-2]] == [(p.name, p.default, p.kind) for p in plain]
    assert [(p.name, p.default) for p in windowed[-2:]] == [("window", "hamming"), ("algorithm", "auto")]
    assert {p.kind for p in windowed[-2:]} == {inspect.Parameter.KEYWORD_ONLY}
    forward = inspect.signature(PLAIN[key].forward).parameters
    assert list(inspect.signature(WINDOWED[key].forward).parameters) == list(forward)
    assert issubclass(WINDOWED[key], PLAIN[key])


@pytest.mark.parametrize("key", PLAIN, ids=str)
def test_all_positions_are_torchs(key):
    given = (4, 6, 5, 2, 1, 1, 2, False, 2) if key[1] else (4, 6, 5, 2, 1, 2, 2, False, "zeros")
    plain, windowed = PLAIN[key](*given), WINDOWED[key](*given)
    for name in PLAIN[key].__constants__:
        assert getattr(plain, name) == getattr(windowed, name)
    assert repr(plain)[:-1] in repr(windowed).replace("Windowed", "")


def test_output_size_of_transposed_layers():
    layer, plain = WindowedConvTranspose2d(2, 2, 5, stride=2, window=None), nn.ConvTranspose2d(2, 2, 5, stride=2)
    plain.load_state_dict(layer.state_dict())
    x = torch.rand(1, 2, 4, 4)
    assert_close(layer(x, [12, 11]), plain(x, [12, 11]))
    with pytest.raises(ValueError, match="requested an output size"):
        layer(x, [20, 20])


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_wrong_layers_and_inputs(wrong: Wrong):
    def make_and_call():
        layer = WINDOWED[wrong.key](*wrong.arguments, **wrong.options)
        return layer(torch.rand(wrong.input)) if wrong.input else layer

    with pytest.raises(InputError, match=wrong.message) as caught:
        make_and_call()
    assert "\n" not in str(caught.value)
    if wrong.input is not None:
        assert "WindowedConv" in str(caught.value)


def test_torchs_own_errors_remain():
    layer = WindowedConv2d(3, 4, 7)
    with pytest.raises(RuntimeError, match="expected input"):
        layer(torch.rand(1, 2, 9, 9))
    with pytest.raises(RuntimeError, match="Expected 3D"):
        layer(torch.rand(9, 9))
    with pytest.raises(ValueError, match="padding_mode"):
        WindowedConv2d(3, 4, 7, padding_mode="mirror")


# --- algorithms -------------------------------------------------------------------------------------------------------

FORWARD = [case for case in CASES if not case.transposed]
forward = pytest.mark.parametrize("case", FORWARD, ids=lambda case: case.name)


@forward
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_fft_values_and_gradients_are_torchs(case: Case, dtype):
    windowed, plain = case.windowed(dtype, algorithm="fft"), reference(case)
    x, y = case.input(dtype).requires_grad_(), case.input().requires_grad_()
    got, expected = windowed(x), plain(y)
    assert (got.dtype, got.stride()) == (dtype, expected.stride())
    assert_close(got, expected, dtype)
    cotangent = torch.randn_like(expected)
    got.backward(cotangent.to(dtype))
    expected.backward(cotangent)
    assert_close(x.grad, y.grad, dtype, scale=2)
    assert_close(windowed.weight.grad, plain.weight.grad * values(case), dtype, scale=4)
    if plain.bias is not None:
        assert_close(windowed.bias.grad, plain.bias.grad, dtype, scale=4)


@forward
@pytest.mark.parametrize("window", LEARNABLE, ids=str)
def test_fft_of_learnable_windows(case: Case, window):
    results = []
    for algorithm in ("fft", "direct"):
        layer, x = case.windowed(window=window, algorithm=algorithm), case.input().requires_grad_()
        got = layer(x)
        results.append([got, *torch.autograd.grad(got.square().sum(), [x, *layer.parameters()])])
    assert_close(*results, scale=10)


@forward
def test_fft_of_unbatched_and_empty_batches(case: Case):
    layer = case.windowed(algorithm="fft")
    one = layer(case.input(batch=None))
    assert_close(one, layer(case.input(batch=None)[None])[0])
    assert layer(case.input(batch=0)).shape == (0, *one.shape)


@pytest.mark.parametrize("answer", ["direct", "fft"])
@forward
def test_auto_takes_what_is_chosen_for_the_padded_input(case: Case, answer, monkeypatch):
    layer, asked = case.windowed(torch.float32), []
    monkeypatch.setattr(choice, "choose", lambda *args: (asked.append(args), answer)[1])
    x = case.input(torch.float32)
    with torch.profiler.profile() as profile:
        got = layer(x)
    assert ("windowconv::conv2d" in {event.name for event in profile.events() or []}) == (answer == "fft")
    assert_close(got, reference(case)(case.input()), torch.float32)
    problem, *rest = asked[0]
    assert rest == [torch.float32, torch.device("cpu"), True]
    outputs = tuple(axis.outputs for axis in problem.axes)
    assert outputs == {1: (1, *got.shape[2:]), 2: got.shape[2:], 3: got.shape[3:]}[len(case.kernel)]
    assert sum(axis.before + axis.after > 0 for axis in problem.axes) == 0 or layer.padding_mode == "zeros"
    with torch.no_grad():
        layer(x)
    layer.requires_grad_(False)(x)
    assert [training for *_, training in asked] == [True, False, False]


@pytest.mark.parametrize("key", PLAIN, ids=str)
def test_the_algorithm_is_checked_kept_and_shown(key):
    layer = WINDOWED[key](2, 2, 3)
    assert layer.algorithm == "auto"
    assert "algorithm" not in repr(layer)
    layer.algorithm = "direct"
    assert layer.algorithm == WINDOWED[key](2, 2, 3, algorithm="direct").algorithm == "direct"
    assert repr(layer).endswith("window=hamming, algorithm=direct)")
    with pytest.raises(InputError, match=r"algorithm='ftt'; allowed: .*did you mean 'fft'"):
        layer.algorithm = "ftt"
    with pytest.raises(InputError, match="algorithm=None; allowed"):
        WINDOWED[key](2, 2, 3, algorithm=None)
    if key[1]:
        with pytest.raises(InputError, match="algorithm='fft' for a transposed convolution; allowed: 'auto', 'direct'"):
            WINDOWED[key](2, 2, 3, algorithm="fft")
    else:
        layer.algorithm = "fft"
        assert copy.deepcopy(layer).algorithm == pickle.loads(pickle.dumps(layer)).algorithm == "fft"


@pytest.mark.parametrize("algorithm", ["auto", "fft"])
def test_what_does_not_fit_is_left_to_torch(algorithm, monkeypatch):
    monkeypatch.setattr(choice, "choose", lambda *args: "fft")
    layer = WindowedConv2d(3, 4, 7, algorithm=algorithm)
    for wrong in (torch.rand(1, 2, 9, 9), torch.rand(9, 9), torch.rand(1, 3, 9, 9).double()):
        with pytest.raises(RuntimeError) as caught:
            layer(wrong)
        with pytest.raises(RuntimeError) as expected:
            nn.Conv2d(3, 4, 7)(wrong)
        assert str(caught.value) == str(expected.value)


def test_dtypes_that_only_torch_takes():
    x, layer = torch.rand(1, 2, 9, 9, dtype=torch.complex64), WindowedConv2d(2, 3, 5, dtype=torch.complex64)
    assert layer(x).dtype == torch.complex64
    layer.algorithm = "fft"
    with pytest.raises(InputError, match=r"WindowedConv2d.*algorithm='fft' does not support torch.complex64; allowed"):
        layer(x)


@pytest.mark.parametrize("kind", [WindowedConv2d, WindowedConvTranspose2d])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_quantised_input_is_refused(kind):
    x = torch.quantize_per_tensor(torch.rand(1, 3, 9, 9), 0.01, 0, torch.quint8)
    with pytest.raises(InputError, match=r"input.dtype=torch.quint8; allowed: floating point \(fold the model, then"):
        kind(3, 4, 5)(x)
