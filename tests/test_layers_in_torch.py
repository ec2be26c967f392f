"""What torch does with modules: copies, compilation, export, functional transforms, autocast, DDP."""

import copy
import io
import pickle
import socket

import pytest
import torch
from torch import nn

from cases import ONE_OF_EACH, Case
from tolerances import assert_close
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
