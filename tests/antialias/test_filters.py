"""Low-pass taps: the binomial ones of the paper, windowed sincs as SciPy designs them, gain 1 at frequency zero."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import firwin

from windowconv.antialias import blur_taps
from windowconv.errors import InputError


def test_binomial_taps_are_those_of_the_paper() -> None:
    for taps, expected in {1: [1], 2: [1, 1], 3: [1, 2, 1], 5: [1, 4, 6, 4, 1], 7: [1, 6, 15, 20, 15, 6, 1]}.items():
        np.testing.assert_allclose(blur_taps(taps), np.array(expected) / sum(expected), rtol=1e-15)


@pytest.mark.parametrize("window", ["hamming", "blackman", ("kaiser", 5.0)])
@pytest.mark.parametrize(("taps", "cutoff"), [(7, 0.25), (8, 0.1), (31, 0.125)])
def test_windowed_sincs_are_scipys(window: object, taps: int, cutoff: float) -> None:
    expected = firwin(taps, cutoff, window=window, fs=1.0)  # pyright: ignore[reportArgumentType]
    np.testing.assert_allclose(blur_taps(taps, window, cutoff), expected, rtol=1e-12, atol=1e-15)  # pyright: ignore[reportArgumentType]


def test_the_cutoff_follows_the_stride() -> None:
    np.testing.assert_array_equal(blur_taps(9, "hamming", stride=4), blur_taps(9, "hamming", 1 / 8))


@given(taps=st.integers(1, 40), window=st.sampled_from(["binomial", "hamming", "cosine"]), stride=st.integers(1, 6))
def test_the_gain_at_zero_is_one_and_the_taps_are_symmetric(taps: int, window: str, stride: int) -> None:
    found = blur_taps(taps, window, stride=stride)
    assert abs(found.sum() - 1) < 1e-12
    np.testing.assert_allclose(found, found[::-1], atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "taps=0; allowed: an int of 1 or more"),
        ((3, "binomial", 0.2), "cutoff=0.2; allowed: None with the binomial filter"),
        ((3, "hamming", 0.6), r"cutoff=0.6; allowed: above 0, at most 0.5"),
        ((3, "hamming", True), "cutoff=True"),
        ((3, "haming"), "did you mean 'hamming'"),
        ((3, "binomial", None, 0), "stride=0"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        blur_taps(*arguments)  # pyright: ignore[reportArgumentType]
