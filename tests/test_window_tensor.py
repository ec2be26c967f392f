"""A window is a value of its specification: it is right whatever handles the state of modules.

The oracle is torch's plain layer with the weight times the window, which is computed here.
"""

import copy
import io
import multiprocessing
import pickle
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo.testing
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.utils import skip_init, stateless
from torch.optim.swa_utils import AveragedModel

from tolerances import assert_close
from windowconv.inference import prepare_inference
from windowconv.layers import WindowedConv2d
from windowconv.learnable import LearnableWindow
from windowconv.window_tensor import coordinate_tensor, window_tensor
from windowconv.windows import Window, window_values

CPU = torch.device("cpu")
WINDOWS = {"fixed": "hamming", "radial": Window("hamming", kind="radial"), "learnable": LearnableWindow("gaussian")}
OLD = Path(__file__).parent / "data" / "layers-with-buffers.pt"  # made when windows were buffers
each_window = pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)


def layer(window: Any = "hamming", **options: Any) -> WindowedConv2d:
    return WindowedConv2d(3, 4, 7, padding=3, window=window, algorithm="direct", **options)


def images(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.linspace(-1, 1, 2 * 3 * 9 * 8).view(2, 3, 9, 8).to(dtype)


def plain_output(layer: WindowedConv2d, input: Tensor, weight: Tensor | None = None) -> Tensor:
    """What torch's layer computes with the raw weight times the exact window, rounded once."""
    weight = layer.weight if weight is None else weight
    if isinstance(layer.window, LearnableWindow):
        assert layer.learnable_window is not None
        sigma = nn.functional.softplus(layer.learnable_window.raw.detach().double()).item()
        profile = torch.exp(-0.5 * (torch.arange(-3.0, 4, dtype=torch.float64) / sigma).square())
        values = profile[:, None] * profile
    else:
        values = torch.tensor(window_values(layer.window, layer.kernel_size))
    plain = nn.Conv2d(3, 4, 7, padding=3, dtype=weight.dtype)
    with torch.no_grad():
        plain.weight.copy_(weight * values.to(weight.dtype))
        assert plain.bias is not None
        assert layer.bias is not None
        plain.bias.copy_(layer.bias)
        return plain(input)


def with_half_data(layer: WindowedConv2d) -> nn.Module:
    for parameter in layer.parameters():
        parameter.data = parameter.data.bfloat16()
    return layer


def with_assigned_parameters(layer: WindowedConv2d) -> nn.Module:
    for module in layer.modules():
        for name, parameter in list(module._parameters.items()):
            assert parameter is not None
            setattr(module, name, nn.Parameter(parameter.detach().double()))
    return layer


def in_inference_mode(change: Callable[[WindowedConv2d], Any]) -> Callable[[WindowedConv2d], nn.Module]:
    def changed(layer: WindowedConv2d) -> nn.Module:
        with torch.inference_mode():
            change(layer)
        return layer

    return changed


def filled(layer: WindowedConv2d) -> nn.Module:
    """Made on the meta device, given memory, filled tensor by tensor as transformers and accelerate do."""
    with torch.device("meta"):
        empty = copy.deepcopy(layer).to("meta")
    for module in empty.modules():
        for kept in (module._parameters, module._buffers):
            for name, tensor in list(kept.items()):
                assert tensor is not None
                garbage: Any = torch.full_like(tensor, torch.nan, device="cpu")
                kept[name] = nn.Parameter(garbage) if kept is module._parameters else garbage
    empty.load_state_dict(layer.state_dict())
    return empty


def skipped_init(layer: WindowedConv2d) -> nn.Module:
    made = skip_init(WindowedConv2d, 3, 4, 7, padding=3, window=layer.window, algorithm="direct")
    made.load_state_dict(layer.state_dict())
    return made


def swapped(layer: WindowedConv2d) -> nn.Module:
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        return layer.double().float().double()
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)


def replica(layer: WindowedConv2d) -> nn.Module:
    """As DataParallel makes it: parameters are plain attributes."""
    copied = layer._replicate_for_data_parallel()
    pairs = [(layer, copied)]
    if layer.learnable_window is not None:
        copied.learnable_window = layer.learnable_window._replicate_for_data_parallel()
        pairs.append((layer.learnable_window, copied.learnable_window))
    for module, twin in pairs:
        for name, parameter in module._parameters.items():
            assert parameter is not None
            object.__setattr__(twin, name, parameter * 1)
    return copied


