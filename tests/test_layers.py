"""The windowed layers: values, signatures, state dicts, dtypes and devices, and what torch does with modules."""

import copy
import inspect
import io
import pickle
import socket
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cases import CASES, IDS, ONE_OF_EACH, PLAIN, WINDOWED, WRONG, Case, Wrong
from tolerances import assert_close
from windowconv.errors import InputError, WindowWarning
from windowconv.layers import WindowedConv1d, WindowedConv2d, WindowedConvTranspose2d
from windowconv.learnable import LearnableWindow
from windowconv.windowed import METADATA_KEY
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


def exact(layer, window="hamming") -> None:
    """The window is the one that its specification says, rounded once."""
    expected = get_window(window, tuple(layer.kernel_size), dtype=layer.weight.dtype)
    assert torch.equal(layer.window_values, expected)
    assert layer.window_values.dtype == layer.weight.dtype


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
def test_signatures_are_torchs_and_a_keyword(key):
    plain = list(inspect.signature(PLAIN[key].__init__).parameters.values())
    windowed = list(inspect.signature(WINDOWED[key].__init__).parameters.values())
    assert [(p.name, p.default, p.kind) for p in windowed[:-1]] == [(p.name, p.default, p.kind) for p in plain]
    assert (windowed[-1].name, windowed[-1].kind) == ("window", inspect.Parameter.KEYWORD_ONLY)
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
    with pytest.warns(WindowWarning, match="all but closes") as caught:
        WindowedConv2d(2, 2, 3)
    assert len(caught) == 1
    assert caught[0].filename == __file__


@each
@pytest.mark.parametrize("window", ["hamming", *LEARNABLE], ids=str)
def test_deepcopy_pickle_and_torch_save(case: Case, window):
    layer = case.windowed(torch.float32, window=window)
    x = case.input(torch.float32)
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), torch.load(file, weights_only=False)):
        assert type(twin) is type(layer)
        assert twin.window == layer.window
        assert torch.equal(twin(x), layer(x))
        twin.double()
        if window == "hamming":
            exact(twin)
        assert twin.weight is not layer.weight


@each
@pytest.mark.parametrize("window", ["hamming", LEARNABLE[1]], ids=str)
def test_compile_in_one_graph(case: Case, window):
    layer = case.windowed(torch.float32, window=window)
    x = case.input(torch.float32)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    got, expected = compiled(x), layer(x)
    assert_close(got, expected)
    torch.testing.assert_close(
        torch.autograd.grad(got.sum(), layer.weight), torch.autograd.grad(expected.sum(), layer.weight)
    )


@pytest.mark.slow
def test_compile_by_inductor():
    layer = WindowedConv2d(3, 4, 7, padding=3)
    x = torch.rand(1, 3, 9, 9)
    assert_close(torch.compile(layer, fullgraph=True)(x), layer(x))


@each
@pytest.mark.parametrize("strict", [True, False])
def test_export(case: Case, strict):
    layer = case.windowed(torch.float32)
    x = case.input(torch.float32)
    program = torch.export.export(layer, (x,), strict=strict)
    assert_close(program.module()(x), layer(x))
    assert set(program.state_dict) == set(layer.state_dict())


@pytest.mark.parametrize("strict", [True, False])
def test_export_of_free_sizes(strict):
    layer = WindowedConv2d(3, 4, 7, padding=3, padding_mode="reflect").eval()
    free = torch.export.Dim("batch"), torch.export.Dim("height", min=8), torch.export.Dim("width", min=8)
    shapes = {"input": {0: free[0], 2: free[1], 3: free[2]}}
    program = torch.export.export(layer, (torch.rand(2, 3, 12, 13),), dynamic_shapes=shapes, strict=strict)
    x = torch.rand(3, 3, 9, 17)
    assert_close(program.module()(x), layer(x))


@each
@pytest.mark.parametrize("window", ["hamming", *LEARNABLE], ids=str)
def test_symbolic_trace(case: Case, window):
    layer = nn.Sequential(case.windowed(torch.float32, window=window))
    traced = torch.fx.symbolic_trace(layer)
    x = case.input(torch.float32)
    assert_close(traced(x), layer(x))
    traced(x).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:FutureWarning")
def test_jit_trace():
    layer = WindowedConv2d(3, 4, 7, padding=3)
    x = torch.rand(1, 3, 9, 9)
    assert_close(torch.jit.trace(layer, x)(x), layer(x))


@pytest.mark.parametrize("window", ["hamming", *LEARNABLE], ids=str)
def test_func_grad_and_vmap_over_stacked_modules(window):
    layers = [WindowedConv2d(2, 3, 5, padding=2, window=window) for _ in range(3)]
    parameters, buffers = torch.func.stack_module_state(layers)
    x = torch.rand(2, 2, 6, 6)

    def call(p, b):
        return torch.func.functional_call(layers[0], (p, b), (x,))

    assert_close(torch.func.vmap(call)(parameters, buffers), torch.stack([layer(x) for layer in layers]))
    gradients = torch.func.vmap(torch.func.grad(lambda p, b: call(p, b).square().sum()))(parameters, buffers)
    for layer, gradient in zip(layers, gradients["weight"], strict=True):
        layer(x).square().sum().backward()
        assert_close(gradient, layer.weight.grad, scale=10)
    examples = torch.func.vmap(layers[0])(x[:, None])
    assert_close(examples[:, 0], layers[0](x))


@each
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("window", ["hamming", LEARNABLE[1]], ids=str)
def test_autocast(case: Case, dtype, window):
    layer = case.windowed(torch.float32, window=window)
    x = case.input(torch.float32)
    with torch.autocast("cpu", dtype=dtype):
        got = layer(x)
    assert got.dtype == dtype
    assert_close(got.float(), layer(x), dtype)
    got.float().sum().backward()
    assert layer.weight.grad.dtype == torch.float32
    exact(layer) if window == "hamming" else None


@pytest.fixture
def one_process():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("window", ["hamming", LEARNABLE[1]], ids=str)
def test_ddp(one_process, window):
    model = nn.Sequential(WindowedConv2d(3, 4, 5, padding=2, window=window), nn.BatchNorm2d(4))
    twin = copy.deepcopy(model)
    parallel = nn.parallel.DistributedDataParallel(model)
    x = torch.rand(2, 3, 8, 8)
    # two passes before one step backward: the window must not change in between
    (parallel(x).square().sum() + parallel(2 * x).sum()).backward()
    (twin(x).square().sum() + twin(2 * x).sum()).backward()
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-4)
    assert all(key.startswith("module.") for key in parallel.state_dict())


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
