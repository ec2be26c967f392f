"""A run that was cut ends as one that was not: the same bits, the same metrics."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from windowconv.errors import InputError
from windowconv.lab.config import Execution, RunConfig, Training
from windowconv.lab.data import ImageData, gratings
from windowconv.lab.progress import Progress
from windowconv.lab.recipes import find_recipe
from windowconv.lab.runs.folder import Run
from windowconv.lab.training import loop
from windowconv.lab.training.signals import Stopped
from windowconv.lab.training.train import train, train_together

OFTEN = Execution(checkpoint_minutes=0)


def results(run: Run) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    """Weights and metrics without timings."""
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    return load_file(run.weights), [{k: v for k, v in line.items() if k != "time_s"} for line in lines]


def same(a: Run, b: Run) -> None:
    (weights, metrics), (others, lines) = results(a), results(b)
    assert metrics == lines
    assert weights.keys() == others.keys()
    assert all(torch.equal(value, others[key]) for key, value in weights.items())
    assert a.evaluation() == b.evaluation()


class CutAt(Progress):
    """Fails as a power cut would, after so many steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def advance(self, images: int, loss: float) -> None:
        self.left -= 1
        if not self.left:
            raise SystemError("cut")


AIRBENCH = {
    key: value
    for key, value in asdict(find_recipe("cifar10-strong-wide").training).items()
    if key not in ("width", "epochs", "batch_size", "algorithm")
} | {"image_size": 12, "lookahead_steps": 2}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "hamming": {"arm": "5x5-hamming"},
    "learnable": {"arm": "5x5-learnable-cosine"},
    "rates": {"arm": "5x5-hamming-rates"},
    "ema": {"ema": 0.9, "nesterov": True, "decay": "weights"},
    "val": {"val_fraction": 0.2, "patience": 3, "epochs": 4, "lr": 0.3},
    "bf16": {"precision": "bf16", "accumulate": 3, "label_smoothing": 0.1, "schedule": "one-cycle"},
    "no momentum": {"momentum": 0.0, "schedule": "cosine", "warmup_epochs": 0.5},
    "pgd": {"adversarial": "pgd", "adversarial_steps": 2, "ema": 0.9, "arm": "5x5-hamming"},
    "fgsm": {"adversarial": "fgsm", "precision": "bf16", "accumulate": 2},
    "airbench": {**AIRBENCH, "arm": "5x5-hamming", "epochs": 3, "stem_epochs": 1, "start_size": 10},
    "dropout": {"network": "torchvision/squeezenet1_1", "image_size": 32, "train_images": 20, "test_images": 8},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_cut_at_a_step_and_resumed_it_ends_with_the_same_bits(
    name: str, settings: Training, tiny: ImageData, tmp_path: Path
) -> None:
    config = RunConfig(**{**asdict(settings), "data": "gratings", **VARIANTS[name]})
    data = gratings(20, 8, image_size=32) if name == "dropout" else tiny
    whole = train(config, data, tmp_path / "whole", Progress())
    for step in (1, 3, 5, 6, 8) if name != "dropout" else (1, 3):
        folder = tmp_path / f"cut-{step}"
        with pytest.raises(SystemError):
            train(config, data, folder, CutAt(step), OFTEN)
        resumed = train(config, data, folder, Progress(), OFTEN)
        assert [r["step"] for r in resumed.record["resumed"]] == [step - 1][: step > 1]
        same(whole, resumed)
        assert not (folder / "checkpoints").exists()


def test_cut_twice_and_between_two_checkpoints(settings: Training, tiny: ImageData, tmp_path: Path) -> None:
    config = RunConfig(**{**asdict(settings), "data": "gratings", "epochs": 6})
    whole = train(config, tiny, tmp_path / "whole", Progress())
    for step in (14, 8):  # a checkpoint at steps 13 and 20, then none until the end
        with pytest.raises(SystemError):
            train(config, tiny, tmp_path / "cut", CutAt(step), OFTEN)
    with pytest.raises(SystemError):
        train(config, tiny, tmp_path / "cut", CutAt(9), Execution(checkpoint_minutes=100))
    resumed = train(config, tiny, tmp_path / "cut", Progress())
    assert [r["step"] for r in resumed.record["resumed"]] == [13, 20, 20]
    same(whole, resumed)


