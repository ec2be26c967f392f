"""A run's algorithms: chosen when it starts, written down, and used again."""

import pytest
from torch import nn

from windowconv.errors import InputError
from windowconv.lab.config import RunConfig
from windowconv.lab.models.algorithm_choice import pin_algorithms, restore_algorithms
from windowconv.lab.models.build import small_network
from windowconv.lab.training.evaluate import evaluate
from windowconv.windowed import WindowedMixin

BATCH = (4, 1, 12, 12)


def _layers(model):
    return [m for m in model if isinstance(m, nn.Conv2d)]


def test_pins_hold_for_every_arm_and_reach_the_layers():
    for arm in ("3x3", "7x7", "7x7-hamming"):
        model = small_network(arm, 10, 1, depth=3, width=4)
        pins = pin_algorithms(model, "fft", BATCH)
        assert pins == {"0": "fft", "3": "fft", "6": "fft"}
        assert all(isinstance(m, WindowedMixin) and m.algorithm == "fft" for m in _layers(model))


def test_direct_leaves_plain_layers_plain():
    model = small_network("7x7", 10, 1, depth=2, width=4)
    assert set(pin_algorithms(model, "direct", BATCH).values()) == {"direct"}
    assert all(type(m) is nn.Conv2d for m in _layers(model))


def test_auto_is_pinned_to_one_of_the_two():
    model = small_network("7x7-hamming", 10, 1, depth=2, width=4)
    pins = pin_algorithms(model, "auto", BATCH)
    assert set(pins.values()) <= {"fft", "direct"}
    assert [m.algorithm for m in _layers(model) if isinstance(m, WindowedMixin)] == list(pins.values())


def test_restored_algorithms_are_those_recorded():
    model = small_network("7x7", 10, 1, depth=3, width=4)
    restore_algorithms(model, {"0": "direct", "3": "fft", "6": "direct"})
    assert [isinstance(m, WindowedMixin) for m in _layers(model)] == [False, True, False]


@pytest.mark.parametrize("arm", ["7x7", "7x7-hamming"])
def test_a_run_computes_alike_in_training_and_when_it_is_opened(arm, tiny, make_run):
    run = make_run(arm, algorithm="fft")
    assert run.record["numerics"]["algorithm"] == {"0": "fft", "3": "fft"}
    assert evaluate(run.model(), tiny.test).metrics() == run.evaluation()["figures"]


def test_an_unknown_algorithm_is_refused():
    with pytest.raises(InputError, match=r"algorithm='ftf'; allowed: .*did you mean 'fft'"):
        RunConfig(algorithm="ftf")
