"""Figures of many kernels and layers: what they show, and what they refuse."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from figure_text import check_text
from windowconv import plots
from windowconv.errors import InputError

RADII = np.linspace(0, 0.5, 5)


def lines(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(line.get_ydata()) for line in figure.axes[0].lines]


def test_the_gallery_is_in_the_order_of_leakage():
    kernels = np.random.default_rng(0).normal(size=(5, 3, 3))
    figure = plots.kernel_gallery(kernels, [0.5, 0.1, 0.3, 0.9, 0.2], columns=3)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == [f"L = {v:.3f}" for v in (0.1, 0.2, 0.3, 0.5, 0.9)]
    shown = [axes.images[0].get_array() for axes in figure.axes[:3]]
    for array, i in zip(shown, (1, 4, 2), strict=True):
        np.testing.assert_allclose(np.asarray(array), kernels[i])
    plots.svg(figure)


def test_a_kernel_of_zeros_can_be_shown():
    plots.svg(plots.kernel_gallery(np.zeros((1, 3, 3)), [0.0]))


def test_depth_runs_from_the_first_layer_to_the_last():
    figure = plots.leakage_by_depth({"a": [0.1, 0.2, 0.3], "b": [0.5]}, 0.25)
    first, second = figure.axes[0].lines
    assert list(np.asarray(first.get_xdata())) == [0, 0.5, 1]
    assert list(np.asarray(second.get_xdata())) == [0]
    assert figure.axes[0].get_ylim()[1] > 0.5
    plots.svg(figure)


def test_curves_by_size_draws_layers_their_mean_and_noise():
    layers = np.array([[1, 0.8, 0.6, 0.4, 0.2], [1, 0.6, 0.4, 0.2, 0]])
    figure = plots.curves_by_size({"3x3": layers}, RADII, {"3x3": [1, 0.9, 0.8, 0.7, 0.6]})
    drawn = lines(figure)[:4]
    np.testing.assert_allclose(drawn[:2], layers)
    np.testing.assert_allclose(drawn[2], layers.mean(0))
    np.testing.assert_allclose(drawn[3], [1, 0.9, 0.8, 0.7, 0.6])
    plots.svg(figure)


def test_more_groups_than_colours():
    plots.svg(plots.curves_by_size({f"{k}x{k}": [1, 0.5, 0.4, 0.3, 0.2] for k in range(3, 30, 2)}, RADII))


def test_leakage_by_epoch():
    figure = plots.leakage_by_epoch({"a": ([0, 1, 3], [0.4, 0.3, 0.2]), "b": ([0, 1, 3], [0.5, 0.4, 0.3])})
    np.testing.assert_allclose(lines(figure), [[0.4, 0.3, 0.2], [0.5, 0.4, 0.3]])
    plots.svg(figure)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.kernel_gallery(np.ones((2, 3)), [0.1, 0.2]), "kernels.shape="),
        (lambda: plots.kernel_gallery(np.ones((2, 3, 3)), [0.1]), "leakage.shape="),
        (lambda: plots.kernel_gallery(np.ones((1, 3, 3)), [2.0]), "within 0 and 1"),
        (lambda: plots.kernel_gallery(np.ones((1, 3, 3)), [0.2], columns=0), "columns=0"),
        (lambda: plots.leakage_by_depth({}), "networks is empty"),
        (lambda: plots.leakage_by_depth({"a": [float("nan")]}), "NaN"),
        (lambda: plots.curves_by_size({}, RADII), "curves is empty"),
        (lambda: plots.curves_by_size({"a": [0.1]}, RADII), r"curves\['a'\]"),
        (lambda: plots.leakage_by_epoch({"a": ([0, 1], [0.1])}), re.escape("layers['a']")),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_text_can_be_read():
    kernels = np.random.default_rng(0).normal(size=(20, 7, 7))
    check_text(plots.kernel_gallery(kernels, np.linspace(0.1, 0.9, 20), title="conv1"))
    check_text(plots.leakage_by_depth({"torchvision/resnet18": [0.5, 0.4, 0.45], "torchvision/vgg11": [0.5, 0.6]}))
    curve = [1, 0.8, 0.6, 0.4, 0.2]
    check_text(plots.curves_by_size({"3x3": [curve, curve], "7x7 hamming": curve}, RADII, {"3x3": curve}))
    check_text(plots.leakage_by_epoch({f"layer{i}.0.conv1": ([0, 1, 2], [0.5, 0.4, 0.3]) for i in range(6)}))