def cast_state(layer: WindowedConv2d) -> nn.Module:
    """Whatever fills all state that it finds and knows only of parameters."""
    for module in layer.modules():
        for name, buffer in module._buffers.items():
            assert buffer is not None
            module._buffers[name] = torch.full_like(buffer, torch.nan)
    return layer


CHANGES: dict[str, Callable[[WindowedConv2d], nn.Module]] = {
    "weight.data=bfloat16": with_half_data,
    "assigned parameters": with_assigned_parameters,
    "to in inference_mode": in_inference_mode(lambda layer: layer.to(torch.float64).to(torch.float32)),
    "load in inference_mode": in_inference_mode(lambda layer: layer.load_state_dict(layer.state_dict())),
    "channels_last in inference_mode": in_inference_mode(lambda layer: layer.to(memory_format=torch.channels_last)),
    "filled from meta": filled,
    "skip_init": skipped_init,
    "swap_tensors": swapped,
    "all buffers overwritten": cast_state,
    "share_memory": lambda layer: layer.share_memory(),
    "deepcopy": copy.deepcopy,
    "pickle": lambda layer: pickle.loads(pickle.dumps(layer)),
    "replica": replica,
}


@pytest.mark.compatibility(
    "torch",
    "casts and moves by hand: weight.data, inference_mode, skip_init, swap_tensors, from the meta device",
)
@each_window
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_layer_is_right_after(change, window):
    changed: Any = change(layer(window))
    input = images(changed.weight.dtype)
    with torch.no_grad():
        assert_close(changed(input), plain_output(changed, input), scale=2)
    if changed.weight.is_inference() and window is WINDOWS["learnable"]:
        return  # as with torch's own layer, such a weight cannot take part in training
    changed(input).sum().backward()
    assert not changed.weight.is_leaf or changed.weight.grad is not None


@pytest.mark.compatibility("torch", "functional_call with weights of another dtype")
@each_window
@pytest.mark.parametrize(
    "call", [torch.func.functional_call, stateless._reparametrize_module], ids=["func", "stateless"]
)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64], ids=str)
def test_parameters_of_another_dtype_for_one_call(window, call, dtype):
    model, input = layer(window), images(dtype)
    state = {name: tensor.to(dtype) for name, tensor in model.named_parameters()}
    if call is torch.func.functional_call:
        got = call(model, state, (input,))
    else:
        with call(model, state):
            got = model(input)
    assert_close(got, plain_output(model, input, state["weight"]), scale=2)
    assert model.weight.dtype == torch.float32


@each_window
def test_gradients_by_functional_call_and_vmap(window):
    model, input = layer(window, dtype=torch.float64), images(torch.float64)
    state = dict(model.named_parameters())
    got = torch.func.grad(lambda state: torch.func.functional_call(model, state, (input,)).square().sum())(state)
    model(input).square().sum().backward()
    assert_close(got["weight"], model.weight.grad)
    several = {name: torch.stack([p, 2 * p]) for name, p in state.items()}
    outputs = torch.func.vmap(lambda state: torch.func.functional_call(model, state, (input,)))(several)
    for i in range(2):
        one = {name: p[i] for name, p in several.items()}
        assert_close(outputs[i], torch.func.functional_call(model, one, (input,)))


@each_window
def test_only_what_is_trained_is_state(window):
    model: nn.Module = nn.Sequential(layer(window))
    assert list(model.buffers()) == []
    raw = [] if window is not WINDOWS["learnable"] else ["0.learnable_window.raw"]
    assert list(model.state_dict()) == ["0.weight", "0.bias", *raw]
    assert b"window_values" not in pickle.dumps(model)
    averaged = AveragedModel(model, use_buffers=True)
    averaged.update_parameters(model)
    assert_close(averaged(images()), model(images()))


@each_window
def test_a_model_made_in_inference_mode_serves(window):
    with torch.inference_mode():
        model = layer(window)
        got = model(images())
    fresh = layer(window)  # the cached window is no inference tensor
    fresh(images()).sum().backward()
    assert fresh.weight.grad is not None
    assert_close(got, plain_output(model, images()))


@pytest.mark.compatibility("torch", "meta and fake tensors")
@each_window
def test_meta_and_fake_tensors(window):
    assert layer(window, device="meta")(images().to("meta")).is_meta
    with FakeTensorMode():
        fake = layer(window)
        assert fake(torch.empty(2, 3, 9, 8)).shape == (2, 4, 9, 8)
        elsewhere = layer(window, device="cuda", dtype=torch.bfloat16)
        output = elsewhere(torch.empty(2, 3, 9, 8, device="cuda", dtype=torch.bfloat16))
    assert output.device.type == "cuda"
    assert type(fake.effective_weight) is type(fake.weight.detach())
    real = layer(window)
    assert_close(real(images()), plain_output(real, images()), scale=2)


