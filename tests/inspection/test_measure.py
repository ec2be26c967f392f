"""What is measured of a network, and in which words and page it is said."""

import json
import warnings

import pytest
import torch
from timm.layers.blur_pool import BlurPool2d
from torch import nn

from windowconv import convert, effective
from windowconv.errors import InputError
from windowconv.inspection.comparison import difference
from windowconv.inspection.kernels import inside_the_kernels
from windowconv.inspection.measure import inspect_subject
from windowconv.inspection.page import make_page
from windowconv.inspection.subject import Subject
from windowconv.inspection.summary_text import summary
from windowconv.report import Figure, Table, render
from windowconv.spectra.network import leakage


def test_without_images(subject):
    found = inspect_subject(subject)
    assert (found.images, found.aliasing, found.features, found.shift, found.changed, found.field) == (0, *[None] * 5)
    assert found.leakage.rows() == leakage(subject.model).rows()
    assert found.gratings is not None
    assert found.gratings[0] == "0"


def test_with_everything(subject, images):
    lines = []
    found = inspect_subject(subject, images, heat_map=True, receptive_field=True, progress=lines.append)
    assert found.images == 6
    assert found.aliasing is not None
    assert [layer.name for layer in found.aliasing.layers] == ["0"]
    assert found.shift is not None
    assert found.shift.pairs == 24
    assert found.changed is not None
    assert found.changed.clean_error == 0  # its labels are the network's own answers
    assert found.field is not None
    assert found.field.layer == "2"
    assert "heat map: 130 of 130" in lines  # all of 16 x 16, each pair once
    json.dumps(found.as_dict(), allow_nan=False)
    html = render(make_page(found))
    for title in (
        "Summary",
        "Layer by layer",
        "Inside the kernels",
        "What a window would change",
        "Kernels",
        "Gratings",
        "On images",
    ):
        assert f">{title}</h2>" in html


def test_the_page_and_the_record_have_what_is_inside_the_kernels(subject):
    with torch.no_grad():
        subject.model[2].weight.zero_()
    found = inspect_subject(subject)
    table, figure = inside_the_kernels([found]).blocks
    assert isinstance(table, Table)
    assert isinstance(figure, Figure)
    shape = found.leakage["0"].shape
    assert [row[0] for row in table.rows] == ["0", "2"]
    assert table.rows[0][3:5] == [shape.side, shape.participation]
    assert set(table.rows[1][3:]) == {None}  # a dead layer
    assert "5x5" in figure.svg
    alive, dead = found.as_dict()["layers"]
    assert alive["profile"] == shape.profile.tolist()
    assert alive["central"] == {str(side): share for side, share in shape.central.items()}
    assert set(dead["central"].values()) == {None}


def test_a_network_that_is_no_classifier(images):
    net = nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.Conv2d(4, 2, 3)).eval()
    found = inspect_subject(Subject("maps", net, 3, 16), images)
    assert found.shift is None
    assert found.features is not None
    with pytest.raises(InputError, match="one score per class"):
        inspect_subject(Subject("maps", net, 3, 16), images, heat_map=True)


def test_a_heat_map_needs_images(subject):
    with pytest.raises(InputError, match="heat_map=True; allowed: only with images"):
        inspect_subject(subject, heat_map=True)


@pytest.mark.parametrize("axes", [1, 3])
def test_other_axes(axes):
    layer = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    found = inspect_subject(Subject("axes", nn.Sequential(layer(2, 3, 5), nn.ReLU()).eval()))
    assert (found.gratings is None) == (axes == 3)
    assert "axes" in render(make_page(found))


def test_computed_kernels_are_measured_said_and_not_suggested():
    torch.manual_seed(0)
    layers = [nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 7)), nn.ReLU(), nn.Conv2d(8, 8, 7)]
    found = inspect_subject(Subject("normed", nn.Sequential(*layers, BlurPool2d(8)).eval(), 3, 32))
    assert [layer.name for layer in found.leakage.layers] == ["0", "2"]
    assert [effect.layer for effect in found.effects] != []
    assert found.advice is not None
    assert found.advice.call.endswith("kernel_size={7: 9}, preserve=True, exclude=['0'])")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what is suggested runs without a warning of skipped layers
        warnings.filterwarnings("ignore", "preserve=True amplifies")
        convert(found.subject.model, **found.advice.arguments)
    text = " ".join(summary(found))
    assert "1 layer left out, whose kernels are not known" in text
    assert "BlurPool2d calls conv2d with a kernel of its own" in render(make_page(found))


def test_a_network_of_registered_layers(monkeypatch):
    class Smooth(nn.Module):
        def forward(self, x):
            return nn.functional.conv1d(x, torch.ones(1, 1, 101))

    monkeypatch.setattr(effective, "_registered", {})
    effective.register_weight(Smooth, lambda layer: torch.ones(1, 1, 101))
    found = inspect_subject(Subject("smooth", nn.Sequential(Smooth()).eval()))
    assert found.effects == ()
    assert found.gratings is not None
    assert found.gratings[1].size == 128
    assert found.advice is None
    assert "Sinusoids" in render(make_page(found))


def test_summary_says_the_figures(subject):
    found = inspect_subject(subject)
    text = " ".join(summary(found))
    assert "2 convolutions with kernels of more than one tap (1 of 5x5, 1 of 3x3), none of them windowed" in text
    assert "The weights are random: these numbers do not describe a trained network" in text
    mean = found.leakage["0"].means()["pair_leakage_1/4"]
    assert f"5x5 kernels {mean:.1%}" in text
    assert "1 layer of 3x3 is too small for a tapering window" in text


def test_nothing_to_try_where_all_is_windowed(subject):
    net = convert(subject.model, window="hamming", kernel_size={3: 7, 5: 7})
    found = inspect_subject(Subject("windowed", net.eval(), 3, 16))
    assert found.advice is None
    assert "every layer with a kernel of more than one tap is windowed already." in render(make_page(found))
    assert "2 of them windowed" in summary(found)[0]


def test_comparison(subject):
    net = convert(subject.model, window="hamming", kernel_size={3: 7, 5: 7}, preserve=False)
    first, second = inspect_subject(Subject("7x7-hamming", net.eval(), 3, 16)), inspect_subject(subject)
    text = difference(first, second)
    mine, its = (
        sum(layer.means()["pair_leakage_1/4"] or 0 for layer in each.leakage.layers) / 2 for each in (first, second)
    )
    assert "7x7-hamming minus small: " in text
    assert f"{100 * (mine - its):+.1f}".replace("-", "−") + " points beyond 1/4" in text
    html = render(make_page(first, second))
    assert "Comparison</h2>" in html
    assert "Layers with the same name" in html


def test_dead_filters_are_said(subject):
    with torch.no_grad():
        subject.model[0].weight[1] = 0
    found = inspect_subject(subject)
    assert "1 filter is entirely zero" in " ".join(summary(found))
    json.dumps(found.as_dict(), allow_nan=False)
    render(make_page(found))
