"""What torch does with modules: copies, compilation, export, functional transforms, autocast, DDP."""

import copy
import io
import pickle
import socket
from typing import Any

import pytest
import torch
from torch import nn

from cases import BY_NAME, ONE_OF_EACH, Case
from tolerances import assert_close
from windowconv.fftconv import choice
from windowconv.layers import WindowedConv2d
from windowconv.learnable import LearnableWindow
from windowconv.windows import get_window

pytestmark = pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")
each = pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)
LEARNABLE = [LearnableWindow(), LearnableWindow("kaiser", per_channel=True), LearnableWindow("gaussian", kind="radial")]


def exact(layer, window="hamming") -> None:
    """The window is the one that its specification says, rounded once."""
    expected = get_window(window, tuple(layer.kernel_size), dtype=layer.weight.dtype)
    assert torch.equal(layer.window_values, expected)
    assert layer.window_values.dtype == layer.weight.dtype


@pytest.mark.compatibility("torch", "copy.deepcopy, pickle, torch.save")
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


@pytest.mark.compatibility("torch", "torch.export, also with free sizes")
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


@pytest.mark.compatibility("torch", "torch.fx.symbolic_trace")
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


@pytest.mark.compatibility(
    "torch",
    "torch.func: functional_call, grad, vmap, stack_module_state",
    note="stacked layers have equal windows: those of the layer that is called",
)
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


@pytest.mark.compatibility("torch", "torch.autocast to bfloat16 and float16")
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


# --- through the frequency domain -------------------------------------------------------------------------------------

FFT = [BY_NAME[name] for name in ("1d-stride-pad", "2d-groups", "2d-reflect", "3d")]
fft = pytest.mark.parametrize("case", FFT, ids=lambda case: case.name)
OPERATOR = "windowconv.conv2d"


@pytest.fixture(params=["fft", "auto"])
def algorithm(request, monkeypatch):
    """An algorithm that goes through the frequency domain, by order or by choice."""
    monkeypatch.setattr(choice, "choose", lambda *args: "fft")
    return request.param


def operators(program: torch.fx.GraphModule) -> set[str]:
    return {str(node.target) for node in program.graph.nodes}


@fft
def test_what_is_exported_is_torchs_own(case: Case, algorithm):
    layer, x = case.windowed(torch.float32, algorithm=algorithm), case.input(torch.float32)
    for strict in (True, False):
        program = torch.export.export(layer, (x,), strict=strict)
        assert not any("windowconv" in name for name in operators(program.graph_module))
        assert any("conv" in name for name in operators(program.graph_module))
        assert_close(program.module()(x), layer(x))