MODES: dict[str, Callable[[], Any]] = {
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "fake": FakeTensorMode,
    "device": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_the_cache_holds_plain_tensors_in_every_mode(mode):
    size = 5, 100 + list(MODES.values()).index(mode)  # in no other test: made here
    with mode():
        made = (
            window_tensor(Window("hamming"), size, torch.float32, CPU),
            coordinate_tensor(size, "separable", False, torch.float32, CPU),
        )
    for tensor in made:
        assert type(tensor) is Tensor
        assert not tensor.is_inference()
        assert tensor.device == CPU
        assert tensor.isfinite().all()
    assert torch.equal(made[0], torch.tensor(window_values(Window("hamming"), size), dtype=torch.float32))
    assert window_tensor(Window("hamming"), size, torch.float32, CPU) is made[0]


def test_the_cache_within_transforms():
    weight = torch.rand(3, dtype=torch.float64)

    def get():
        return window_tensor(Window("kaiser", (2.5,)), (3,), torch.float64, CPU)

    assert_close(torch.func.grad(lambda w: (w * get()).sum())(weight), get())
    assert get().requires_grad is False


def test_the_cache_in_threads_and_forked_processes():
    size = (3, 211)
    values = torch.tensor(window_values(Window("hamming"), size))
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: window_tensor(Window("hamming"), size, torch.float64, CPU), range(64)))
    assert all(torch.equal(tensor, values) for tensor in made)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.apply(_total, (size,)) == pytest.approx(float(values.sum()))
            assert pool.apply(_total, ((3, 213),)) > 0


def _total(size: tuple[int, ...]) -> float:
    return float(sum(window_tensor(Window("hamming"), size, torch.float64, CPU).flatten().tolist()))


@pytest.mark.compatibility("torch", "pickles of layers from before windows were values")
def test_pickles_that_hold_the_window_open_without_it():
    old = torch.load(OLD, weights_only=False)
    model = old["model"]
    assert list(model.buffers()) == []
    assert [module._non_persistent_buffers_set for module in model.modules()] == [set()] * 4
    assert_close(model(old["input"]), old["output"])
    assert_close(model.double()(old["input"].double()), old["output"].double(), torch.float32)
    assert list(copy.deepcopy(model).state_dict()) == list(model.state_dict())


@each_window
def test_compiled_regions_share_one_graph_and_follow_the_window(window):
    counter: Any = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    torch._dynamo.reset()
    layers = [layer(window) for _ in range(3)]
    layers += [pickle.loads(pickle.dumps(layers[0])), copy.deepcopy(layers[0])]
    for each in layers:
        each.compile(fullgraph=True, backend=counter)
        assert_close(each(images()), plain_output(each, images()), scale=2)
    assert counter.frame_count == 1
    layers[0].set_window(("kaiser", 4.0))
    assert_close(layers[0](images()), plain_output(layers[0], images()), scale=2)
    assert_close(layers[1](images()), plain_output(layers[1], images()), scale=2)


@each_window
def test_export_and_trace_keep_the_window_as_a_constant(window):
    model, input = layer(window).eval(), images()
    exported = torch.export.export(model, (input,))
    assert set(exported.state_dict) <= set(model.state_dict())
    file = io.BytesIO()
    torch.export.save(exported, file)
    file.seek(0)
    assert_close(torch.export.load(file).module()(input), plain_output(model, input), scale=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(model, input)
    assert_close(traced(input), plain_output(model, input), scale=2)


def test_an_assigned_window_is_the_window():
    model = layer()
    model.window = Window("kaiser", (6.0,))
    assert_close(model(images()), plain_output(model, images()))


@pytest.mark.parametrize("made_in_inference_mode", [False, True])
def test_no_prepared_kernel_is_out_of_date_in_inference_mode(made_in_inference_mode):
    x = torch.randn(2, 40, 12, 12)
    with torch.inference_mode(made_in_inference_mode):
        model = WindowedConv2d(40, 48, 7, padding=3, algorithm="fft").eval()
    with torch.inference_mode():
        report = prepare_inference(model, x)
        model(x)
        model.weight.mul_(2)
        got = model(x)
        assert_close(got, copy.deepcopy(model)(x))
    if made_in_inference_mode:
        assert not report.layers[0].prepared
        assert "inference_mode" in report.layers[0].reason
