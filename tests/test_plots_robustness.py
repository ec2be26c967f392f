"""Figures about natural conditions hold the numbers given, in words that can be read."""

from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from figure_text import check_text
from test_plots import line, pixels
from windowconv.errors import InputError
from windowconv.plots import export
from windowconv.plots.robustness import ErrorPanel, error_curves, picture_sheet

RANDOM = np.random.default_rng(0)
ERRORS = {"3x3": RANDOM.uniform(10, 60, (3, 6)), "7x7-hamming": torch.tensor(RANDOM.uniform(10, 60, (3, 6)))}
CUTOFFS = ["1/32", "1/16", "1/8", "3/16", "1/4", "3/8"]
PANELS = [
    ErrorPanel("low-frequency", range(6), ERRORS),
    ErrorPanel("mid-frequency", range(6), {"3x3": ERRORS["3x3"][0]}),
    ErrorPanel("low pass", range(6), ERRORS, CUTOFFS),
]
ROWS = {
    "Gaussian noise": [
        ("clean", RANDOM.uniform(0, 1, (3, 32, 32))),
        *((str(s), torch.rand(3, 32, 32)) for s in range(1, 6)),
    ],
    "JPEG compression": [("clean", np.zeros((1, 28, 28))), ("1", np.ones((1, 28, 28)))],
    "fog": [("large", np.linspace(0, 1, 100 * 90).reshape(1, 100, 90))],
}
FIGURES = {
    "error_curves": lambda: error_curves(PANELS, "severity (0: clean)"),
    "one_panel": lambda: error_curves(PANELS[:1], "severity (0: clean)"),
    "picture_sheet": lambda: picture_sheet(ROWS),
}


def test_error_curves_draw_means_and_bands_on_one_scale():
    figure = error_curves(PANELS, "severity")
    assert [axes.get_title() for axes in figure.axes] == ["low-frequency", "mid-frequency", "low pass"]
    first = figure.axes[0]
    for arm, errors in ERRORS.items():
        drawn = line(first, f"{arm} (n = 3)")
        np.testing.assert_allclose(drawn.get_ydata(), np.asarray(errors).mean(0))
        assert list(drawn.get_xdata()) == list(range(6))
    assert len(first.collections) == 2
    assert list(line(figure.axes[1], "3x3").get_ydata()) == list(ERRORS["3x3"][0])
    highest = max(np.asarray(errors).max() for errors in ERRORS.values())
    assert all(axes.get_ylim() == (0, pytest.approx(1.06 * highest)) for axes in figure.axes)
    assert [text.get_text() for text in figure.axes[2].get_xticklabels()] == CUTOFFS
    assert first.get_ylabel() == "error (%)"
    assert error_curves([ErrorPanel("none", [0], {"a": [0.0]})], "x").axes[0].get_ylim() == (0, 1)


def test_a_sheet_has_every_picture_below_its_words():
    figure = picture_sheet(ROWS)
    grid = np.array(figure.axes).reshape(3, 6)
    for axes_row, held in zip(grid, ROWS.values(), strict=True):
        for axes, (words, picture) in zip(axes_row, held, strict=False):
            assert axes.get_title() == words
            expected = np.moveaxis(np.asarray(picture), 0, -1).squeeze()
            np.testing.assert_allclose(pixels(axes), expected)
        assert not any(axes.images for axes in axes_row[len(held) :])
    assert grid[1, 1].images[0].get_clim() == (0, 1)  # grey is not stretched


@pytest.mark.parametrize("name", FIGURES)
def test_text_can_be_read(name):
    check_text(FIGURES[name]())


@pytest.mark.parametrize("name", FIGURES)
def test_svg_is_deterministic(name):
    drawing = export.svg(FIGURES[name]())
    assert drawing == export.svg(FIGURES[name]())
    assert ElementTree.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: error_curves([], "x"), "shown is empty"),
        (lambda: error_curves([ErrorPanel("a", [0, 1], {})], "x"), "errors of the panel 'a' is empty"),
        (lambda: error_curves([ErrorPanel("a", [1, 0], {"3x3": [1, 2]})], "x"), "x of the panel 'a' does not increase"),
        (
            lambda: error_curves([ErrorPanel("a", [0, 1], {"3x3": [1, 2, 3]})], "x"),
            r"errors\['3x3'\] of the panel 'a'.shape=",
        ),
        (
            lambda: error_curves([ErrorPanel("a", [0, 1], {"3x3": [1, 200]})], "x"),
            "within 1 and 200; allowed: within 0 and 100",
        ),
        (lambda: error_curves([ErrorPanel("a", [0, 1], {"3x3": [1, np.nan]})], "x"), "has 1 NaN"),
        (
            lambda: error_curves([ErrorPanel("a", [0, 1], {"3x3": [1, 2]}, ["a"])], "x"),
            "1 ticks of the panel 'a'; allowed: 2",
        ),
        (lambda: picture_sheet({}), "rows is empty"),
        (lambda: picture_sheet({"a": []}), r"rows\['a'\] is empty"),
        (lambda: picture_sheet({"a": [("b", np.zeros((2, 4, 4)))]}), "picture of 2 channels within"),
        (
            lambda: picture_sheet({"a": [("b", np.full((1, 4, 4), 2))]}),
            "within 2 and 2; allowed: 1 or 3 channels",
        ),
        (lambda: picture_sheet({"a": [("b", np.zeros((4, 4)))]}), r"the picture 'b' of rows\['a'\].shape="),
    ],
)
def test_what_cannot_be_drawn_is_named(draw, message):
    with pytest.raises(InputError, match=message):
        draw()