@fft
@pytest.mark.filterwarnings("ignore:`torch.jit.trace:FutureWarning")
def test_what_is_traced_is_torchs_own(case: Case, algorithm):
    layer, x = case.windowed(torch.float32, algorithm=algorithm), case.input(torch.float32)
    traced: Any = torch.jit.trace(layer, x)
    assert "aten::_convolution" in str(traced.inlined_graph)
    assert "windowconv::" not in str(traced.inlined_graph)
    assert_close(traced(x), layer(x))
    symbolic = torch.fx.symbolic_trace(nn.Sequential(layer))
    assert "windowconv" not in symbolic.code
    assert_close(symbolic(x), layer(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_onnx_has_an_ordinary_convolution(algorithm, tmp_path):
    layer = WindowedConv2d(3, 4, 7, padding=3, algorithm=algorithm).eval()
    program = torch.onnx.export(layer, (torch.rand(1, 3, 9, 9),), dynamo=True, verbose=False)
    assert program is not None
    assert "Conv" in {node.op_type for node in program.model.graph}


@fft
def test_fft_compiles_in_one_graph(case: Case, algorithm):
    layer, x = case.windowed(torch.float32, algorithm=algorithm), case.input(torch.float32).requires_grad_()
    seen = set()

    def spy(program, _):
        seen.update(operators(program))
        return program

    torch.compiler.reset()
    torch.compile(layer, fullgraph=True, backend=spy)(x)
    assert any(OPERATOR in name for name in seen)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    got, expected = compiled(x), layer(x)
    assert_close(got, expected)
    leaves = [x, *layer.parameters()]
    assert_close(torch.autograd.grad(got.sum(), leaves), torch.autograd.grad(expected.sum(), leaves), scale=10)


def test_auto_compiles_to_torchs_own_where_nothing_is_to_gain(monkeypatch):
    def compiled_operators(layer):
        torch.compiler.reset()
        seen = set()

        def spy(program, _):
            seen.update(operators(program))
            return program

        torch.compile(layer, fullgraph=True, backend=spy)(torch.rand(1, 2, 9, 9))
        return seen

    assert any(OPERATOR in name for name in compiled_operators(WindowedConv2d(2, 3, 5)))
    assert not any(OPERATOR in name for name in compiled_operators(WindowedConv2d(2, 3, 1)))
    monkeypatch.setattr(choice, "ever_faster", lambda *args: False)
    assert not any(OPERATOR in name for name in compiled_operators(WindowedConv2d(2, 3, 5)))


@pytest.mark.slow
def test_fft_by_inductor(algorithm):
    layer, x = WindowedConv2d(3, 4, 7, padding=3, algorithm=algorithm), torch.rand(2, 3, 9, 9)
    model = nn.Sequential(layer, nn.Tanh(), nn.MaxPool2d(2))
    got, expected = torch.compile(model, fullgraph=True)(x), model(x)
    assert_close(got, expected, scale=2)
    grads = [torch.autograd.grad(output.square().sum(), layer.weight) for output in (got, expected)]
    assert_close(*grads, scale=4)


def test_fft_func_grad_and_vmap_over_stacked_modules(algorithm):
    layers = [WindowedConv2d(2, 3, 5, padding=2, algorithm=algorithm) for _ in range(3)]
    parameters, buffers = torch.func.stack_module_state(layers)
    x = torch.rand(2, 2, 6, 6)

    def call(p, b):
        return torch.func.functional_call(layers[0], (p, b), (x,))

    assert_close(torch.func.vmap(call)(parameters, buffers), torch.stack([layer(x) for layer in layers]))
    gradients = torch.func.vmap(torch.func.grad(lambda p, b: call(p, b).square().sum()))(parameters, buffers)
    for layer, gradient in zip(layers, gradients["weight"], strict=True):
        layer(x).square().sum().backward()
        assert_close(gradient, layer.weight.grad, scale=10)


@fft
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")
def test_fft_in_forward_mode(case: Case, algorithm):
    layer, direct, x = case.windowed(algorithm=algorithm), case.windowed(algorithm="direct"), case.input()
    assert_close(torch.func.jvp(layer, (x,), (x,)), torch.func.jvp(direct, (x,), (x,)))


@fft
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_fft_autocast(case: Case, dtype):
    layer, x = case.windowed(torch.float32, algorithm="fft"), case.input(torch.float32)
    with torch.autocast("cpu", dtype=dtype):
        got = layer(x)
    assert got.dtype == dtype
    assert_close(got.float(), layer(x), dtype)
    got.float().sum().backward()
    assert layer.weight.grad.dtype == torch.float32


def test_meta_tensors_and_subclasses_go_directly(algorithm):
    layer = WindowedConv2d(3, 4, 7, padding=3, algorithm=algorithm)
    assert copy.deepcopy(layer).to("meta")(torch.empty(2, 3, 9, 9, device="meta")).shape == (2, 4, 9, 9)

    class Named(torch.Tensor):
        pass

    with torch.profiler.profile() as profile:
        layer(torch.rand(1, 3, 9, 9).as_subclass(Named))
    assert "windowconv::conv2d" not in {event.name for event in profile.events() or []}


def test_layers_pickled_before_there_were_algorithms():
    layer = WindowedConv2d(3, 4, 7)
    state = layer.__getstate__()
    del state["_algorithm"]
    old = WindowedConv2d.__new__(WindowedConv2d)
    old.__setstate__(state)
    assert old.algorithm == "auto"
    x = torch.rand(1, 3, 9, 9)
    assert torch.equal(old(x), layer(x))
