"""Training: what it computes, that it repeats, how it stops, and what it writes."""

import dataclasses
import getpass
import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from windowconv import get_window
from windowconv.errors import InputError
from windowconv.lab.config import RunConfig, Training
from windowconv.lab.data import Batch, DeviceLoader, ImageData, gratings
from windowconv.lab.models.build import small_network
from windowconv.lab.progress import Progress
from windowconv.lab.runs.folder import Run
from windowconv.lab.training import loading
from windowconv.lab.training.schedule import learning_rate
from windowconv.lab.training.train import train
from windowconv.spectra.network import leakage

Make = Callable[..., Run]


def test_it_learns(tmp_path: Path) -> None:
    data = gratings(960, 160, image_size=16)
    config = RunConfig(arm="7x7-hamming", depth=2, width=8, epochs=5, batch_size=16, lr=0.2, augment="none")
    run = train(config, data, tmp_path / "run", Progress())
    losses = [line["train_loss"] for line in run.metrics("epoch")]
    assert losses[-1] < losses[0] - 0.4
    assert run.evaluation()["figures"]["accuracy"] > 3.5 / 16  # chance is 1 in 16


def test_the_same_seed_gives_the_same_bits(make_run: Make) -> None:
    first = {arm: load_file(make_run(arm).weights) for arm in ("3x3", "5x5-hamming")}
    torch.manual_seed(999)
    for arm, weights in first.items():
        again = load_file(make_run(arm).weights)
        assert all(torch.equal(value, again[key]) for key, value in weights.items())
    other = load_file(make_run(seed=1).weights)
    assert not torch.equal(first["3x3"]["0.weight"], other["0.weight"])


def test_arms_of_a_seed_see_the_same_batches(make_run: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Batch] = []

    class Spy(DeviceLoader):
        def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
            for batch in super().epoch(epoch, start):
                if not self.ordered:  # those are evaluations
                    seen.append(batch)
                yield batch

    monkeypatch.setattr(loading, "DeviceLoader", Spy)
    batches = []
    for arm, seed in (("3x3", 0), ("7x7-hamming", 0), ("7x7-learnable-cosine", 0), ("3x3", 1)):
        make_run(arm, seed)
        batches.append(list(seen))
        seen.clear()
    assert len(batches[0]) == 2 * 5  # 70 images by 16, the last ones too
    for other in batches[1:3]:
        for a, b in zip(batches[0], other, strict=True):
            assert torch.equal(a.images, b.images)
            assert torch.equal(a.labels, b.labels)
    assert not torch.equal(batches[0][0].indices, batches[3][0].indices)
    assert not torch.equal(batches[0][0].images, batches[0][5].images)


def test_the_papers_schedule() -> None:
    config = RunConfig(epochs=150, lr=0.01)
    steps = 150 * 1563
    rates = [learning_rate(config, epoch * 1563, steps) for epoch in range(150)]
    assert rates == pytest.approx([0.01] * 75 + [0.001] * 45 + [0.0001] * 30)
    assert learning_rate(config, 75 * 1563 - 1, steps) == 0.01
    assert learning_rate(RunConfig(milestones=()), 10**6, 10**6) == RunConfig().lr


def reference(config: RunConfig, data: ImageData) -> list[torch.Tensor]:
    """The same training spelt out: window, batch norm, SGD with momentum and decay on the raw weights."""
    torch.manual_seed(config.seed)
    values = [p.detach().clone().requires_grad_() for p in small_network("7x7", 16, 1, 2, config.width).parameters()]
    window = get_window("hamming", (7, 7), dtype=torch.float32) if "hamming" in config.arm else torch.ones(7, 7)
    momenta = [torch.zeros_like(value) for value in values]
    loader = DeviceLoader(data.train, config.batch_size, seed=config.seed, augment=config.augment)
    step = 0
    for epoch in range(config.epochs):
        for batch in loader.epoch(epoch):
            w1, g1, b1, w2, g2, b2, w3, b3 = values
            x = F.conv2d(batch.images, w1 * window, stride=2, padding=3)
            x = F.batch_norm(x, None, None, g1, b1, training=True).relu()
            x = F.conv2d(x, w2 * window, padding=3)
            x = F.batch_norm(x, None, None, g2, b2, training=True).relu()
            loss = F.cross_entropy(x.mean((2, 3)) @ w3.T + b3, batch.labels)
            gradients = torch.autograd.grad(loss, values)
            lr = config.lr * (1 if step < 5 else 0.1 if step < 8 else 0.01)  # 10 steps, milestones at 5 and 8
            with torch.no_grad():
                for i, gradient in enumerate(gradients):
                    gradient = gradient + config.weight_decay * values[i]
                    momenta[i] = config.momentum * momenta[i] + gradient
                    values[i] -= lr * momenta[i]
            step += 1
    return values


@pytest.mark.parametrize("arm", ["7x7", "7x7-hamming"])
def test_it_is_sgd_on_the_raw_weights(arm: str, make_run: Make, tiny: ImageData) -> None:
    run = make_run(arm, weight_decay=0.05)
    state = load_file(run.weights)
    keys = [key for key, _ in run.model().named_parameters()]
    for key, value in zip(keys, reference(run.config, tiny), strict=True):
        torch.testing.assert_close(state[key], value.detach(), rtol=1e-3, atol=2e-5, msg=lambda m, k=key: f"{k}: {m}")