def test_a_damaged_newest_checkpoint_falls_back(
    settings: Training, tiny: ImageData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = RunConfig(**{**asdict(settings), "data": "gratings"})
    whole = train(config, tiny, tmp_path / "whole", Progress())
    with pytest.raises(SystemError):
        train(config, tiny, tmp_path / "cut", CutAt(8), OFTEN)
    newest = tmp_path / "cut/checkpoints/step-7/model.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1] + b"!")
    resumed = train(config, tiny, tmp_path / "cut", Progress())
    assert "cut: step-7 is damaged (model.safetensors differs from what was written)" in capsys.readouterr().err
    assert [r["step"] for r in resumed.record["resumed"]] == [6]
    same(whole, resumed)


@pytest.mark.parametrize("how", ["shorter", "flipped", "gone"])
def test_a_log_that_is_not_what_its_checkpoints_say_falls_back(
    how: str,
    settings: Training,
    tiny: ImageData,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    config = RunConfig(**{**asdict(settings), "data": "gratings"})
    whole = train(config, tiny, tmp_path / "whole", Progress())
    with pytest.raises(SystemError):
        train(config, tiny, tmp_path / "cut", CutAt(8), OFTEN)
    older, newer = (
        json.loads((tmp_path / f"cut/checkpoints/step-{step}/state.json").read_text())["state"]["logged"]
        for step in (6, 7)
    )
    log = tmp_path / "cut/metrics.jsonl"
    content = log.read_bytes()
    if how == "shorter":  # by the lines that only the newer checkpoint counts on
        log.write_bytes(content[:older])
    elif how == "flipped":
        log.write_bytes(content[: older + 5] + bytes([content[older + 5] ^ 1]) + content[older + 6 :])
    else:
        log.unlink()
    assert older < newer
    resumed = train(config, tiny, tmp_path / "cut", Progress())
    said = capsys.readouterr().err
    assert "cut: step-7 is damaged (metrics.jsonl " in said
    assert [r["step"] for r in resumed.record["resumed"]] == ([] if how == "gone" else [6])
    assert b"\0" not in log.read_bytes()
    same(whole, resumed)


def test_a_run_of_other_settings_is_not_gone_on_with(settings: Training, tiny: ImageData, tmp_path: Path) -> None:
    config = RunConfig(**{**asdict(settings), "data": "gratings"})
    with pytest.raises(SystemError):
        train(config, tiny, tmp_path / "cut", CutAt(4), OFTEN)
    other = RunConfig(**{**asdict(config), "lr": 0.01})
    before = {p: p.read_bytes() for p in (tmp_path / "cut").rglob("*") if p.is_file()}
    with pytest.raises(InputError, match="holds an unfinished run with other settings or data; choose another --out"):
        train(other, tiny, tmp_path / "cut", Progress())
    assert before == {p: p.read_bytes() for p in (tmp_path / "cut").rglob("*") if p.is_file()}


def test_the_pinned_algorithms_stay(settings: Training, tiny: ImageData, tmp_path: Path) -> None:
    config = RunConfig(**{**asdict(settings), "data": "gratings", "arm": "7x7", "algorithm": "auto"})
    pins = {"0": "direct", "3": "fft"}
    whole = train(config, tiny, tmp_path / "whole", Progress(), pins=pins)
    with pytest.raises(SystemError):
        train(config, tiny, tmp_path / "cut", CutAt(4), OFTEN, pins=pins)
    resumed = train(config, tiny, tmp_path / "cut", Progress(), pins={"0": "fft", "3": "direct"})
    assert resumed.record["numerics"]["algorithm"] == pins
    same(whole, resumed)


class SignalAt(CutAt):
    def advance(self, images: int, loss: float) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), self.signal)

    signal = signal.SIGTERM


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_stops(
    number: signal.Signals, code: int, settings: Training, tiny: ImageData, tmp_path: Path
) -> None:
    config = RunConfig(**{**asdict(settings), "data": "gratings"})
    whole = train(config, tiny, tmp_path / "whole", Progress())
    progress = SignalAt(4)
    progress.signal = number
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(Stopped) as caught:
        train(config, tiny, tmp_path / "cut", progress)  # no checkpoint is due
    assert caught.value.code == code
    assert handlers == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))
    record = Run.open(tmp_path / "cut").record
    assert (record["status"], record["reason"]) == ("stopped", number.name)
    resumed = train(config, tiny, tmp_path / "cut", Progress())
    assert [r["step"] for r in resumed.record["resumed"]] == [4]
    assert resumed.record["status"] == "finished"
    same(whole, resumed)


