"""Several seeds trained at once come out as they do one by one."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from windowconv.errors import InputError
from windowconv.lab.config import RunConfig, Training
from windowconv.lab.data import ImageData
from windowconv.lab.models.build import small_network
from windowconv.lab.models.replicas import Alone, Stacked
from windowconv.lab.progress import Progress
from windowconv.lab.runs.folder import Run
from windowconv.lab.training.train import train_together

Make = Callable[..., Run]

VARIANTS: dict[str, dict[str, Any]] = {
    "3x3": {},
    "hamming": {"arm": "5x5-hamming"},
    "shuffled": {"arm": "5x5-shuffled"},
    "rates": {"arm": "5x5-hamming-rates"},
    "learnable": {"arm": "5x5-learnable-kaiser"},
    "relatives": {"arm": "5x5-depthwise-dcls-aps", "width": 4, "epochs": 1},
    "parallel kernels": {"arm": "5x5-hamming-replk-blur", "width": 4, "epochs": 1},
    "modern": {"ema": 0.8, "nesterov": True, "label_smoothing": 0.1, "schedule": "one-cycle", "decay": "weights"},
    "parts": {"accumulate": 2, "val_fraction": 0.2},
    "bf16": {"precision": "bf16"},
    "fft": {"arm": "5x5-hamming", "algorithm": "fft"},
    "pgd": {"adversarial": "pgd", "adversarial_steps": 2, "accumulate": 2, "arm": "5x5-hamming"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_seeds_at_once_are_separate_runs(
    name: str, make_run: Make, settings: Training, tiny: ImageData, tmp_path: Path
) -> None:
    changes = VARIANTS[name]
    configs = [RunConfig(**{**asdict(settings), "data": "gratings", "seed": s, **changes}) for s in (0, 1, 5)]
    together = train_together(configs, tiny, [tmp_path / f"at-once/{c.seed}" for c in configs], Progress())
    for config, run in zip(configs, together, strict=True):
        alone = make_run(**{"seed": config.seed, **changes})
        weights, others = load_file(alone.weights), load_file(run.weights)
        assert weights.keys() == others.keys()
        for key, value in weights.items():
            tolerance = {"rtol": 0.05, "atol": 0.02} if name == "bf16" else {"rtol": 2e-4, "atol": 2e-5}
            torch.testing.assert_close(others[key], value, **tolerance, msg=lambda m, k=key: f"{k}: {m}")
        for a, b in zip(alone.metrics("epoch"), run.metrics("epoch"), strict=True):
            assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-2 if name == "bf16" else 1e-4)
        assert run.config == config
        assert run.record["config_hash"] == alone.record["config_hash"]
        assert run.model()(torch.rand(2, 1, 12, 12)).shape == (2, 16)


def networks(n: int = 3) -> list[nn.Module]:
    return [small_network("5x5-hamming", 4, 1, 2, 3) for _ in range(n)]


def test_outputs_and_gradients_are_each_networks_own() -> None:
    singles = [network.double() for network in networks()]
    stacked = Stacked(singles)
    images = torch.rand(3, 5, 1, 9, 9, dtype=torch.float64)
    expected = torch.stack([network(images[i]) for i, network in enumerate(singles)])
    outputs = stacked(images)
    torch.testing.assert_close(outputs, expected)
    (outputs**2).sum().backward()
    (expected**2).sum().backward()
    for i, network in enumerate(singles):
        own = dict(network.named_parameters())
        for name, part in stacked.parts(i):
            assert part.whole.grad is not None
            torch.testing.assert_close(part.of(part.whole.grad), own[name].grad)


def test_pull_and_push_carry_weights_and_running_statistics() -> None:
    singles = networks()
    stacked = Stacked(singles)
    before = [{k: v.clone() for k, v in network.state_dict().items()} for network in singles]
    stacked(torch.rand(3, 5, 1, 9, 9))  # moves the running statistics
    with torch.no_grad():
        for parameter in stacked.parameters():
            parameter.add_(1.0)
    stacked.pull()
    for network, old in zip(singles, before, strict=True):
        for key, value in network.state_dict().items():
            assert not torch.equal(value, old[key]), key
        network.load_state_dict(old)
    stacked.push()
    for i, old in enumerate(before):
        for name, part in stacked.parts(i):
            assert torch.equal(part.of(part.whole), old[name])


def test_alone_is_the_network_itself() -> None:
    network = networks(1)[0]
    alone = Alone(network)
    images = torch.rand(1, 5, 1, 9, 9)
    network.eval()
    assert torch.equal(alone(images)[0], network(images[0]))
    assert all(part.whole is dict(network.named_parameters())[name] for name, part in alone.parts(0))


def test_what_cannot_be_stacked_is_refused(settings: Training, tiny: ImageData, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="networks=1; allowed: two or more"):
        Stacked(networks(1))
    with pytest.raises(InputError, match="must be alike"):
        Stacked([*networks(1), small_network("5x5-hamming", 4, 1, 2, 4)])
    stacked = Stacked([nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)) for _ in range(2)])
    with pytest.raises(InputError, match="networks with dropout cannot be trained at once"):
        stacked(torch.rand(2, 3, 2))
    configs = [RunConfig(**{**asdict(settings), "seed": s, "val_fraction": 0.2, "patience": 1}) for s in range(2)]
    with pytest.raises(InputError, match="seeds-at-once is for one process, without --patience"):
        train_together(configs, tiny, [tmp_path / "a", tmp_path / "b"], Progress())