def test_the_metrics_are_lines_of_steps_epochs_and_one_final(make_run: Make) -> None:
    run = make_run()
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["leakage", "epoch", "leakage", "step", "epoch", "leakage", "final"]
    for line in lines:
        assert {"kind", "step", "epoch", "time_s"} <= line.keys()
        assert all(math.isfinite(v) for k, v in line.items() if k not in ("kind", "leakage"))
    assert [line["step"] for line in lines] == [0, 5, 5, 10, 10, 10, 10]
    assert {**lines[-1], "kind": "epoch"} == lines[-3]
    assert run.final() == lines[-1]
    assert run.final()["test_accuracy"] == run.evaluation()["figures"]["accuracy"]


def test_the_record_has_the_contracts_fields_and_names_no_folder(make_run: Make) -> None:
    run = make_run("7x7-hamming", seed=3)
    record = run.record
    wanted = "schema_version name created status reason config config_hash data network seed numerics environment git"
    wanted += " command resumed load"
    assert set(record) == set(wanted.split())
    assert (record["name"], record["status"], record["reason"], record["seed"]) == (
        "7x7-hamming-seed3", "finished", None, 3)  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", record["created"])
    assert record["config"].keys() == {field.name for field in dataclasses.fields(RunConfig)}
    assert {"source", "train", "test", "train_hash", "test_hash", "classes"} <= record["data"].keys()
    assert {"precision", "algorithm", "deterministic"} <= record["numerics"].keys()
    assert {"windowconv", "torch", "python", "device", "threads"} <= record["environment"].keys()
    everything = "".join(p.read_text() for p in run.folder.rglob("*.json*"))
    for private in (str(Path.home()), str(run.folder.parent), str(Path(__file__).parents[2]), sys.prefix, "/tmp"):
        assert private not in everything
    assert not re.search(rf"\b{re.escape(getpass.getuser())}\b", everything)


def test_a_finished_run_leaves_only_what_the_contract_names(make_run: Make) -> None:
    run = make_run()
    names = {str(p.relative_to(run.folder)) for p in run.folder.rglob("*") if p.is_file()}
    assert names == {"run.json", "metrics.jsonl", "model.safetensors", "evaluations/test.json",
                     "evaluations/test.safetensors"}  # fmt: skip


@pytest.mark.parametrize("changes", [{"lr": 1e30, "epochs": 3}, {"lr": 1e30, "epochs": 1, "batch_size": 70}])
def test_a_loss_that_is_not_finite_stops_the_run(changes: dict[str, Any], make_run: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"loss is (nan|inf) at step \d+ with lr=1e\+(29|30); train with a smaller"):
        make_run(**changes)
    run = Run.open(tmp_path / "3x3-seed0")
    assert run.record["status"] == "failed"
    assert "loss is" in run.record["reason"]
    with pytest.raises(InputError, match=r"no weights \(its status is 'failed'\)"):
        run.model()


class Interrupt(Progress):
    def advance(self, images: int, loss: float) -> None:
        raise KeyboardInterrupt


def test_an_interrupted_run_says_so(settings: Training, tiny: ImageData, tmp_path: Path) -> None:
    config = RunConfig(**dataclasses.asdict(settings))
    with pytest.raises(KeyboardInterrupt):
        train(config, tiny, tmp_path / "run", Interrupt())
    record = Run.open(tmp_path / "run").record
    assert (record["status"], record["reason"]) == ("stopped", "interrupted")


def test_leakage_is_recorded_by_epoch(make_run: Make) -> None:
    run = make_run()
    lines = run.metrics("leakage")
    assert [line["epoch"] for line in lines] == [0, 1, 2]
    last = leakage(run.model())
    assert list(lines[-1]["leakage"]) == [layer.name for layer in last.layers]
    for layer in last.layers:
        means = layer.means()
        expected = [means["pair_leakage_1/8"], means["pair_leakage_1/4"]]
        assert lines[-1]["leakage"][layer.name] == pytest.approx(expected, abs=1e-6)
        assert lines[0]["leakage"][layer.name] != pytest.approx(expected, abs=1e-6)


def test_a_run_that_begins_again_leaves_nothing_of_the_earlier_one(
    make_run: Make, tiny: ImageData, tmp_path: Path
) -> None:
    run = make_run()
    with pytest.raises(KeyboardInterrupt):
        train(run.config, tiny, run.folder, Interrupt())
    assert {p.name for p in run.folder.rglob("*") if p.is_file()} == {"run.json", "metrics.jsonl"}
    assert [line["epoch"] for line in map(json.loads, (run.folder / "metrics.jsonl").read_text().splitlines())] == [0]


def test_images_too_small_for_the_network_are_refused(settings: Training, tmp_path: Path) -> None:
    config = RunConfig(**dataclasses.asdict(settings))
    with pytest.raises(InputError, match="images are 2x2; allowed: 3x3 or more; pass a larger --image-size"):
        train(config, gratings(33, 8, image_size=2), tmp_path / "run", Progress())
    assert not (tmp_path / "run").exists()
