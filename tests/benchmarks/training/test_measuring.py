"""Every part measures what it says, in a tiny configuration; the bare loop trains as ours does."""

import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from benchmarks.training.loops import Bare, Clock, LoaderAlone, Ours, Plain
from benchmarks.training.timing import Effort
from benchmarks.training.torchvision_loading import Files, InMemory, encoded, make_loader, write_photographs
from benchmarks.training.workloads import QUICK, WORKLOADS, Case, cases, noise, prepare

from benchmarks.training import epoch, loader, memory, speed, workloads
from windowconv.lab.data import in_memory

CPU = torch.device("cpu")
BRIEF = Effort(rounds=2, seconds=0.001)


def test_cases():
    every = list(cases(False, True, CPU))
    assert len({case.key for case in every}) == len(every)
    assert all(Case.of(case.key) == case for case in every)
    assert sum(not case.compiled for case in every) == 3 * 3 * 2
    assert {case.workload for case in every if case.compiled} == {"cifar10-small"}
    assert len(list(cases(False, True, torch.device("cuda")))) == 2 * 18
    assert [case.arm for case in cases(True, False, CPU)] == 2 * ["3x3", "7x7", "7x7-hamming"]


@pytest.mark.parametrize("name", [*WORKLOADS, *QUICK])
def test_settings(name, monkeypatch):
    monkeypatch.setattr(workloads, "choose_algorithms", lambda *arguments: {})
    config = prepare(Case(name, "7x7-hamming", "bf16"), CPU).config
    assert (config.precision, config.arm, config.stream) == ("bf16", "7x7-hamming", False)
    as_the_paper = name == "cifar10-paper"
    assert config.algorithm == ("direct" if as_the_paper else "auto")
    assert config.channels_last == (not as_the_paper)
    assert config.batch_size == {"cifar10-small": 64, "cifar10-paper": 32, "resnet18": 16}.get(name, config.batch_size)
    if name == "resnet18":
        assert prepare(Case(name, "3x3"), torch.device("cuda")).config.batch_size == 256


@pytest.mark.parametrize(
    ("each", "guess", "sizes"),
    [(0.01, 1 + 30 * 0.16, [8, 8, 8, 32, 32, 32]), (1.0, 1 + 510, [8, 8, 8])],
    ids=["so long", "far too long"],
)
def test_guess(each, guess, sizes, monkeypatch):
    asked = []

    def step(setup, pixels, images):
        asked.append(pixels)
        return 1 + each * (images - 2) * (pixels / 8) ** 2

    monkeypatch.setattr(workloads.Setup, "_seconds", step)
    setup = prepare(Case("cifar10-smoke", "3x3"), CPU)
    assert setup.guess() == pytest.approx(guess)
    assert asked == sizes


@pytest.mark.parametrize("workload", QUICK)
def test_bare_trains_as_ours(workload, tmp_path):
    setup = prepare(Case(workload, "7x7-hamming"), CPU)
    setup = replace(setup, config=replace(setup.config, lr=0.05, weight_decay=0.1))
    size, batch = setup.case.size, setup.config.batch_size
    ours = Ours(setup, noise(3 * batch, 1, size.pixels, size.classes), tmp_path)
    batches = list(ours.loop.loaders[0].epoch(0))
    plain = Plain(setup)
    assert ours() > 0
    for each in batches:
        plain.step(each.images.contiguous(memory_format=setup.layout), each.labels)
    trained = dict(ours.loop.stepper.networks()[0].named_parameters())
    fresh = dict(setup.network().named_parameters())
    for name, parameter in plain.model.named_parameters():
        torch.testing.assert_close(trained[name], parameter, rtol=1e-4, atol=1e-6)
    assert any(not torch.equal(trained[name], fresh[name]) for name in fresh)
    before = ours.loop.step
    ours()
    assert ours.loop.step == before + 3


def test_all_loops_have_the_same_algorithms(tmp_path):
    setup = replace(prepare(Case("cifar10-smoke", "3x3"), CPU), pins={"3": "fft"})
    ours = Ours(setup, noise(8, 1, 32, 10), tmp_path).loop.stepper.networks()[0]
    for network in (ours, Plain(setup).model):
        assert [getattr(dict(network.named_modules())[name], "algorithm", None) for name in "03"] == [None, "fft"]


def test_the_log_is_written(tmp_path):
    setup = prepare(Case("cifar10-smoke", "3x3"), CPU)
    Ours(setup, noise(20 * setup.config.batch_size, 1, 32, 10), tmp_path)()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["kind"], line["step"]) for line in lines] == [("step", 20)]


