"""The figures hold the very numbers given, say what they are, and refuse what cannot be drawn."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from figure_text import check_text
from windowconv import plots
from windowconv.errors import InputError

EPOCHS = np.array([1, 2, 3])
CURVES = {
    "3x3": [(EPOCHS, [10, 20, 30]), (EPOCHS, [20, 30, 50])],
    "7x7-hamming": [(EPOCHS, [30, 40, 60]), (EPOCHS[:2], [10, 20])],
}
RADII = np.array([0.0, 0.1, 0.2, 0.4])
SHARES = {"3x3": np.array([[1, 0.5, 0.3, 0.1], [1, 0.7, 0.5, 0.2]]), "theory": np.array([1, 0.1, 0.01, 0.0])}
LAYERS = ["conv1", "conv2", "conv3", "conv4"]
ACCURACY = {"3x3": [60.0, 62.0], "7x7": torch.tensor([59.5])}
WINDOW = np.outer([0.08, 0.54, 1, 0.54, 0.08], [0.08, 0.54, 1, 0.54, 0.08])
WEIGHT = np.random.default_rng(0).standard_normal((6, 3, 5, 5))

WINDOWS = {
    "boxcar": np.ones(7),
    "hann": 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(7) / 6),
    "1, 2, 1": [0, 0, 1, 2, 1, 0, 0],
    "one tap": torch.eye(7)[3],
}

FIGURES = {
    "learning_curves": lambda: plots.learning_curves(CURVES),
    "leakage_curves": lambda: plots.leakage_curves(SHARES, RADII),
    "leakage_by_layer": lambda: plots.leakage_by_layer(SHARES, LAYERS),
    "accuracy_by_arm": lambda: plots.accuracy_by_arm(ACCURACY),
    "kernels": lambda: plots.kernels(WEIGHT, WINDOW, count=6),
    "window_figure": lambda: plots.window_figure(WINDOW[2], "hamming"),
    "windows_figure": lambda: plots.windows_figure(WINDOWS),
}


def line(axes, label) -> Any:
    """The line of `axes` whose legend begins with `label`."""
    return next(one for one in axes.lines if str(one.get_label()).startswith(label))


def pixels(axes) -> Any:
    """The numbers of the image in `axes`."""
    return np.asarray(axes.images[0].get_array())


def test_learning_curves_draw_every_seed_and_the_mean_over_shared_epochs():
    axes = plots.learning_curves(CURVES, ylabel="loss").axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "loss")
    assert len(axes.lines) == 6
    drawn = [list(one.get_ydata()) for one in axes.lines]
    assert [20, 30, 50] in drawn
    assert [10, 20] in drawn
    assert list(line(axes, "3x3 (n = 2)").get_ydata()) == [15, 25, 40]
    assert list(line(axes, "7x7-hamming").get_xdata()) == [1, 2]
    assert list(line(axes, "7x7-hamming").get_ydata()) == [20, 30]


def test_leakage_curves_draw_means_bands_and_guides_on_a_log_axis():
    axes = plots.leakage_curves(SHARES, RADII).axes[0]
    assert axes.get_yscale() == "log"
    assert "cycles/pixel" in axes.get_xlabel()
    np.testing.assert_allclose(line(axes, "3x3").get_ydata(), [1, 0.6, 0.4, 0.15])
    np.testing.assert_allclose(line(axes, "3x3").get_xdata(), RADII)
    assert len(axes.collections) == 1  # one band: a single curve has none
    ends = [np.asarray(one.get_xdata()) for one in axes.lines]
    guides = [end[0] for end in ends if len(end) == 2]
    assert guides == [1 / 8, 1 / 4]


def test_leakage_by_layer_names_the_layers_in_order():
    axes = plots.leakage_by_layer(SHARES, LAYERS, r=0.125).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == LAYERS
    assert "0.125 cycles/pixel" in axes.get_ylabel()
    np.testing.assert_allclose(line(axes, "theory").get_ydata(), SHARES["theory"])
    assert axes.get_ylim()[0] == 0


def test_accuracy_by_arm_shows_seeds_mean_and_spread():
    axes = plots.accuracy_by_arm(ACCURACY).axes[0]
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels == ["3x3\n61.00 ± 1.41 (n = 2)", "7x7\n59.50 (n = 1)"]
    assert list(axes.lines[0].get_xdata()) == [60, 62]
    assert "does not start at 0" in axes.get_xlabel()


def test_kernels_shows_the_strongest_filters_before_and_after_the_window():
    weight = WEIGHT.copy()
    weight[4, 2] *= 10
    figure = plots.kernels(torch.tensor(weight, dtype=torch.float32), torch.tensor(WINDOW), count=3, title="conv1")
    assert len(figure.axes) == 12 + 2  # and two colour bars
    assert figure.axes[0].get_title() == "filter 4\ninput 2"
    np.testing.assert_allclose(pixels(figure.axes[0]), weight[4, 2], rtol=1e-6)
    np.testing.assert_allclose(pixels(figure.axes[3]), weight[4, 2] * WINDOW, rtol=1e-6)
    low, high = figure.axes[0].images[0].get_clim()
    assert low == -high
    for axes in figure.axes[6:12]:
        response = pixels(axes)
        assert response.shape == (64, 64)
        assert response.max() == 0
        assert response.min() >= -40


def test_the_response_of_a_cosine_peaks_at_its_frequency():
    cosine = np.cos(2 * np.pi * 0.25 * np.arange(16))
    figure = plots.kernels(np.outer(np.ones(16), cosine)[None, None])
    response = pixels(figure.axes[1])
    row, column = np.argwhere(response == 0)[0]
    left, right, *_ = figure.axes[1].images[0].get_extent()
    assert left + (column + 0.5) * (right - left) / 64 == pytest.approx(-0.25)
    assert row == 32


def test_a_zero_kernel_and_a_long_kernel_are_drawn():
    assert pixels(plots.kernels(np.zeros((1, 1, 3, 3))).axes[1]).max() == -40
    assert pixels(plots.kernels(np.ones((1, 1, 1, 51))).axes[1]).shape == (102, 102)


def test_window_figure_shows_taps_and_the_known_side_lobe():
    figure = plots.window_figure(0.54 - 0.46 * np.cos(2 * np.pi * np.arange(7) / 6), "hamming")
    taps, spectrum = figure.axes
    np.testing.assert_allclose(np.asarray(taps.lines[0].get_ydata())[3], 1)
    hamming, plain = line(spectrum, "hamming").get_ydata(), line(spectrum, "rectangular").get_ydata()
    frequency = line(spectrum, "hamming").get_xdata()
    assert hamming[0] == 0
    # Peak side lobes of the windows of length 7, beyond their main lobes.
    assert hamming[frequency > 0.42].max() == pytest.approx(-32.4, abs=0.1)
    assert plain[frequency > 0.15].max() == pytest.approx(-12.7, abs=0.1)


def test_windows_figure_marks_the_lobes_and_the_dead_taps():
    figure = plots.windows_figure(WINDOWS, title="At 7")
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == list(WINDOWS)
    taps, spectrum = figure.axes[2:4]
    np.testing.assert_array_equal(np.asarray(taps.lines[-1].get_xdata()), [0, 6])  # hollow
    assert "hollow" in figure.axes[-2].get_xlabel()
    this = line(spectrum, "this window")
    drawn = {str(one.get_label()): one for one in spectrum.lines}
    width, level = (np.asarray(one.get_xdata()) for one in (drawn["main lobe's width"], drawn["highest side lobe"]))
    np.testing.assert_allclose(np.interp(width, this.get_xdata(), this.get_ydata()), -6.02, atol=0.01)
    np.testing.assert_allclose(np.asarray(drawn["highest side lobe"].get_ydata()), -33.6, atol=0.1)
    assert list(level) == [0, 1]  # across the whole panel
    words = [axes.get_title(loc="right") for axes in figure.axes[1::2]]
    assert words[1] == "main lobe 0.33 wide, side lobe −33.6 dB"
    assert words[2].endswith("no side lobe")
    assert words[3] == "never falls to half its peak, no side lobe"


@pytest.mark.parametrize("name", FIGURES)
def test_text_can_be_read(name):
    check_text(FIGURES[name]())


def test_arms_have_one_colour_whatever_the_order_and_can_be_overruled():
    colours = plots.arm_colours(["x", "7x7", "a"])
    assert colours == plots.arm_colours(["a", "x", "7x7"])
    assert colours["7x7"] == plots.arm_colours(["7x7"])["7x7"]
    assert plots.arm_colours(["7x7 hamming"]).popitem()[1] == plots.arm_colours(["3x3", "7x7-hamming"])["7x7-hamming"]
    alone = plots.arm_colours(["9x9-cosine"])["9x9-cosine"]  # what else is drawn changes nothing, if it can be helped
    assert plots.arm_colours(["3x3", "7x7", "9x9-cosine", "aaa"])["9x9-cosine"] == alone
    assert len(set(plots.arm_colours(map(str, range(13))).values())) == 13
    axes = plots.learning_curves({"x": CURVES["3x3"]}, colours={"x": "#123456"}).axes[0]
    assert line(axes, "x").get_color() == "#123456"
    with pytest.raises(InputError, match="20 arms"):
        plots.arm_colours(map(str, range(20)))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.learning_curves({}), "curves is empty"),
        (lambda: plots.learning_curves({"a": []}), r"curves\['a'\] is empty"),
        (lambda: plots.learning_curves({"a": [([1, 2], [1, np.nan])]}), r"curves\['a'\] values has 1 NaN"),
        (lambda: plots.learning_curves({"a": [([1, 2], [1])]}), r"values.shape=\(1,\); allowed: \(2\)"),
        (lambda: plots.learning_curves({"a": [([2, 1], [1, 1])]}), "epochs=.*; allowed: increasing"),
        (lambda: plots.learning_curves({"a": [([1], [1]), ([2], [1])]}), "without a common epoch"),
        (lambda: plots.leakage_curves({}, RADII), "curves is empty"),
        (lambda: plots.leakage_curves(SHARES, RADII[:2]), r"curves\['3x3'\].shape="),
        (
            lambda: plots.leakage_curves({"a": [[0.5, 0.4], [0.5]]}, [0, 1]),
            "allowed: a rectangular array of numbers",
        ),
        (lambda: plots.leakage_curves({"a": [0.5, 1.5]}, [0, 1]), "allowed: within 0 and 1"),
        (lambda: plots.leakage_curves(SHARES, []), "radii is empty"),
        (lambda: plots.leakage_by_layer(SHARES, []), "layers is empty"),
        (lambda: plots.leakage_by_layer({"a": 0.5}, ["b"]), r"values\['a'\].shape=\(\)"),
        (lambda: plots.accuracy_by_arm({}), "values is empty"),
        (lambda: plots.accuracy_by_arm({"a": []}), r"values\['a'\] is empty"),
        (lambda: plots.accuracy_by_arm({"a": ["high"]}), "allowed: a rectangular array of numbers"),
        (lambda: plots.accuracy_by_arm({"a": torch.tensor([float("inf")])}), "NaN or infinite"),
        (lambda: plots.kernels(WEIGHT[0]), "weight.shape="),
        (lambda: plots.kernels(WEIGHT, WINDOW[1:]), "window.shape="),
        (lambda: plots.kernels(WEIGHT, count=0), "count=0"),
        (lambda: plots.window_figure([[1, 2]], "x"), "values.shape="),
        (lambda: plots.window_figure([1, np.nan], "x"), "values has 1 NaN"),
        (lambda: plots.windows_figure({}), "windows is empty"),
        (lambda: plots.windows_figure({"a": [1, 1], "b": [1]}), r"windows\['b'\].shape=\(1,\); allowed: \(2\)"),
        (lambda: plots.windows_figure({"a": [1, -1]}), r"windows\['a'\]: values sum to 0"),
    ],
)
def test_what_cannot_be_drawn_is_named(draw, message):
    with pytest.raises(InputError, match=message):
        draw()


def test_tensors_of_any_dtype_are_taken():
    weight = torch.tensor(WEIGHT, dtype=torch.bfloat16, requires_grad=True)
    assert np.abs(pixels(plots.kernels(weight, count=1).axes[0])).max() <= np.abs(WEIGHT).max() * 1.01


@pytest.mark.parametrize("name", FIGURES)
def test_svg_is_one_element_deterministic_and_without_outside_resources(name):
    drawing = plots.svg(FIGURES[name]())
    assert drawing == plots.svg(FIGURES[name]())
    assert ElementTree.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"
    assert "metadata" not in drawing
    assert not re.search(r'(href|src)="(?!#|data:)|url\((?!#)', drawing)
    ids = re.findall(r'\sid="([^"]*)"', drawing)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', drawing) + re.findall(r"url\(#([^)]*)\)", drawing)) <= set(ids)


def test_ids_of_several_figures_do_not_clash():
    ids = [set(re.findall(r'\sid="([^"]*)"', plots.svg(draw()))) for draw in FIGURES.values()]
    assert sum(map(len, ids)) == len(set().union(*ids))


def test_names_with_markup_are_drawn_as_they_are():
    drawing = plots.svg(plots.accuracy_by_arm({"$x^ <script>--></script>": [1.0, 2.0]}))
    assert "<script" not in drawing
    ElementTree.fromstring(drawing)


def test_png_is_returned_and_written_whole(tmp_path: Path):
    figure = FIGURES["accuracy_by_arm"]()
    path = tmp_path / "new" / "figure.png"
    content = plots.png(figure, path)
    assert content.startswith(b"\x89PNG")
    assert path.read_bytes() == content
    assert [one.name for one in path.parent.iterdir()] == ["figure.png"]
    with pytest.raises(InputError, match="cannot be written"):
        plots.png(figure, path / "below-a-file.png")


def test_importing_plots_is_light():
    code = "import sys, windowconv.plots; print({'matplotlib', 'torch', 'jinja2'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
