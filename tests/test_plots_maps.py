"""Figures of maps and against frequency: the numbers given, at the frequencies given, in words that can be read."""

from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from matplotlib.patches import Circle

from figure_text import check_text
from test_plots import line, pixels
from windowconv.errors import InputError
from windowconv.plots import export, frequencies, maps

RANDOM = np.random.default_rng(0)
GRID = np.arange(-4, 4) / 32
ERROR = RANDOM.uniform(0.1, 0.6, (8, 8))
BASE = RANDOM.uniform(0.1, 0.6, (8, 8))
FIELD = np.exp(-np.hypot(*np.mgrid[-8:9, -8:9]))
SPECTRA = {f"layer{i}": (np.arange(9 - i) / 16, -np.arange(9.0 - i) / (i + 1)) for i in range(4)}
NEW = {"3x3": (RANDOM.uniform(0, 0.7, 90), RANDOM.uniform(0, 1, 90)), "7x7": ([0.0, 0.1, 0.2], [0.0, 0.5, 0.7])}


def cosine(row: int, column: int, n: int = 16) -> np.ndarray:
    """A response with peaks at one pair of frequencies."""
    plane = np.full((n, n), 0.1)
    plane[n // 2 + row, n // 2 + column] = plane[n // 2 - row, n // 2 - column] = 1
    return plane


MAPS = np.stack([cosine(0, 4), 2 * cosine(-3, 3), 3 * cosine(5, 0)])

FIGURES = {
    "heat_map": lambda: maps.heat_map(ERROR, GRID, GRID, 0.05, "resnet18"),
    "heat_map_difference": lambda: maps.heat_map_difference(ERROR, BASE, GRID, GRID, "7x7 less 3x3"),
    "receptive_field": lambda: maps.receptive_field(FIELD, (8, 8), (2.0, 5.0), title="layer2"),
    "selectivity_curves": lambda: frequencies.selectivity_curves(MAPS),
    "response_curves": lambda: frequencies.response_curves(MAPS[:, 8]),
    "new_energy": lambda: frequencies.new_energy(NEW),
    "feature_spectra": lambda: frequencies.feature_spectra(SPECTRA, "resnet18"),
}


def test_heat_map_is_in_percent_with_each_cell_on_its_frequency():
    axes, bar = maps.heat_map(ERROR, GRID, GRID / 2, 0.05).axes
    np.testing.assert_allclose(pixels(axes), 100 * ERROR)
    left, right, bottom, top = axes.images[0].get_extent()
    assert (left, right) == pytest.approx((-4.5 / 64, 3.5 / 64))
    assert (top, bottom) == pytest.approx((-4.5 / 32, 3.5 / 32))
    assert "5.0 %" in axes.get_title()
    assert bar.get_ylabel() == "error (%)"
    assert "cycles/pixel" in axes.get_xlabel()
    assert axes.images[0].get_clim() == (0, pytest.approx(100 * ERROR.max()))
    assert maps.heat_map(ERROR, GRID, GRID, limits=(10, 90)).axes[0].images[0].get_clim() == (10, 90)
    assert pixels(maps.heat_map([[0.0]], [0.0], [0.0]).axes[0]).tolist() == [[0]]


def test_heat_map_difference_is_centred_at_zero():
    axes = maps.heat_map_difference(torch.tensor(ERROR), torch.tensor(BASE), GRID, GRID).axes[0]
    np.testing.assert_allclose(pixels(axes), 100 * (ERROR - BASE))
    low, high = axes.images[0].get_clim()
    assert low == -high == -np.abs(100 * (ERROR - BASE)).max()
    assert maps.heat_map_difference(ERROR, ERROR, GRID, GRID).axes[0].images[0].get_clim() == (-1, 1)


def test_receptive_field_has_its_circles():
    figure = maps.receptive_field(3 * FIELD, (8.5, 7.0), (2.0, 5.25))
    axes = figure.axes[0]
    np.testing.assert_allclose(pixels(axes), np.maximum(FIELD, 1e-3))
    circles = [one for one in axes.patches if isinstance(one, Circle)]
    assert {one.get_radius() for one in circles} == {2.0, 5.25}
    assert {tuple(one.get_center()) for one in circles} == {(7.0, 8.5)}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "50 % within 2.0 pixels",
        "95.45 % within 5.2 pixels",
    ]


def test_selectivity_curves_follow_the_preferred_orientation():
    figure = frequencies.selectivity_curves(MAPS, count=2)
    above, below = figure.axes[:2], figure.axes[2:4]
    assert [axes.get_title() for axes in above] == ["filter 2", "filter 1"]
    np.testing.assert_allclose(pixels(above[0]), MAPS[2] / 3)
    for axes, at, height in zip(below, (5 / 16, np.hypot(3, 3) / 16), (3, 2), strict=True):
        drawn = np.array(axes.lines[0].get_data())
        assert drawn[0, drawn[1].argmax()] == pytest.approx(at, abs=0.02)
        assert 0.85 * height < drawn[1].max() <= height
        assert drawn[1, 0] == pytest.approx(0.1 * height)
    some = frequencies.selectivity_curves(MAPS, filters=[0])
    assert np.array(some.axes[1].lines[0].get_ydata())[16] == pytest.approx(1)  # 4 of 16 cycles, a point of the grid


