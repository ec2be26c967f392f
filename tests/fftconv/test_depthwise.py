"""algorithm="depthwise" in torch's machinery: values and gradients of layers and functions, choice, refusals."""

from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils.flop_counter import FlopCounterMode

from tolerances import assert_close
from windowconv import (
    WindowedConv1d,
    WindowedConv2d,
    WindowedConv3d,
    WindowedConvTranspose2d,
    algorithm_report,
    fft_conv2d,
    set_algorithm,
)
from windowconv.errors import InputError
from windowconv.fftconv import choice, depthwise
from windowconv.fftconv.arguments import make_geometry
from windowconv.fftconv.native import direct as native
from windowconv.fftconv.native import library

needs_library = pytest.mark.skipif(library.library() is None, reason=library.why_not())
LAYERS: dict[int, Any] = {1: WindowedConv1d, 2: WindowedConv2d, 3: WindowedConv3d}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The native functions that were called."""
    called: list[str] = []

    def watch(name: str, function: Any) -> None:
        def watched(*args: Any) -> Any:
            called.append(name)
            return function(*args)

        monkeypatch.setattr(native, name, watched)

    for name in ("forward", "input_gradient", "weight_gradient"):
        watch(name, getattr(native, name))
    return called


def pair(axes: int, **options: Any) -> tuple[Any, Any]:
    """A layer of 6 channels and one of the same weights that torch computes."""
    torch.manual_seed(0)
    layer = LAYERS[axes](6, 6, (4, 5, 3)[:axes], groups=6, algorithm="depthwise", **options)
    direct = LAYERS[axes](6, 6, (4, 5, 3)[:axes], groups=6, algorithm="direct", **options)
    direct.load_state_dict(layer.state_dict())
    return layer, direct


def values(layer: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The output and the gradients of the input and of all parameters."""
    x = x.detach().requires_grad_()
    output = layer(x)
    return output.detach(), *torch.autograd.grad(output.square().sum(), (x, *layer.parameters()))


@needs_library
@pytest.mark.parametrize("options", [{}, {"padding": "same", "dilation": 2, "window": None}, {"stride": 2}], ids=str)
@pytest.mark.parametrize("axes", LAYERS)
def test_layers_are_torchs(axes, options, calls):
    layer, direct = pair(axes, **options)
    x = torch.randn(2, 6, 13, 12, 11)[(..., *[0] * (3 - axes))]
    assert_close(values(layer, x), values(direct, x), scale=3)
    assert {"input_gradient", "weight_gradient"} <= set(calls)
    assert_close(layer(x[0]), direct(x[0]), scale=3)


@needs_library
@pytest.mark.parametrize("padding_mode", ["zeros", "circular", "reflect"])
def test_channels_last_stays(padding_mode, calls):
    layer, direct = pair(2, padding=2, padding_mode=padding_mode)
    x = torch.randn(2, 6, 13, 12).contiguous(memory_format=torch.channels_last)
    ours, torchs = values(layer, x), values(direct, x)
    assert_close(ours, torchs, scale=3)
    for one, other in zip(ours[:2], torchs[:2], strict=True):
        assert one.stride() == other.stride()


@needs_library
def test_only_what_is_needed(calls):
    layer, direct = pair(2, window=None)
    x = torch.randn(2, 6, 30, 30)
    layer.weight.requires_grad_(False)
    direct.weight.requires_grad_(False)
    for one in (layer, direct):
        one(x).sum().backward()
    assert_close(layer.bias.grad, direct.bias.grad)
    assert calls == ["forward"]


@needs_library
def test_wide_contiguous_images_and_volumes_go_through_the_native_forward(calls):
    pair(2)[0](torch.randn(1, 6, 9, 40))
    pair(3)[0](torch.randn(1, 6, 9, 9, 9))
    assert calls == ["forward"] * 2
    pair(2)[0](torch.randn(1, 6, 9, 40).contiguous(memory_format=torch.channels_last))
    pair(3)[0](torch.randn(1, 6, 9, 9, 9).contiguous(memory_format=torch.channels_last_3d))
    assert calls == ["forward"] * 2


def test_second_derivatives():
    layer, direct = pair(2)
    x = torch.randn(2, 6, 9, 8)
    found = []
    for one in (layer, direct):
        y = x.clone().requires_grad_()
        [grad] = torch.autograd.grad(one(y).square().sum(), y, create_graph=True)
        found.append(torch.autograd.grad(grad.square().sum(), (y, one.weight)))
    assert_close(*found, scale=5)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")
def test_transforms_and_forward_mode_go_through_torch(calls):
    layer, direct = pair(2, window=None)
    x, t = torch.randn(3, 2, 6, 9, 8)[:2], torch.randn(2, 6, 9, 8)
    x = x[0]
    for transform in (
        lambda f: torch.func.grad(lambda x: f(x).square().sum())(x),
        lambda f: torch.func.vmap(f)(x),
        lambda f: torch.func.jvp(f, (x,), (t,))[1],
        lambda f: torch.autograd.functional.jvp(f, x, t)[1],
    ):
        assert_close(transform(layer), transform(direct), scale=3)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, t)
        tangents = [torch.autograd.forward_ad.unpack_dual(f(dual)).tangent for f in (layer, direct)]
    assert_close(*tangents)


