"""Windows against SciPy, closed forms and the table of the paper."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import get_window as scipy_window
from scipy.signal.windows import hann

from windowconv.errors import InputError, WindowWarning
from windowconv.windows import Window, as_window, get_window, window_values

SCIPY = [
    "hamming", "boxcar", "triang", "parzen", "cosine", "lanczos", "tukey", "taylor", "nuttall", "flattop",
    ("kaiser", 8.6), ("tukey", 0.5), ("gaussian", 1.2), ("general_hamming", 0.6), ("chebwin", 100),
    ("general_gaussian", 1.5, 2.0), ("general_cosine", (0.5, 0.4, 0.1)), ("exponential", None, 3.0),
]  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")


@given(window=st.sampled_from(SCIPY), size=st.integers(3, 40), sym=st.booleans())
def test_values_are_scipys(window, size, sym):
    expected = scipy_window(window, size, fftbins=not sym)
    got = get_window(window, size, sym=sym, dtype=torch.float64)
    np.testing.assert_allclose(got.numpy(), expected, rtol=0, atol=1e-15)


def test_the_papers_hamming():
    expected = [0.08, 0.31, 0.77, 1, 0.77, 0.31, 0.08]
    np.testing.assert_allclose(get_window("hamming", 7).numpy(), expected, atol=1e-7)


@given(
    window=st.sampled_from(SCIPY[:4]),
    size=st.lists(st.integers(2, 9), min_size=1, max_size=3).map(tuple),
)
def test_separable_is_the_outer_product(window, size):
    got = get_window(window, size, dtype=torch.float64).numpy()
    for index in np.ndindex(size):
        expected = 1.0
        for i, n in zip(index, size, strict=True):
            expected *= scipy_window(window, n, fftbins=False)[i]
        assert got[index] == pytest.approx(expected, abs=1e-15)


def test_one_window_an_axis():
    got = get_window(["hamming", ("kaiser", 5.0)], (5, 7), dtype=torch.float64).numpy()
    rows = scipy_window("hamming", 5, fftbins=False)
    columns = scipy_window(("kaiser", 5.0), 7, fftbins=False)
    np.testing.assert_allclose(got, np.outer(rows, columns), atol=1e-15)


@pytest.mark.parametrize("size", [(7, 7), (5, 9), (4, 6), (4, 5), (3, 5, 7)])
@pytest.mark.parametrize("sym", [True, False])
def test_radial_depends_on_the_radius_alone(size, sym):
    got = get_window("hamming", size, kind="radial", sym=sym, dtype=torch.float64).numpy()
    longest = max(size)
    profile = scipy_window("hamming", longest + (not sym), fftbins=False)
    grid = np.linspace(-1, 1, longest + (not sym))
    for index in np.ndindex(size):
        half = [(n - sym) / 2 for n in size]
        radius = np.sqrt(sum(((i - h) / h) ** 2 for i, h in zip(index, half, strict=True)))
        assert got[index] == pytest.approx(np.interp(min(radius, 1), grid, profile), abs=1e-14)


def test_radial_is_the_profile_on_the_axes_of_an_odd_square():
    got = get_window("hamming", (7, 7), kind="radial", dtype=torch.float64)
    torch.testing.assert_close(got[3], get_window("hamming", 7, dtype=torch.float64), rtol=0, atol=1e-15)
    torch.testing.assert_close(got, got.T)
    assert got[0, 0] == pytest.approx(0.08)


@pytest.mark.parametrize("size", [7, (7, 5), (5, 6, 7)])
def test_normalizations(size):
    raw = get_window("hamming", size, dtype=torch.float64)
    for name, figure in {
        "peak": lambda w: w.abs().max(),
        "sum": lambda w: w.mean(),
        "energy": lambda w: w.square().mean(),
    }.items():
        w = get_window("hamming", size, normalize=name, dtype=torch.float64)
        assert figure(w).item() == pytest.approx(1, abs=1e-14)
        torch.testing.assert_close(w / w.max(), raw / raw.max())


def test_plain_hamming_starts_at_0342_of_the_standard_deviation():
    assert get_window("hamming", (7, 7), dtype=torch.float64).square().mean().sqrt().item() == pytest.approx(
        0.342, abs=5e-4
    )


def test_tensors_and_callables_are_stored_by_their_values():
    profile = torch.linspace(0.5, 1, 5, dtype=torch.float64)
    square = get_window(profile, (5, 5), dtype=torch.float64)
    torch.testing.assert_close(square, torch.outer(profile, profile))
    exact = torch.rand(3, 5, dtype=torch.float64)
    assert torch.equal(get_window(exact, (3, 5), dtype=torch.float64), exact)
    longer = as_window(lambda n: hann(n + 2)[1:-1], (5, 7))
    expected = np.outer(hann(7)[1:-1], hann(9)[1:-1])
    np.testing.assert_allclose(window_values(longer, (5, 7)), expected, atol=1e-15)


SHORTHANDS = [*SCIPY, None, ["hamming", "boxcar"], torch.rand(5), torch.rand(5, 5), lambda n: np.ones(n)]


@pytest.mark.parametrize("window", SHORTHANDS)
@pytest.mark.parametrize("normalize", ["none", "energy"])
def test_json_and_pickle_round_trip(window, normalize):
    spec = as_window(window, (5, 5), normalize=normalize)
    assert Window.from_json(spec.to_json()) == spec
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert hash(spec) == hash(Window.from_json(spec.to_json()))


@pytest.mark.parametrize(
    ("window", "options", "message"),
    [
        ("hammming", {}, "did you mean 'hamming'"),
        ("hamming_periodic", {}, "contradicts sym=True"),
        ("hamming_symmetric", {"sym": False}, "contradicts sym=False"),
        ("kaiser", {}, "kaiser"),
        (("hamming", 3), {}, "hamming"),
        (("kaiser", "wide"), {}, "finite numbers"),
        (("gaussian", float("nan")), {}, "finite numbers"),
        (("gaussian", 0.0), {}, "nan.* at size 7; allowed: finite"),
        (("dpss", 3.6), {}, "NW must be less than M/2"),
        (("kaiser_bessel_derived", 8.0), {}, "even number"),
        ((), {}, "allowed: a tuple of name"),
        ((7, 7), {}, "allowed: a tuple of name"),
        (["hamming"], {}, "allowed: 2 windows"),
        (torch.tensor([[1.0, float("nan")]]), {}, "finite numbers"),
        (torch.ones(3, 3), {}, "allowed: .7, 7., the kernel's size"),
        (torch.ones(5), {}, "allowed: .7,., one value"),
        (torch.ones(7, 7), {"kind": "radial"}, "1-D profile"),
        (["hamming", "hamming"], {"kind": "radial"}, "one window for all axes"),
        (lambda n: np.arange(1.0, n + 1), {"kind": "radial"}, "symmetric profile"),
        (torch.tensor([1, 0, 0, 0, 0, 0, -1.0]), {"normalize": "sum"}, "by zero; allowed: 'none'"),
        (torch.ones(7, dtype=torch.complex64), {}, "allowed: a rectangular array of real numbers"),
        (torch.tensor(1.0), {}, "one value per tap"),
        (3.5, {}, "window=3.5; allowed"),
        ("hamming", {"kind": "round"}, "kind='round'; allowed"),
        ("hamming", {"normalize": "area"}, "normalize='area'; allowed"),
        (Window("hamming"), {"sym": False}, "contradicts"),
        ("hamming", {"dtype": torch.int32}, "floating-point"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bad_windows(window, options, message):
    with pytest.raises(InputError, match=message) as caught:
        get_window(window, (7, 7), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [0, -1, (3, 0), 2.5, (), (1, 2, 3, 4), "7", True])
def test_bad_sizes(size):
    with pytest.raises(InputError):
        get_window("hamming", size)


def test_all_zero_window_is_refused():
    with pytest.raises(InputError, match="zero at every tap"):
        get_window("hann", 2)


@pytest.mark.parametrize(
    ("window", "size", "message"),
    [
        ("hann", (7, 7), "24 of 49 taps"),
        ("blackman", (7, 7), "24 of 49 taps"),
        ("hamming", (3, 3), "nearly closes a 3x3"),
        ("hamming", 2, "nearly closes"),
        (("kaiser", 14.0), 3, "nearly closes"),
    ],
)
def test_one_warning_for_a_bad_size(window, size, message):
    with pytest.warns(WindowWarning, match=message) as caught:
        get_window(window, size)
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [5, 7, 9, 11, (1, 7)])
def test_no_warning_for_a_sound_window(size):
    get_window("hamming", size)
    get_window(None, size)
