"""The choice of algorithm by the built-in rates, which are the same everywhere."""

import math

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from windowconv.fftconv import calibration, choice, fft_conv2d, rates
from windowconv.fftconv.choice import choose, estimate, ever_faster
from windowconv.fftconv.native import library
from windowconv.fftconv.problem import Axis, Problem
from windowconv.fftconv.workspace import set_workspace_limit, workspace_limit

CPU = torch.device("cpu")
FLOAT, HALF = torch.float32, torch.bfloat16


def square(batch: int, channels: int, pixels: int, taps: int, groups: int = 1, stride: int = 1) -> Problem:
    axis = Axis(pixels, taps, stride, before=taps // 2, after=taps // 2)
    return Problem(batch, channels, channels, groups, (axis, axis))


@pytest.fixture
def _native(monkeypatch: pytest.MonkeyPatch):
    """Decide as where the native operator is, with blocks of 32 channels, whether or not it is here."""
    monkeypatch.setattr(
        choice, "implementation_name", lambda dtype: "native" if dtype in (FLOAT, HALF) else "reference"
    )
    monkeypatch.setattr(rates, "lanes_of", lambda way: 32 if way == "native" else 1)
    choice._estimate.cache_clear()
    yield
    choice._estimate.cache_clear()


CLEAR = [
    (square(32, 256, 14, 7), FLOAT, True, "fft"),
    (square(32, 256, 14, 7), FLOAT, False, "fft"),
    (square(32, 512, 7, 7), FLOAT, True, "fft"),
    (square(32, 64, 56, 7), FLOAT, True, "fft"),
    (square(64, 128, 14, 5), FLOAT, True, "fft"),
    (square(64, 256, 28, 3), FLOAT, True, "fft"),
    (square(64, 256, 16, 11), HALF, True, "fft"),
    (square(64, 128, 28, 7), HALF, False, "fft"),
    (square(16, 256, 28, 31, groups=256), FLOAT, True, "fft"),
    (square(16, 64, 56, 13, groups=64), FLOAT, True, "fft"),
    (square(32, 256, 14, 7, groups=4), FLOAT, True, "fft"),
    (square(64, 256, 14, 1), FLOAT, True, "direct"),
    (square(1, 64, 7, 3), FLOAT, True, "direct"),
    (square(1, 64, 7, 3), FLOAT, False, "direct"),
    (square(1, 256, 7, 3), FLOAT, True, "direct"),
    (square(32, 64, 14, 3), HALF, False, "direct"),
    (square(8, 64, 7, 3), HALF, True, "direct"),
    (square(16, 256, 14, 3, groups=256), FLOAT, True, "direct"),
    (square(16, 64, 28, 7, groups=64), HALF, False, "direct"),
    (square(32, 64, 14, 3, stride=2), HALF, True, "direct"),
    (Problem(32, 3, 32, 1, (Axis(28, 3, before=1, after=1),) * 2), FLOAT, True, "direct"),
    (Problem(32, 1, 32, 1, (Axis(28, 3, before=1, after=1),) * 2), FLOAT, False, "direct"),
    (square(0, 256, 14, 7), FLOAT, True, "direct"),
]


@pytest.mark.usefixtures("_native")
@pytest.mark.parametrize(("problem", "dtype", "training", "expected"), CLEAR)
def test_clear_cases(problem, dtype, training, expected):
    assert choose(problem, dtype, CPU, training) == expected


@pytest.mark.usefixtures("_native")
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("dtype", [FLOAT, HALF], ids=str)
@pytest.mark.parametrize("pixels", [56, 32, 28, 16, 14, 8, 7])
@pytest.mark.parametrize("channels", [64, 128, 256, 512])
def test_a_larger_kernel_never_turns_back_to_direct(channels, pixels, dtype, training):
    for batch in (1, 8, 64):
        chosen = [choose(square(batch, channels, pixels, k), dtype, CPU, training) for k in (3, 5, 7, 9, 11)]
        assert chosen == sorted(chosen)  # "direct" comes before "fft"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16], ids=str)
def test_other_dtypes_go_by_the_reference(dtype):
    assert choose(square(32, 256, 14, 7), dtype, CPU, True) == "fft"
    assert choose(square(1, 16, 7, 3), torch.float64, CPU, True) == "direct"


@pytest.mark.usefixtures("_native")
def test_without_the_native_operator_less_is_worth_it(monkeypatch):
    problem = square(32, 128, 14, 3)
    assert choose(problem, FLOAT, CPU, True) == "fft"
    monkeypatch.setattr(choice, "implementation_name", lambda dtype: "reference")
    choice._estimate.cache_clear()
    assert choose(problem, FLOAT, CPU, True) == "direct"
    assert choose(square(32, 256, 14, 9), FLOAT, CPU, True) == "fft"


def test_estimates_say_what_is_chosen():
    for problem, dtype, training, _ in CLEAR[:-1]:
        guess = estimate(problem, dtype, CPU, training)
        assert 0 < guess.fft_s < math.inf
        assert 0 < guess.direct_s < math.inf
        assert guess.choice == ("fft" if guess.fft_s < guess.direct_s else "direct")


def test_other_devices_and_dtypes_stay_direct():
    problem = square(32, 256, 14, 7)
    assert choose(problem, FLOAT, torch.device("cuda"), True) == "direct"
    assert choose(problem, torch.complex64, CPU, True) == "direct"
    assert estimate(problem, torch.complex64, CPU, True).fft_s == math.inf
    assert not ever_faster(FLOAT, torch.device("meta"))
    assert not ever_faster(torch.int8, CPU)
    assert ever_faster(FLOAT, CPU)


def test_traced_sizes_stay_direct():
    def convolve(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return fft_conv2d(x, w, padding=3, algorithm="auto")

    graph = make_fx(convolve, tracing_mode="symbolic")(torch.rand(8, 64, 14, 14), torch.rand(64, 64, 7, 7)).graph
    assert "aten.convolution.default" in [str(node.target) for node in graph.nodes]


def test_where_work_space_is_too_small_direct():
    problem, before = square(32, 256, 14, 7), workspace_limit()
    try:
        set_workspace_limit(1000)
        assert choose(problem, FLOAT, CPU, True) == "direct"
        assert estimate(problem, FLOAT, CPU, True).fft_s == math.inf
    finally:
        set_workspace_limit(before)
    assert choose(problem, FLOAT, CPU, True) == "fft"


def test_measured_rates_count(monkeypatch):
    problem = square(32, 256, 14, 7)
    slow = dict.fromkeys(("call", "memory", "arithmetic"), 1000.0)
    slowed = rates.Rates({rates.group(rates.implementation_name(FLOAT), "float32", "dense"): slow})
    monkeypatch.setattr(calibration, "rates", lambda _: slowed)
    assert choose(problem, FLOAT, CPU, True) == "direct"
    normal = rates.Rates().seconds(problem, FLOAT, rates.implementation_name(FLOAT), True)
    assert estimate(problem, FLOAT, CPU, True).fft_s == pytest.approx(1000 * normal)


def test_lanes_are_those_of_the_library():
    opened = library.library()
    assert rates.lanes_of("reference") == 1
    if opened is not None:
        assert rates.lanes_of("native") == opened.wc_lanes()
