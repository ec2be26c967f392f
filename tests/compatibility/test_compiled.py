"""torch.compile by inductor, torch.export and ONNX of windowed layers that are not folded."""

import io
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from plain_networks import WINDOWS, Network, images, plain_network
from tolerances import assert_close
from windowconv import layers
from windowconv.layers import WindowedConv2d
from windowconv.learnable import LearnableWindow

pytestmark = pytest.mark.slow
each_window = pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
BOTH = [("hamming", "direct"), ("hamming", "fft"), ("hamming", "auto"), ("learnable", "direct"), ("learnable", "fft")]
each_window_and_algorithm = pytest.mark.parametrize(("window", "algorithm"), BOTH)


@pytest.fixture(autouse=True)
def _afresh() -> None:
    torch.compiler.reset()
    counters.clear()


@pytest.mark.compatibility("torch", "torch.compile (inductor): one graph, gradients, each algorithm")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@each_window_and_algorithm
def test_inductor_compiles_one_graph(window, algorithm):
    network, plain = Network(WINDOWS[window], algorithm), plain_network(Network(WINDOWS[window]))
    compiled = torch.compile(network, fullgraph=True)
    output, expected = compiled(images()), plain(images())
    assert_close(output, expected, scale=4)
    output.sum().backward()
    network.stem.weight.data *= 2
    assert_close(compiled(images()), plain_network(network)(images()), scale=4)
    twin = Network(WINDOWS[window], "direct")
    twin(images()).sum().backward()
    for one, other in zip(network.parameters(), twin.parameters(), strict=True):
        assert_close(one.grad, other.grad, scale=20)
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]


def blocks(make: Any) -> nn.Sequential:
    return nn.Sequential(*[nn.Sequential(make(), nn.ReLU()) for _ in range(4)])


@pytest.mark.compatibility("torch", "regional compilation: blocks of one kind share one graph, as torch's do")
@each_window
@torch.no_grad()  # dynamo looks at the gradient of an input that is no leaf, and torch warns
def test_blocks_compile_as_often_as_torchs(window):
    counts = []
    for make in (
        lambda: WindowedConv2d(4, 4, 7, padding=3, window=window, algorithm="direct"),
        lambda: nn.Conv2d(4, 4, 7, padding=3),
    ):
        torch.compiler.reset()
        counters.clear()
        model, x = blocks(make), torch.rand(2, 4, 12, 12)
        expected = model(x)
        for block in model:
            block.compile(fullgraph=True, backend="aot_eager")
        assert_close(model(x), expected, scale=4)
        counts.append(counters["stats"]["unique_graphs"])
    assert counts[0] == counts[1]


@pytest.mark.compatibility("torch", "torch.compile within autocast to bfloat16")
@each_window
def test_compiled_within_autocast(window):
    network = Network(window)
    compiled = torch.compile(network, fullgraph=True)
    with torch.autocast("cpu", torch.bfloat16):
        output = compiled(images())
    assert output.dtype == torch.bfloat16
    assert_close(output.float(), plain_network(network)(images()), torch.bfloat16, scale=4)


@pytest.mark.compatibility("torch", "torch.export, and AOTInductor's package of it")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@torch.no_grad()
def test_ahead_of_time(tmp_path):
    network = Network("hamming").eval()  # one window: a compiler of C++ runs for a minute
    package = torch._inductor.aoti_compile_and_package(
        torch.export.export(network, (images(),)), package_path=str(tmp_path / "network.pt2")
    )
    assert_close(torch._inductor.aoti_load_package(package)(images()), plain_network(network)(images()), scale=4)


ONNX_WINDOWS = {
    **WINDOWS,
    "radial": LearnableWindow("gaussian", kind="radial"),
    "learnable kaiser": LearnableWindow("kaiser"),
    "learnable cosine": LearnableWindow("cosine", per_channel=True, normalize="energy"),
}


@pytest.mark.compatibility("onnx, onnxruntime", "torch.onnx.export of layers that are not folded; outputs are equal")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    ("axes", "transposed", "window"),
    [(2, False, window) for window in ONNX_WINDOWS]
    + [(axes, axes != 1, "learnable") for axes in (1, 2, 3)]
    + [(3, False, "hamming"), (1, True, "hamming")],
)
def test_onnx(axes, transposed, window):
    runtime = pytest.importorskip("onnxruntime")
    kind = getattr(layers, f"WindowedConv{'Transpose' if transposed else ''}{axes}d")
    layer = kind(2, 4, 5, stride=2, padding=2, groups=2, window=ONNX_WINDOWS[window]).eval()
    x = torch.rand(2, 2, *[9] * axes)
    program: Any = torch.onnx.export(layer, (x,), dynamo=True, verbose=False)
    assert ("ConvTranspose" if transposed else "Conv") in {node.op_type for node in program.model.graph}
    session = runtime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    np.testing.assert_allclose(output, layer(x).detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.compatibility("torch", "torch.jit.trace, torch.jit.freeze")
@each_window
@torch.no_grad()
def test_frozen_traces(window):
    network = Network(window).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frozen = torch.jit.freeze(torch.jit.trace(network, images()))
        file = io.BytesIO()
        torch.jit.save(frozen, file)
        file.seek(0)
        loaded = torch.jit.load(file)
        assert_close(loaded(images()), plain_network(network)(images()), scale=4)


@pytest.mark.compatibility("torch", "CUDA graphs (make_graphed_callables)")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@each_window_and_algorithm
def test_cuda_graphs(window, algorithm):
    network = Network(WINDOWS[window], algorithm).cuda()
    x = images().cuda()
    graphed: Any = torch.cuda.make_graphed_callables(Network(WINDOWS[window], algorithm).cuda(), (x,))
    for scale in (1, 2):
        output = graphed(scale * x)
        expected = plain_network(network)(scale * x)
        torch.testing.assert_close(output, expected, rtol=1e-3, atol=1e-4)
    output.sum().backward()
    assert graphed.stem.weight.grad is not None


@pytest.mark.compatibility("torch", "torch.compile(mode='reduce-overhead') (CUDA graphs)")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@each_window
@torch.no_grad()
def test_compiled_cuda_graphs(window):
    network = Network(window).cuda()
    compiled = torch.compile(network, mode="reduce-overhead", fullgraph=True)
    for _ in range(4):
        torch.compiler.cudagraph_mark_step_begin()
        output = compiled(images().cuda()).clone()
        torch.testing.assert_close(output, plain_network(network)(images().cuda()), rtol=1e-3, atol=1e-4)
