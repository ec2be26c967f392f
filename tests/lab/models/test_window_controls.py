"""A window's values, otherwise arranged: what each control keeps of the window, and what it takes away."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import get_window

from windowconv.lab.models.window_controls import CONTROLS, box, jittered, shuffled

TAPS = get_window("hamming", 7, fftbins=False)
HAMMING = np.outer(TAPS, TAPS)


@given(seed=st.integers(0, 2**31))
def test_permuted_values_are_the_windows_own(seed: int) -> None:
    for permute in (shuffled, jittered):
        found = permute(HAMMING, seed)
        np.testing.assert_array_equal(np.sort(found, axis=None), np.sort(HAMMING, axis=None))
        np.testing.assert_array_equal(found, permute(HAMMING, seed))  # the same for the same seed


@given(seed=st.integers(0, 2**31), size=st.sampled_from([(3, 3), (5, 5), (7, 5)]))
def test_jittered_values_move_by_one_tap_at_most(seed: int, size: tuple[int, int]) -> None:
    places = np.arange(size[0] * size[1], dtype=float).reshape(size)  # each value says where it was
    rows, columns = np.divmod(jittered(places, seed), size[1])
    assert np.abs(rows - np.arange(size[0])[:, None]).max() <= 1
    assert np.abs(columns - np.arange(size[1])).max() <= 1


def test_jittered_is_no_identity_and_differs_with_the_seed() -> None:
    first, second = jittered(HAMMING, 0), jittered(HAMMING, 1)
    assert (first != HAMMING).mean() > 0.3
    assert (first != second).any()
    assert (first != first[::-1]).any()  # no longer symmetric, so no longer smooth


@pytest.mark.parametrize("size", [3, 5, 7, 9])
def test_a_box_has_two_values_and_the_windows_energy_inside_and_out(size: int) -> None:
    taps = get_window("hamming", size, fftbins=False)
    values = np.outer(taps, taps)
    found, middle = box(values), slice(size // 2 - 1, size // 2 + 2)
    assert len(np.unique(found)) == (1 if size == 3 else 2)
    np.testing.assert_allclose((found[middle, middle] ** 2).sum(), (values[middle, middle] ** 2).sum(), rtol=1e-12)
    np.testing.assert_allclose((found**2).sum(), (values**2).sum(), rtol=1e-12)


def test_every_control_keeps_the_energy() -> None:
    for name, control in CONTROLS.items():
        np.testing.assert_allclose((control(HAMMING, 3) ** 2).sum(), (HAMMING**2).sum(), rtol=1e-12, err_msg=name)
