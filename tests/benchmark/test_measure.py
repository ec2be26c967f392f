"""A benchmark of small networks: what is timed, on which copies, and what is left as it was."""

import pytest
import torch
from torch import nn

from windowconv import WindowedConv2d
from windowconv.benchmark.alternatives import OURS, PREPARED, TORCH, TORCH_LAST, for_inference, tensors_in
from windowconv.benchmark.measure import benchmark
from windowconv.errors import InputError
from windowconv.fftconv import choice


@pytest.fixture
def always_fft(monkeypatch):
    """The frequency domain wherever it is possible, as on a machine where it is always faster."""

    def choose(problem, *_):
        return "direct" if problem.axes[0].taps == 1 else "fft"

    monkeypatch.setattr(choice, "choose", choose)


def small() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [WindowedConv2d(3, 8, 7, padding=3), nn.ReLU(), nn.Conv2d(8, 8, 7, padding=3), nn.Conv2d(8, 2, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.usefixtures("always_fft")
def test_both_phases_whole_and_layer_by_layer():
    model = small()
    before = {name: held.clone() for name, held in model.state_dict().items()}
    lines: list[str] = []
    found = benchmark(model, (torch.randn(2, 3, 16, 16),), seconds=0.01, progress=lines.append)
    training, inference = found.phases
    assert set(training.times) == {TORCH, TORCH_LAST, OURS}
    assert {TORCH, TORCH_LAST, OURS} <= set(inference.times) <= {TORCH, TORCH_LAST, OURS, PREPARED}
    assert [layer.names for layer in training.layers] == [("0",), ("2",)]
    assert (training.convolutions, training.gains) == (3, 2)
    assert all(len(each) >= 3 for phase in found.phases for each in phase.times.values())
    assert all(phase.error < 1e-5 for phase in found.phases)
    assert any("layer by layer" in line for line in lines)
    assert all(torch.equal(held, before[name]) for name, held in model.state_dict().items())
    assert isinstance(model[0], WindowedConv2d)
    assert type(model[2]) is nn.Conv2d
    assert model.training


@pytest.mark.usefixtures("always_fft")
def test_windows_are_folded_for_inference():
    found = for_inference(small(), (torch.randn(2, 3, 16, 16),))
    assert type(found.models[TORCH].get_submodule("0")) is nn.Conv2d


def test_several_inputs_and_outputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.embed = nn.Conv1d(4, 4, 3, padding=1), nn.Embedding(5, 4)

        def forward(self, x, index):
            return {"out": self.conv(x) + self.embed(index).mT, "none": None, "more": [x]}

    given = (torch.randn(2, 4, 6), torch.zeros(2, 6, dtype=torch.int64))
    found = benchmark(Two(), given, seconds=0.01)
    assert [phase.problem for phase in found.phases] == ["", ""]
    assert found.phases[0].baselines == (TORCH,)
    assert len(list(tensors_in(Two()(*given)))) == 2
    with pytest.raises(InputError, match=r"Two cannot be called with inputs of 2x4x6 .*'index'"):
        benchmark(Two(), given[:1], seconds=0.01)


def test_what_cannot_train_is_said():
    class Frozen(nn.Sequential):
        def forward(self, input):
            if self.training:
                raise ValueError("targets should not be none")
            return super().forward(input)

    training, inference = benchmark(Frozen(nn.Conv2d(1, 1, 3)), (torch.randn(1, 1, 8, 8),), seconds=0.01).phases
    assert training.problem == "targets should not be none"
    assert inference.times


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_seconds_are_positive(seconds):
    with pytest.raises(InputError, match="seconds="):
        benchmark(small(), (torch.randn(1, 3, 8, 8),), seconds=seconds)