def test_several_seeds_at_once_go_on_from_a_step_that_all_have(
    settings: Training, tiny: ImageData, tmp_path: Path
) -> None:
    configs = [RunConfig(**{**asdict(settings), "data": "gratings", "seed": seed}) for seed in range(3)]
    whole = train_together(configs, tiny, [tmp_path / f"whole{i}" for i in range(3)], Progress())
    folders = [tmp_path / f"cut{i}" for i in range(3)]
    with pytest.raises(SystemError):
        train_together(configs, tiny, folders, CutAt(8), OFTEN)
    (folders[1] / "checkpoints/step-7/state.json").unlink()
    resumed = train_together(configs, tiny, folders, Progress())
    assert [r["step"] for r in resumed[0].record["resumed"]] == [6]
    for a, b in zip(whole, resumed, strict=True):
        same(a, b)


def command(folder: Path, *more: str) -> list[str]:
    words = (
        "-m windowconv train --data gratings --image-size 12 --train-images 200 --test-images 40 --depth 2 --width 2"
    )
    words += " --epochs 40 --batch-size 16 --arm 5x5-hamming --threads 1 --checkpoint-minutes 0 --ema 0.9 --out"
    return [sys.executable, *words.split(), str(folder), *more]


def killed(folder: Path, step: int, number: signal.Signals) -> int:
    """Start the command and send a signal once it has a checkpoint of `step` or later."""
    process = subprocess.Popen(command(folder), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None and not any(
            int(p.name[5:]) >= step for p in (folder / "checkpoints").glob("step-*")
        ):
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode


@pytest.mark.slow
def test_a_killed_process_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    subprocess.run(command(tmp_path / "whole"), check=True, capture_output=True)
    folder = tmp_path / "cut"
    codes = [killed(folder, step, signal.SIGKILL) for step in (1, 30, 111)]
    assert codes == [-signal.SIGKILL] * 3
    assert killed(folder, 200, signal.SIGTERM) == 143
    assert Run.open(folder).record["status"] == "stopped"
    subprocess.run(command(folder), check=True, capture_output=True)
    assert len(Run.open(folder).record["resumed"]) == 4
    same(Run.open(tmp_path / "whole"), Run.open(folder))


Make = Callable[..., Run]


def test_weights_that_are_not_finite_are_never_saved(settings: Training, tiny: ImageData, tmp_path: Path) -> None:
    config = RunConfig(**{**asdict(settings), "data": "gratings", "lr": 1e30, "epochs": 3})
    with pytest.raises(InputError, match=r"is (nan|inf) at step \d+ with lr=1e\+30") as caught:
        train(config, tiny, tmp_path / "run", Progress(), OFTEN)
    kept = sorted((tmp_path / "run/checkpoints").glob("step-*"), key=lambda p: int(p.name[5:]))
    if kept:
        assert str(caught.value).endswith(f"the last good checkpoint is {kept[-1].name})")
        weights = load_file(kept[-1] / "model.safetensors")
        assert all(bool(torch.isfinite(w).all()) for w in weights.values() if w.is_floating_point())
    else:
        assert str(caught.value).endswith("(there is no checkpoint yet)")
