"""What a GPU must do as a CPU does; nothing of it runs where there is none."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from windowconv.lab.config import Execution, RunConfig, Training
from windowconv.lab.data import ImageData
from windowconv.lab.progress import Progress
from windowconv.lab.runs.folder import Run
from windowconv.lab.training.train import train_together

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")

ON_GPU = Execution(device="cuda")
Runs = Callable[..., list[Run]]


@pytest.fixture
def runs(settings: Training, tiny: ImageData, tmp_path: Path) -> Runs:
    """Runs of these seeds, trained at once."""

    def make(
        name: str,
        seeds: tuple[int, ...] = (0,),
        execution: Execution = ON_GPU,
        progress: Progress | None = None,
        **changes: Any,
    ) -> list[Run]:
        given = {**asdict(settings), "data": "gratings", "arm": "5x5-hamming", **changes}
        configs = [RunConfig(**{**given, "seed": seed}) for seed in seeds]
        folders = [tmp_path / f"{name}{seed}" for seed in seeds]
        return train_together(configs, tiny, folders, progress or Progress(), execution)

    return make


@pytest.mark.parametrize(("precision", "relative"), [("fp32", 2e-4), ("tf32", 2e-2), ("bf16", 5e-2), ("fp16", 2e-2)])
def test_a_precision_comes_to_what_a_cpu_comes_to(precision: str, relative: float, runs: Runs) -> None:
    (expected,) = runs("cpu", execution=Execution())
    (run,) = runs("gpu", precision=precision)
    for a, b in zip(expected.metrics("epoch"), run.metrics("epoch"), strict=True):
        assert b["train_loss"] == pytest.approx(a["train_loss"], rel=relative)
    assert run.record["environment"]["device"] == torch.cuda.get_device_name()


@pytest.mark.parametrize(
    ("changes", "relative"),
    [
        ({}, 2e-4),
        ({"channels_last": True}, 2e-4),
        ({"precision": "tf32", "channels_last": True}, 2e-2),
        ({"precision": "bf16", "channels_last": True}, 5e-2),
        ({"arm": "5x5-hamming-rates", "ema": 0.8}, 2e-4),
        ({"arm": "5x5-learnable-kaiser"}, 2e-4),
        ({"adversarial": "pgd", "adversarial_steps": 2}, 2e-3),
    ],
)
def test_seeds_at_once_are_separate_runs(changes: dict[str, Any], relative: float, runs: Runs) -> None:
    together = runs("at-once", (0, 1, 5), **changes)
    for run in together:
        (alone,) = runs("alone", (run.config.seed,), **changes)
        for a, b in zip(alone.metrics("epoch"), run.metrics("epoch"), strict=True):
            assert b["train_loss"] == pytest.approx(a["train_loss"], rel=relative)
        if relative < 1e-3:
            others = load_file(run.weights)
            for key, value in load_file(alone.weights).items():
                torch.testing.assert_close(others[key], value, rtol=2e-3, atol=2e-4, msg=lambda m, k=key: f"{k}: {m}")


class Cut(Progress):
    """Fails at the seventh step, in the second epoch."""

    steps = 0

    def advance(self, images: int, loss: float) -> None:
        self.steps += 1
        if self.steps == 7:
            raise SystemError("cut")


@pytest.mark.parametrize(
    ("seeds", "changes"),
    [
        ((0,), {}),
        ((0,), {"ema": 0.9, "precision": "fp16"}),
        ((0, 1), {"channels_last": True}),
        ((0,), {"dropout": 0.2}),
    ],
)
def test_a_run_that_was_cut_goes_on(seeds: tuple[int, ...], changes: dict[str, Any], runs: Runs) -> None:
    often = Execution(device="cuda", checkpoint_minutes=0)
    whole = runs("whole", seeds, **changes)
    with pytest.raises(SystemError):
        runs("cut", seeds, often, Cut(), **changes)
    resumed = runs("cut", seeds, often, **changes)
    for a, b in zip(whole, resumed, strict=True):
        assert [r["step"] for r in b.record["resumed"]] == [6]
        for one, other in zip(a.metrics("epoch"), b.metrics("epoch"), strict=True):
            assert other["train_loss"] == pytest.approx(one["train_loss"], rel=1e-3)


def test_a_compiled_network_learns_the_same(runs: Runs) -> None:
    (plain,), (compiled,) = runs("plain"), runs("compiled", compile=True)
    for a, b in zip(plain.metrics("epoch"), compiled.metrics("epoch"), strict=True):
        assert b["train_loss"] == pytest.approx(a["train_loss"], rel=1e-3)