@pytest.mark.parametrize("n", [8, 9])
def test_response_curves_run_from_zero_to_a_half(n):
    full = np.abs(np.fft.fftshift(np.fft.fft([[1.0, 2.0], [0.5, 0.0], [3.0, -3.0]], n), axes=1))
    axes = frequencies.response_curves(full, count=2).axes[0]
    assert [one.get_label() for one in axes.lines] == ["filter 2", "filter 0"]
    for one, f in zip(axes.lines, (2, 0), strict=True):
        x, y = np.array(one.get_data())
        np.testing.assert_allclose(x, np.fft.rfftfreq(n))
        np.testing.assert_allclose(y, np.abs(np.fft.rfft([[1.0, 2.0], [0.5, 0.0], [3.0, -3.0]][f], n)))


def test_new_energy_draws_gratings_and_ring_means_without_zero():
    axes = frequencies.new_energy(NEW).axes[0]
    assert line(axes, "7x7").get_xydata().tolist() == [[3 / 32, 0.5], [6 / 32, 0.7]]
    ring = np.rint(32 * NEW["3x3"][0]) == 10
    drawn = dict(line(axes, "3x3").get_xydata())
    assert drawn[10 / 32] == pytest.approx(NEW["3x3"][1][ring].mean())
    assert sorted(len(one.get_xdata()) for one in axes.lines)[-1] == 90


def test_feature_spectra_go_from_dark_to_light_and_name_the_layers():
    figure = frequencies.feature_spectra(SPECTRA)
    axes, bar = figure.axes
    for drawn, (frequency, values) in zip(axes.lines, SPECTRA.values(), strict=True):
        np.testing.assert_allclose(drawn.get_xydata(), np.stack([frequency, values], 1))
    brightness = [np.dot(drawn.get_color()[:3], (0.3, 0.6, 0.1)) for drawn in axes.lines]
    assert brightness == sorted(brightness)
    assert [label.get_text() for label in bar.get_yticklabels()] == list(SPECTRA)
    assert bar.get_ylim() == (3.5, -0.5)  # the first layer on top
    many = {f"stage{i // 9}.block{i}.conv": SPECTRA["layer0"] for i in range(60)}
    assert len(frequencies.feature_spectra(many).axes[1].get_yticklabels()) == 20


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
        (lambda: maps.heat_map(ERROR, GRID[:3], GRID), r"error.shape=\(8, 8\); allowed: \(3, 8\)"),
        (lambda: maps.heat_map(100 * ERROR, GRID, GRID), "allowed: within 0 and 1"),
        (lambda: maps.heat_map(ERROR, GRID**2, GRID), "rows are unevenly spaced; allowed"),
        (lambda: maps.heat_map(ERROR, GRID, GRID[::-1]), "columns do not increase"),
        (lambda: maps.heat_map(ERROR, GRID, GRID, float("nan")), "clean has 1 NaN"),
        (lambda: maps.heat_map(ERROR, GRID, GRID, limits=(5, 5)), "limits="),
        (lambda: maps.heat_map_difference(ERROR, BASE[:2], GRID, GRID), "baseline.shape="),
        (lambda: maps.receptive_field(-FIELD, (8, 8), (1, 2)), "field within -1 and"),
        (lambda: maps.receptive_field(0 * FIELD, (8, 8), (1, 2)), "not all 0"),
        (lambda: maps.receptive_field(FIELD, (8, 8), (1, np.nan)), "radii has 1 NaN"),
        (lambda: maps.receptive_field(FIELD, (8, 8), (1, 2), (0.5,)), "shares.shape="),
        (lambda: frequencies.selectivity_curves(MAPS[0]), "maps.shape="),
        (lambda: frequencies.selectivity_curves(MAPS[:, :5]), "maps.shape="),
        (lambda: frequencies.selectivity_curves(MAPS, count=0), "count=0"),
        (lambda: frequencies.selectivity_curves(MAPS, []), "filters is empty"),
        (lambda: frequencies.selectivity_curves(MAPS, [3]), r"filters=\[3\]; allowed: 0 to 2"),
        (lambda: frequencies.response_curves(MAPS), "maps.shape="),
        (lambda: frequencies.response_curves(MAPS[:, 0], [3]), r"filters=\[3\]; allowed: 0 to 2"),
        (lambda: frequencies.new_energy({}), "shares is empty"),
        (lambda: frequencies.new_energy({"a": ([0.1], [1.5])}), r"shares\['a'\] from"),
        (lambda: frequencies.new_energy({"a": ([0.0], [0.5])}), "has zero frequency only; allowed"),
        (lambda: frequencies.feature_spectra({}), "spectra is empty"),
        (lambda: frequencies.feature_spectra({"a": ([0.1], [1, 2])}), "values.shape="),
    ],
)
def test_what_cannot_be_drawn_is_named(draw, message):
    with pytest.raises(InputError, match=message):
        draw()
