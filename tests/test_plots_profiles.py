"""Figures of what is inside kernels: what they show, and what they refuse."""

import numpy as np
import pytest
import torch

from figure_text import check_text
from windowconv import get_window, plots
from windowconv.errors import InputError

HAMMING = get_window("hamming", (7, 7), dtype=torch.float64)


def test_a_profile_is_drawn_beside_its_window_and_the_square():
    figure = plots.kernel_profiles({"7x7-hamming": 4 * HAMMING**2, "3x3": np.ones((3, 3))}, {"7x7-hamming": HAMMING})
    profile, window, square, flat = figure.axes[0].lines
    distance = np.asarray(profile.get_xdata())
    assert distance[:3] == pytest.approx([0, 1, np.sqrt(2)])
    assert distance[-1] == pytest.approx(np.sqrt(18))
    np.testing.assert_allclose(np.asarray(window.get_ydata())[1], HAMMING[3, 4])
    np.testing.assert_allclose(np.asarray(profile.get_ydata()), np.asarray(square.get_ydata()), rtol=1e-6)
    assert set(np.asarray(flat.get_ydata())) == {1}
    check_text(figure)


def test_accuracy_by_the_size_of_kernels():
    seeds = [{1: 10.0, 3: 50.0}, {1: 12.0, 3: 54.0}]
    figure = plots.accuracy_by_kernel_size({"3x3": seeds, "5x5": [{1: 10.0, 3: 40.0, 5: 60.0}]})
    drawn = [np.asarray(line.get_ydata()).tolist() for line in figure.axes[0].lines]
    assert drawn == [[10, 50], [12, 54], [11, 52], [10, 40, 60]]
    check_text(figure)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.kernel_profiles({}), "profiles is empty"),
        (
            lambda: plots.kernel_profiles({"a": np.zeros((3, 3))}),
            r"profiles\['a'\] within 0 and 0; allowed: 0 or above",
        ),
        (lambda: plots.kernel_profiles({"a": [[-1.0, 1.0]]}), "within -1 and 1"),
        (lambda: plots.kernel_profiles({"a": [1.0]}), r"profiles\['a'\].shape="),
        (lambda: plots.accuracy_by_kernel_size({"a": []}), r"accuracies\['a'\] is empty"),
        (lambda: plots.accuracy_by_kernel_size({"a": [{1: 1.0}, {3: 1.0}]}), "seeds of different sides"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_the_ticks_of_a_narrow_range_are_plain_numbers() -> None:
    figure = plots.kernel_profiles({"3x3": [[1.0, 1.2, 1.0], [1.2, 0.9, 1.2], [1.0, 1.2, 1.0]]})
    figure.canvas.draw()
    words = [label.get_text() for which in ("major", "minor") for label in figure.axes[0].get_yticklabels(which=which)]
    assert "0.8" in words
    assert not any("$" in word for word in words)
