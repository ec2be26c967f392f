"""What the evaluations of trained kernels record and show."""

import json
from collections.abc import Callable

import pytest
import torch
from torch import nn

from windowconv import WindowedConv2d
from windowconv.errors import InputError
from windowconv.lab.data import ImageData
from windowconv.lab.evaluations import Network
from windowconv.lab.evaluations.cropping import cropped
from windowconv.lab.evaluations.registry import find_evaluation, metric_value
from windowconv.lab.runs.folder import Run
from windowconv.lab.training.evaluate import evaluate
from windowconv.lab.training.loading import example_images
from windowconv.report import Figure, Table
from windowconv.spectra.filters import convolutions
from windowconv.spectra.layer_shape import kernel_shape
from windowconv.spectra.network import PAIRS
from windowconv.spectra.subsampling import aliasing

MakeRun = Callable[..., Run]


def test_kernels_are_what_the_library_measures(make_run: MakeRun) -> None:
    run = make_run("5x5-hamming")
    evaluation = find_evaluation("kernels")
    evaluation.run([Network(run)], None)
    figures = run.evaluation("kernels")["figures"]
    layers = {n: la for n, la in convolutions(run.model()).items() if max(la.kernel_size) > 1}
    assert list(figures["layers"]) == list(layers)
    expected = [kernel_shape(la.effective_weight, la.window_values, PAIRS) for la in layers.values()]  # pyright: ignore[reportAttributeAccessIssue]
    for key, value in figures.items():
        if key != "layers":
            assert value == pytest.approx(sum(getattr(shape, key) for shape in expected) / len(expected))
    first = figures["layers"]["0"]
    assert first["window_power"] == pytest.approx(expected[0].window_power)
    torch.testing.assert_close(torch.tensor(first["profile"]), expected[0].profile.float(), rtol=1e-5, atol=0)
    assert first["central"]["5"] == 1
    assert metric_value(run, "kernel-side") == figures["side"]
    assert metric_value(run, "outside-lobe") == 100 * figures["outside_lobe"]
    assert len(json.dumps(figures)) < 8_000


def test_pages_show_kernels_without_weights(make_run: MakeRun) -> None:
    evaluation = find_evaluation("kernels")
    runs = {arm: [make_run(arm)] for arm in ("3x3", "5x5", "5x5-hamming")}
    for (run,) in runs.values():
        evaluation.run([Network(run)], None)
    (section,) = evaluation.sections(runs)
    table, figure = section.blocks
    assert isinstance(table, Table)
    assert isinstance(figure, Figure)
    assert [row[0] for row in table.rows] == list(runs)  # pyright: ignore[reportAttributeAccessIssue]
    values = evaluation.values(runs["5x5"][0])
    assert values is not None
    assert table.rows[1][2] == values["side"]
    assert table.rows[1][4] == pytest.approx(100 * values["edge"])
    assert table.rows[1][5] is None
    assert "5x5-hamming" in figure.svg
    assert "area" in evaluation.note(values)


def test_dead_networks_are_refused(make_run: MakeRun) -> None:
    network = Network(make_run())
    with torch.no_grad():
        for layer in convolutions(network.model).values():
            layer.weight.zero_()
    with pytest.raises(InputError, match="all filters are dead"):
        find_evaluation("kernels").run([network], None)


def test_folding_is_of_the_test_images(make_run: MakeRun, tiny: ImageData) -> None:
    run = make_run()
    find_evaluation("aliasing").run([Network(run)], tiny.test)
    figures = run.evaluation("aliasing")["figures"]
    found = aliasing(run.model(), example_images(tiny.test, 500))
    assert figures["layers"] == pytest.approx({layer.name: layer.folded for layer in found.layers})
    assert figures["folded"] == pytest.approx(sum(figures["layers"].values()) / len(found.layers))
    assert metric_value(run, "folded-energy") == 100 * figures["folded"]


def test_cropping_is_the_accuracy_of_smaller_kernels(make_run: MakeRun, tiny: ImageData) -> None:
    """Against a network whose layers have the central taps as their whole kernels."""
    run = make_run("5x5-hamming")
    network = Network(run)
    before = {name: held.clone() for name, held in network.model.state_dict().items()}
    evaluation = find_evaluation("cropping")
    evaluation.run([network], tiny.test)
    figures = run.evaluation("cropping")["figures"]
    assert all(torch.equal(held, before[name]) for name, held in network.model.state_dict().items())
    assert list(figures) == ["1", "3", "5", "largest"]
    assert figures["5"] == run.final()["test_accuracy"]
    for side in (1, 3):
        assert figures[f"{side}"] == evaluate(_smaller(run.model(), side), tiny.test).accuracy
    assert metric_value(run, "cropped-3x3") == 100 * figures["3"]
    (section,) = evaluation.sections({"5x5-hamming": [run]})
    assert section.blocks


def _smaller(model: nn.Module, side: int) -> nn.Module:
    for name, layer in convolutions(model).items():
        cut = (layer.kernel_size[0] - side) // 2
        small = nn.Conv2d(layer.in_channels, layer.out_channels, side, padding=side // 2, bias=layer.bias is not None)
        with torch.no_grad():
            weight = layer.effective_weight if isinstance(layer, WindowedConv2d) else layer.weight
            small.weight.copy_(weight[:, :, cut:-cut, cut:-cut])
            if layer.bias is not None and small.bias is not None:
                small.bias.copy_(layer.bias)
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, small)
    return model


def test_networks_of_small_kernels_have_all_sizes(make_run: MakeRun, tiny: ImageData) -> None:
    run = make_run("3x3")
    find_evaluation("cropping").run([Network(run)], tiny.test)
    figures = run.evaluation("cropping")["figures"]
    assert figures["5"] == figures["3"] == run.final()["test_accuracy"]
    assert figures["largest"] == 3


def test_what_has_no_central_square_stays_whole() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 2), nn.Conv2d(1, 1, (1, 5)), nn.Conv2d(1, 1, 1))
    weights = [layer.weight.detach().clone() for layer in convolutions(net).values()]
    with cropped(net, 1) as layers:
        assert layers == 1
        even, row, one = (layer.weight for layer in convolutions(net).values())
        assert torch.equal(even, weights[0])
        assert torch.equal(one, weights[2])
        assert row.flatten().ne(0).tolist() == [False, False, True, False, False]
    assert all(torch.equal(la.weight, w) for la, w in zip(convolutions(net).values(), weights, strict=True))


def test_weights_come_back_after_an_error() -> None:
    net = nn.Conv2d(1, 1, 3)
    before = net.weight.detach().clone()
    with pytest.raises(KeyboardInterrupt), cropped(net, 1):
        raise KeyboardInterrupt
    assert torch.equal(net.weight, before)
