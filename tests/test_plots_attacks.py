"""Figures about attacks draw the numbers that they are given, and refuse what they cannot draw."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from windowconv import plots
from windowconv.errors import InputError

BUDGETS, TICKS = [0.01, 0.02, 0.04], ["1", "2", "4"]
CURVES = {"3x3": [[0.8, 0.5, 0.1], [0.7, 0.4, 0.2]], "7x7": [[0.9, 0.6, 0.2], [0.9, 0.6, 0.4]]}


def lines(figure: Figure) -> dict[str, np.ndarray]:
    axes = figure.axes[0]
    return {str(line.get_label()): np.asarray(line.get_ydata(), float) for line in axes.get_lines()}


def test_robust_accuracy_draws_means_and_the_clean_accuracy() -> None:
    figure = plots.robust_accuracy(CURVES, BUDGETS, TICKS, "budget", {"3x3": [0.9, 0.8], "7x7": [0.95, 0.95]})
    drawn = lines(figure)
    assert drawn["3x3 (n = 2)"] == pytest.approx([75, 45, 15])
    assert drawn["7x7 (n = 2)"] == pytest.approx([90, 60, 30])
    assert any(values == pytest.approx([85]) for values in drawn.values())
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["none", "1", "2", "4"]
    assert plots.svg(figure).startswith("<svg")


def test_differences_have_their_intervals() -> None:
    ends = ([0.5, -1.0, -2.0], [1.5, 3.0, 2.0])
    figure = plots.accuracy_differences({"7x7": [1.0, 1.0, 0.0]}, {"7x7": ends}, BUDGETS, TICKS, "budget", "3x3")
    bars = figure.axes[0].containers[0][2][0].get_segments()
    assert [[low[1], high[1]] for low, high in bars] == [[0.5, 1.5], [-1, 3], [-2, 2]]
    assert figure.axes[0].get_ylabel() == "points above 3x3"


def test_distances_rise_to_the_share_that_is_found() -> None:
    drawn = lines(plots.distance_distributions({"3x3": [0.3, 0.1, 0.2, np.inf]}, "L2"))
    assert drawn["3x3"] == pytest.approx([25, 50, 75])


def test_spectra_are_shares_of_the_energy() -> None:
    power = np.zeros((2, 16, 16))
    power[:, 0, 4] = 5.0  # a quarter cycle a pixel
    drawn = lines(plots.perturbation_spectra({"3x3": power}))["3x3 (n = 2)"]
    assert drawn.sum() == pytest.approx(100)
    assert drawn[8] == pytest.approx(100)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_gallery_has_three_pictures_an_image(channels: int) -> None:
    images = np.full((2, channels, 8, 8), 0.5)
    figure = plots.adversarial_gallery([("3x3", images, 0.1 * images)], [["shoe", "shirt"]], 0.05)
    assert len(figure.axes) == 6
    assert figure.axes[0].get_title(loc="left") == "shoe"


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InputError, match=r"budgets=.*; allowed: positive, increasing"):
        plots.robust_accuracy(CURVES, [0.02, 0.01, 0.04], TICKS, "budget")
    with pytest.raises(InputError, match="3x3"):
        plots.robust_accuracy({"3x3": [0.5, 0.5]}, BUDGETS, TICKS, "budget")
    with pytest.raises(InputError, match="distances"):
        plots.distance_distributions({"3x3": [np.nan]}, "L2")
    with pytest.raises(InputError, match="rows is empty"):
        plots.adversarial_gallery([], [], 1.0)
