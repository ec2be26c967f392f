"""Two processes on a CPU train what one does; evaluation counts each image once."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from windowconv.errors import InputError
from windowconv.lab.config import Execution, RunConfig
from windowconv.lab.data import DeviceLoader, gratings
from windowconv.lab.models.build import build
from windowconv.lab.progress import Progress
from windowconv.lab.runs.folder import Run
from windowconv.lab.training.distributed import Ranks
from windowconv.lab.training.train import train

SETTINGS: dict[str, Any] = {
    "depth": 2,
    "width": 3,
    "epochs": 2,
    "batch_size": 16,
    "data": "gratings",
    "arm": "5x5-hamming",
    "image_size": 12,
    "algorithm": "direct",
    "lr": 0.05,
}
IMAGES = 81  # by 16, the last batch has one image: the second process has none of its own

SCRIPT = """
import json, sys
from pathlib import Path
import torch
from torch import nn
torch.set_num_threads(1)
from windowconv.lab.config import Execution, RunConfig
from windowconv.lab.data import gratings
from windowconv.lab.models.build import build
from windowconv.lab.progress import Progress
from windowconv.lab.training.train import train
settings, folder, norm = json.loads(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "norm"

def start(spec):
    network = build(spec.builder, spec.arguments)
    if not norm:
        for i, layer in enumerate(network):
            if isinstance(layer, nn.BatchNorm2d):
                network[i] = nn.GroupNorm(1, layer.num_features)
    return network

class CutAt(Progress):
    left = int(sys.argv[5])
    def advance(self, images, loss):
        self.left -= 1
        if not self.left:
            sys.exit(3)

data = gratings(81, 43, image_size=12)
try:
    execution = Execution(checkpoint_minutes=float(sys.argv[4]))
    train(RunConfig(**settings), data, folder, CutAt(), execution, start=start)
except Exception as error:  # a model without batch norm is none that its header builds
    if "does not fit the model" not in str(error):
        raise
"""


def two_processes(folder: Path, norm: bool, minutes: float = 5.0, cut: int = 0, **changes: Any) -> None:
    """Train in two processes; with `cut` both end when they have taken so many steps."""
    script = folder.parent / "script.py"
    script.write_text(SCRIPT)
    words = [json.dumps({**SETTINGS, **changes}), str(folder), "norm" if norm else "none", str(minutes), str(cut)]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*torchrun, str(script), *words], capture_output=True, text=True, timeout=300)
    assert (done.returncode == 0) == (cut == 0), done.stderr[-3000:]


def without_norm(spec: Any) -> nn.Module:
    network = build(spec.builder, spec.arguments)
    assert isinstance(network, nn.Sequential)
    for i, layer in enumerate(network):
        if isinstance(layer, nn.BatchNorm2d):
            network[i] = nn.GroupNorm(1, layer.num_features)
    return network


def close(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for key, value in a.items():
        torch.testing.assert_close(b[key], value, rtol=1e-4, atol=1e-5, msg=lambda m, k=key: f"{k}: {m}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"accumulate": 2, "ema": 0.9, "label_smoothing": 0.1, "val_fraction": 0.25},
        {"adversarial": "pgd", "adversarial_steps": 2},
    ],
)
def test_without_batch_norm_two_processes_are_one(changes: dict[str, Any], tmp_path: Path) -> None:
    data = gratings(IMAGES, 43, image_size=12)
    one = train(RunConfig(**{**SETTINGS, **changes}), data, tmp_path / "one", Progress(), start=without_norm)
    two_processes(tmp_path / "two", norm=False, **changes)
    two = Run.open(tmp_path / "two")
    assert two.record["numerics"]["processes"] == 2
    close(load_file(one.weights), load_file(two.weights))
    for a, b in zip(one.metrics("epoch"), two.metrics("epoch"), strict=True):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-4)
    evaluations = [load_file(run.folder / "evaluations/test.safetensors") for run in (one, two)]
    assert torch.equal(evaluations[0]["predictions"], evaluations[1]["predictions"])
    torch.testing.assert_close(evaluations[0]["losses"], evaluations[1]["losses"], rtol=1e-3, atol=1e-4)
    assert two.evaluation()["figures"]["n"] == 43


def half_by_half(config: RunConfig) -> nn.Module:
    """One process that normalises each half of a batch by itself; running statistics are the first half's."""
    torch.manual_seed(config.seed)
    network = build("small", {"arm": config.arm, "classes": 16, "channels": 1, "widths": [3, 6]})
    data = gratings(IMAGES, 43, image_size=12)
    loader = DeviceLoader(data.train, config.batch_size, seed=config.seed, augment=config.augment)
    optimizer = torch.optim.SGD(network.parameters(), lr=config.lr, momentum=0.9, weight_decay=config.weight_decay)
    steps, step = 2 * len(loader), 0
    for epoch in range(2):
        for batch in loader.epoch(epoch):
            for group in optimizer.param_groups:
                group["lr"] = config.lr * 0.1 ** sum(step >= round(m * steps) for m in config.milestones)
            optimizer.zero_grad()
            for i, (images, labels) in enumerate(
                zip(batch.images.tensor_split(2), batch.labels.tensor_split(2), strict=True)
            ):
                kept = {k: v.clone() for k, v in network.named_buffers()}
                if len(labels):
                    loss = F.cross_entropy(network(images), labels, reduction="sum") / len(batch.labels)
                    loss.backward()
                if i:
                    for name, buffer in network.named_buffers():
                        buffer.copy_(kept[name])
            optimizer.step()
            step += 1
    return network


@pytest.mark.slow
def test_with_batch_norm_two_processes_normalise_each_half(tmp_path: Path) -> None:
    two_processes(tmp_path / "two", norm=True)
    expected = {k: v.detach() for k, v in half_by_half(RunConfig(**SETTINGS)).state_dict().items()}
    close(expected, load_file(tmp_path / "two/model.safetensors"))


def test_a_gradient_at_images_is_scaled_as_fp16_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks, images = Ranks(Execution()), torch.rand(3, requires_grad=True)
    assert torch.equal(ranks.gradient((images**2).sum(), images), 2 * images)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    monkeypatch.setattr(Ranks, "scaler", scaler)
    assert torch.equal(ranks.gradient((images**2).sum(), images), 2048 * images)


@pytest.mark.slow
def test_two_processes_that_are_cut_go_on_to_the_same_bits(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"batch_size": 3, "epochs": 1}  # 27 steps
    changes |= {"adversarial": "pgd", "adversarial_steps": 2}  # which sees batch norm's running statistics
    two_processes(tmp_path / "whole", norm=True, **changes)
    two_processes(tmp_path / "cut", norm=True, minutes=0.0, cut=23, **changes)
    two_processes(tmp_path / "cut", norm=True, **changes)
    whole, cut = Run.open(tmp_path / "whole"), Run.open(tmp_path / "cut")
    assert [each["step"] for each in cut.record["resumed"]] == [20]  # where the processes ask each other
    weights = load_file(whole.weights)
    assert all(torch.equal(value, weights[key]) for key, value in load_file(cut.weights).items())


def test_one_process_has_rank_0_and_sums_nothing() -> None:
    ranks = Ranks(Execution())
    assert (ranks.rank, ranks.world, ranks.is_first, ranks.device.type) == (0, 1, True, "cpu")
    values = torch.rand(3)
    assert ranks.sum(values) is values
    assert ranks.any(True)
    assert not ranks.any(False)
    assert ranks.scaler is None


@pytest.mark.parametrize(
    ("device", "precision", "message"),
    [
        ("cpu", "fp16", "precision='fp16' is for GPUs; on a CPU allowed: fp32, bf16"),
        ("cpu", "tf32", "precision='tf32' is for NVIDIA GPUs; on cpu allowed"),
        ("cpuu", "fp32", "device='cpuu'; allowed: auto, cpu, cuda"),
        ("cpu:7", "fp32", "device='cpu:7'; allowed: cpu, which all cores share"),
        ("meta", "fp32", "device='meta', which holds no numbers"),
    ],
)
def test_what_is_not_there_is_refused(device: str, precision: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Ranks(Execution(device=device), precision)
    assert "\n" not in str(caught.value)