@pytest.mark.parametrize("change", ["float64", "no library", "16 taps"])
def test_torch_computes_the_rest(change, calls, monkeypatch):
    layer = WindowedConv2d(4, 4, 16 if change == "16 taps" else 5, groups=4, window=None, algorithm="depthwise")
    x = torch.randn(1, 4, 40, 40)
    if change == "float64":
        layer, x = layer.double(), x.double()
    elif change == "no library":
        monkeypatch.setattr(library, "library", lambda: None)
    assert_close(values(layer, x)[0], torch.conv2d(x, layer.weight, layer.bias, groups=4).detach())
    assert calls == []


@needs_library
def test_autocast():
    layer, direct = pair(2, padding=2)
    x = torch.randn(2, 6, 9, 40)
    with torch.autocast("cpu", torch.bfloat16):
        ours, torchs = values(layer, x), values(direct, x)
    assert ours[0].dtype == torch.bfloat16
    assert_close(ours, torchs, torch.bfloat16)


@needs_library
def test_a_choice_for_training_of_wide_kernels(monkeypatch):
    monkeypatch.setattr(choice, "choose", lambda *args: "fft")
    x = torch.randn(2, 16, 14, 14)
    net = nn.Sequential(
        nn.Conv2d(16, 16, 5, padding=2, groups=16), nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.Conv2d(16, 16, 5)
    )
    set_algorithm(net, "auto")
    report = algorithm_report(net, x, training=True)
    assert report.pins == {"0": "depthwise", "1": "fft", "2": "fft"}
    assert "depthwise" not in algorithm_report(net, x, training=False).pins.values()
    set_algorithm(net, report.pins)
    assert [layer.algorithm for layer in net] == ["depthwise", "fft", "fft"]
    assert algorithm_report(net.double(), x.double(), training=True).pins["0"] != "depthwise"


def test_other_layers_are_left():
    net = nn.Sequential(nn.Conv2d(8, 8, 5, groups=8), nn.Conv2d(8, 8, 5), WindowedConv2d(8, 8, 5), nn.Conv2d(8, 16, 3))
    set_algorithm(net, "depthwise")
    assert [getattr(layer, "algorithm", "torch") for layer in net] == ["depthwise", "torch", "auto", "torch"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WindowedConv2d(8, 8, 5, algorithm="depthwise"), "groups=1, in_channels=8, .* allowed: one group for"),
        (lambda: WindowedConvTranspose2d(8, 8, 5, groups=8, algorithm="depthwise"), "transposed; allowed: one group"),
        (
            lambda: fft_conv2d(torch.rand(1, 4, 9, 9), torch.rand(8, 1, 3, 3), groups=4, algorithm="depthwise"),
            r"groups=4 with weight.shape=\(8, 1, 3, 3\); allowed with algorithm='depthwise': one group",
        ),
    ],
)
def test_refusals(make, message):
    with pytest.raises(InputError, match=message):
        make()


# --- as operators -----------------------------------------------------------------------------------------------------

OPTIONS = [2, 1], [1, 2, 0, 3], [1, 2]


@needs_library
@pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"
)  # by opcheck itself
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_opcheck(memory_format, dtype):
    x = torch.randn(2, 3, 9, 30, dtype=dtype).contiguous(memory_format=memory_format).requires_grad_()
    w, b = (torch.randn(shape, dtype=dtype, requires_grad=True) for shape in ((3, 1, 4, 5), (3,)))
    output = depthwise.depthwise(x, w, b, *OPTIONS)
    torch.library.opcheck(depthwise.depthwise, (x, w, b, *OPTIONS))
    gradient = torch.randn_like(output)
    for needs in ([True, True, True], [False, True, False], [True, False, True]):
        arguments = gradient, x.detach(), w.detach(), *OPTIONS, needs
        torch.library.opcheck(depthwise.depthwise_backward, arguments)


@needs_library
def test_operations_are_counted_as_torchs():
    layer, direct = pair(2)
    counts = []
    for one in (layer, direct):
        with FlopCounterMode(display=False) as counter:
            one(torch.randn(2, 6, 13, 12, requires_grad=True)).square().sum().backward()
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] > 0


@needs_library
def test_empty_batches():
    layer, direct = pair(2)
    assert_close(values(layer, torch.randn(0, 6, 13, 12)), values(direct, torch.randn(0, 6, 13, 12)))


@pytest.mark.slow
@needs_library
@pytest.mark.parametrize("dynamic", [False, True])
def test_compiled(dynamic, calls):
    layer, direct = pair(2, padding=2)
    compiled = torch.compile(layer, fullgraph=True, dynamic=dynamic)
    for columns in (30, 33):
        x = torch.randn(2, 6, 13, columns)
        assert_close(values(compiled, x), values(direct, x), scale=3)
    assert {"forward", "input_gradient", "weight_gradient"} <= set(calls)


@needs_library
def test_symbolic_sizes_are_torchs():
    geometry = make_geometry((5, 5), 1, 2, 1, 4)
    size = FakeTensorMode(shape_env=ShapeEnv()).from_tensor(torch.randn(3, 4, 9, 9), static_shapes=False).shape
    weight = torch.randn(4, 1, 5, 5)
    assert not depthwise.computes(size, weight, geometry, torch.float32)
    assert depthwise.computes((3, 4, 9, 9), weight, geometry, torch.float32)