def test_speed():
    row = speed.row(Case("cifar10-smoke", "7x7"), CPU, BRIEF)
    assert (row["batch"], row["layers"], row["steps"]) == (32, 2, 1)
    kept, dropped = set(row["samples"]), set(row["dropped"])
    assert kept | dropped == {"ours", "bare", "torchvision 0", "torchvision 2", "loader 0", "loader 2"}
    assert all(len(times) == 2 and min(times) > 0 for times in row["samples"].values())


def test_speed_from_files(monkeypatch):
    monkeypatch.setattr(speed, "WORKERS", (0,))
    monkeypatch.setattr(speed, "write_photographs", partial(write_photographs, count=3, size=(50, 40)))
    row = speed.row(Case("resnet18-smoke", "3x3", "bf16"), CPU, BRIEF)
    assert set(row["samples"]) == {"ours", "bare", "streamed", "torchvision 0", "loader 0"}


def test_compiled_speed(monkeypatch):
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module: compiled.append(module))
    monkeypatch.setattr(speed, "WORKERS", (0,))
    speed.row(Case("cifar10-smoke", "3x3", compiled=True), CPU, BRIEF)
    assert len(compiled) == 2  # ours and the bare one


def test_what_takes_too_long(monkeypatch):
    for module in (speed, memory):
        monkeypatch.setattr(module, "LONGEST", 0.0)
    row = speed.row(Case("cifar10-smoke", "3x3"), CPU, BRIEF)
    assert row["too_slow_s"] > 0
    assert "samples" not in row
    assert memory.peak(Case("cifar10-smoke", "3x3"), "ours", CPU) is None


@pytest.mark.parametrize(("times", "called"), [([9.0, 3.0, 2.0], 3), ([9.0, 0.3, 0.2, 0.4, 0.5], 5)])
def test_step_seconds(times, called, monkeypatch):
    left = iter(times)
    monkeypatch.setattr(speed, "Bare", lambda plain, steps: _Told(left))
    assert speed.step_seconds(SimpleNamespace(), 1.2) == min(times[1:])
    assert len(times) - len(list(left)) == called


class _Told:
    batch = 1

    def __init__(self, times):
        self.times = times

    def __call__(self):
        return next(self.times)


def test_loader():
    row = loader.row(8, CPU, BRIEF, images=64)
    assert row["images"] == 64
    assert {"ours", "torchvision 0", "torchvision 2"} == set(row["samples"]) | set(row["dropped"])


def test_torchvisions_way():
    images = in_memory(noise(5, 1, 32, 10).train)
    pixels, label = InMemory(images, 12)[7]
    assert pixels.shape == (3, 32, 32)
    assert label == 2
    assert 0.9 < pixels.max() <= 1
    clock = Clock(1, 2, CPU)
    assert LoaderAlone(make_loader(InMemory(images, clock.length), 2, 0, CPU), clock)() > 0


def test_both_read_the_same_files(tmp_path):
    write_photographs(tmp_path, count=3, size=(50, 40))
    setup = prepare(Case("resnet18-smoke", "3x3"), CPU)
    pixels, label = Files(tmp_path, setup.config, 32, 4, 8)[5]
    assert pixels.shape == (3, 32, 32)
    assert label == 1
    same = encoded(tmp_path, 32, 4, 8).train
    assert (len(same), same.shape) == (8, (3, 32, 32))


def test_memory(monkeypatch):
    loops = []

    def run(module, key, loop, device):
        loops.append(loop)
        return memory.peak(Case.of(key), loop, torch.device(device))

    monkeypatch.setattr(memory, "run_module", run)
    row = memory.row(Case("cifar10-smoke", "7x7"), CPU)
    assert loops == ["ours", "bare"]
    assert all(row[loop]["peak"] >= row[loop]["before"] > 2**20 for loop in ("ours", "bare"))


def test_epoch():
    row = epoch.row("7x7-hamming", CPU, 1, (128, 20))
    seconds = {name: times[0] for name, times in row["seconds"].items()}
    assert set(seconds) == {"whole", *epoch.PARTS}
    assert seconds["whole"] == pytest.approx(sum(seconds[name] for name in epoch.PARTS))
    assert all(seconds[name] > 0 for name in ("steps", "evaluation", "leakage", "checkpoint"))


def test_jobs():
    parts = (loader, speed, epoch, memory)
    keys = [job.key for part in parts for job in part.jobs(CPU, BRIEF, False, True)]
    assert len(keys) == len(set(keys)) == 2 + 24 + 3 + 24


def test_bare_takes_its_batches_in_turn():
    plain = Plain(prepare(Case("cifar10-smoke", "3x3"), CPU))
    seen = []
    plain.step = lambda images, labels: seen.append(id(images))
    assert Bare(plain, 6)() > 0
    assert len(set(seen)) == 4
    assert seen[:2] == seen[4:]
