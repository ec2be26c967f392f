"""Differences with intervals: what is drawn is what was given."""

import math

import numpy as np
import pytest

from windowconv.errors import InputError
from windowconv.plots.contrasts import contrasts

DIFFERENCES = {"7x7 minus 3x3": [1.0, 2.0, 3.0], "mean of a, b, c and some long names minus 7x7-hamming": [-1.0, 0.0]}
INTERVALS = {"7x7 minus 3x3": (0.5, 3.5), "mean of a, b, c and some long names minus 7x7-hamming": None}


def test_dots_means_and_intervals_are_the_given_ones() -> None:
    figure = contrasts(DIFFERENCES, INTERVALS, smallest=0.3)
    (axes,) = figure.axes
    lines = {tuple(np.asarray(line.get_xdata()).tolist()) for line in axes.lines}
    assert {(1.0, 2.0, 3.0), (2.0,), (0.5, 3.5), (-1.0, 0.0), (-0.5,)} <= lines
    assert "shaded: from 0 to 0.3" in axes.get_xlabel()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[0] == "7x7 minus 3x3"
    assert labels[1].replace("\n", " ") == list(DIFFERENCES)[1]
    assert "\n" in labels[1]
    assert "shaded" not in contrasts(DIFFERENCES, INTERVALS).axes[0].get_xlabel()


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InputError, match="differences"):
        contrasts({}, {})
    with pytest.raises(InputError, match="allowed: the names of the differences"):
        contrasts(DIFFERENCES, {"other": None})
    with pytest.raises(InputError, match=r"differences\['a'\]"):
        contrasts({"a": [math.nan]}, {"a": None})
