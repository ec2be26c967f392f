"""What a benchmark says, from times that are given."""

import pytest
import torch

from windowconv.benchmark.alternatives import OURS, PREPARED, TORCH, TORCH_LAST
from windowconv.benchmark.layers import LayerTimes
from windowconv.benchmark.measure import Benchmark, Phase
from windowconv.benchmark.page import as_dict, make_page
from windowconv.benchmark.text import code, verdict
from windowconv.benchmark.timing import Seconds, in_turn, ratio
from windowconv.report import render

BASELINES = (TORCH, TORCH_LAST)


def phase(ours: list[float], name: str = "training", best: str = OURS, gains: int = 2) -> Phase:
    times: Seconds = {TORCH: [0.2] * len(ours), TORCH_LAST: [0.1] * len(ours), best: ours}
    layer = LayerTimes(("a", "b", "<b>"), (2, 3, 8, 8), (4, 3, 7, 7), times, BASELINES)
    return Phase(name, times, "", BASELINES, (layer,), 5, gains, 1e-6)


def found(*phases: Phase) -> Benchmark:
    return Benchmark(((2, 3, 8, 8),), torch.device("cpu"), phases, 3.0)


@pytest.mark.parametrize(
    ("ours", "said", "lines"),
    [
        ([0.05] * 8, "Training: 2.00 times as fast with set_algorithm: 50 ms instead of 100 ms a training step", 2),
        ([0.2] * 8, "nothing to gain; set_algorithm would be 2.00 times as slow", 0),
        ([0.099, 0.101] * 4, "nothing to gain; set_algorithm takes the same time within 3 %", 0),
        ([0.04, 0.16] * 4, "not clear on this machine now", 0),
        ([0.05] * 3, "range of only 3 rounds", 2),
    ],
)
def test_a_gain_is_over_the_faster_of_torchs_layouts(ours, said, lines):
    text = verdict(phase(ours))
    assert said in text
    assert "2 of 5 convolutions go through the frequency domain" in text
    assert "torch alone is 2.00 times as fast in the memory format channels last" in text
    assert len(code(found(phase(ours)))) == lines


def test_nothing_is_an_answer():
    times: Seconds = {TORCH: [0.1] * 3, TORCH_LAST: [0.101] * 3}
    nothing = Phase("inference", times, "", BASELINES, (), 5, 0, 0.0)
    assert verdict(nothing).startswith("Inference: nothing to gain. torch's own algorithm")
    failed = Phase("training", {}, "targets should not be none")
    both = found(failed, nothing)
    assert code(both) == []
    assert "Training cannot be measured: targets should not be none" in render(make_page("net", both))
    record = as_dict("net", both)
    assert [each["name"] for each in record["phases"]] == ["training", "inference"]
    assert record["phases"][1]["ratio"] is None


def test_the_page_says_how_to_use_it_and_escapes_names():
    both = found(phase([0.05] * 8), phase([0.02] * 8, "inference", PREPARED))
    page = render(make_page("<script>alert(1)</script>", both))
    assert "<script>alert(1)" not in page
    assert "prepare_inference(model.eval(), inputs)" in page
    assert "a, b and 1 more" in page
    assert as_dict("net", both)["phases"][0]["layers"][0]["median_seconds"][OURS] == 0.05


def test_calls_take_turns_and_the_first_of_each_does_not_count():
    order: list[str] = []
    times = in_turn({name: (lambda name=name: order.append(name)) for name in "ab"}, 0.0, torch.device("cpu"))
    assert order == list("ab" + "ab" + "ba" + "ab")
    assert [len(each) for each in times.values()] == [3, 3]


def test_an_interval_has_the_ranks_of_the_sign_test():
    # n = 10: the 2nd smallest and largest (Conover, "Practical Nonparametric Statistics", table of the binomial)
    times = {"a": [float(i) for i in range(1, 11)], "b": [1.0] * 10}
    assert (ratio(times, "a", "b").low, ratio(times, "a", "b").high) == (2.0, 9.0)
