"""The recommended call runs, keeps the function, and enlarges no weight as 7 taps in 7 would."""

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

import windowconv
from windowconv.inspection.advice import WORST, advise, grown_taps
from windowconv.inspection.measure import inspect_subject
from windowconv.inspection.page import make_page
from windowconv.inspection.subject import Subject
from windowconv.report import render
from windowconv.spectra.window_effects import window_effects


def mixed() -> nn.Module:
    """Transposed, dilated, of even and of unequal sides, patches: some are converted, others must be left out."""
    layers = [
        nn.Conv2d(3, 8, 4, stride=4),  # patches
        nn.ConvTranspose2d(8, 8, 3, padding=1),
        nn.Conv2d(8, 8, 3, padding=2, dilation=2),
        nn.Conv2d(8, 8, 2, padding="same"),
        nn.Conv2d(8, 8, (1, 7), padding=(0, 3)),
        nn.Conv2d(8, 8, (3, 5), padding=(1, 2)),
        nn.Conv2d(8, 8, 11, padding=5, padding_mode="circular"),
        nn.Conv2d(8, 4, 1),
    ]
    return nn.Sequential(*layers)


def audio() -> nn.Module:
    return nn.Sequential(nn.Conv1d(1, 4, 401, padding=200), nn.ReLU(), nn.Conv1d(4, 4, 3, padding=1))


def tied() -> nn.Module:
    net = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=2, dilation=2))
    net[1].weight = net[0].weight
    return net


@pytest.mark.parametrize(
    ("make", "shape", "sizes"),
    [
        (resnet18, (1, 3, 64, 64), {3: 7, 7: 9}),
        (mixed, (2, 3, 32, 32), {2: 8, 3: 7, 5: 7, 11: 15}),  # one axis of 7 in 7: 12.5 times only
        (audio, (1, 1, 1000), {3: 7}),
    ],
)
def test_the_call_runs_and_keeps_the_function(make: Callable[[], nn.Module], shape, sizes):
    torch.manual_seed(0)
    model = make().eval()
    with torch.no_grad():  # so that a window is worth it in every layer: white noise leaks more than under a window
        for weight in model.parameters():
            if weight.ndim > 2:
                weight.normal_(0, 0.1)
    advice = advise(model, window_effects(model))
    assert advice is not None
    assert advice.arguments["kernel_size"] == sizes
    names = {"windowconv": windowconv, "model": model}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "preserve=True amplifies")
        exec(advice.call, names)
    layers = [m for m in names["model"].modules() if hasattr(m, "window_values")]
    assert len(layers) == advice.layers
    assert advice.amplification <= WORST
    x = torch.randn(shape)
    with torch.no_grad():
        expected, got = model(x), names["model"](x)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_the_page_shows_the_call():
    found = inspect_subject(Subject("net", nn.Sequential(nn.Conv2d(1, 2, 3, padding=1))))
    assert found.advice is not None
    assert found.advice == advise(found.subject.model, found.effects)
    assert found.advice.call.replace("'", "&#39;") in render(make_page(found))


def test_a_mapping_instead_of_a_list_of_names():
    found = advise(resnet18(), window_effects(resnet18()))
    assert found is not None
    assert len(found.call) < 150


def test_no_call_is_advised_that_cannot_run():
    assert advise(tied(), window_effects(tied())) is None


def test_seven_in_seven_is_never_advised():
    # 1/w^2 at the corner: 156 for 7 in 7, 21.7 for 7 in 9 (docs/conversion.md)
    assert grown_taps(7, axes=2) == 9
    assert grown_taps(3, axes=2) == 7
    for taps in (2, 3, 4, 5, 6, 9, 31):
        size = grown_taps(taps, axes=2)
        place = (size - taps) // 2
        corner = 0.54 - 0.46 * torch.cos(torch.tensor(2 * torch.pi * place / (size - 1))).item()
        assert 1 / corner**2 <= WORST
        assert (size - taps) % 2 == 0
