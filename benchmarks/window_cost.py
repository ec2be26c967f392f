"""What the window costs: a whole training step of ResNet-18 with 7x7 kernels, windowed against plain, and by layer.

    python -m benchmarks.window_cost                       # writes results/window-cost.md; 20 to 30 minutes
    python -m benchmarks.window_cost --batch 2 --size 64 --pairs 3 --out /tmp/quick

Both networks start from the same weights and see the same batch. A step is forward, loss, backward and SGD with
momentum. The bar: the windowed step takes at most 1.02 times the plain one's time. Measured for either algorithm: with
"direct" the product of weight and window is formed, with "fft" the window goes into the kernels' transforms.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import resnet18

from benchmarks.pairs import Ratio, interleaved
from windowconv import WindowedConv2d, convert, fold, set_algorithm
from windowconv.fftconv.arguments import Algorithm
from windowconv.files import replace_file
from windowconv.lab.runs.environment import environment

BAR = 1.02
WARMUP = 5  # the first large allocations of a process are slow
# channels and pixels of ResNet-18's four stages at 224
LAYERS = ((64, 56), (128, 28), (256, 14), (512, 7))
ALGORITHMS: tuple[Algorithm, ...] = ("fft", "direct")
STEP = "{}: whole training step"
STEM = "conv1"  # of three channels: direct either way


def networks(device: torch.device, algorithm: Algorithm) -> tuple[nn.Module, nn.Module]:
    """The windowed network and the one without windows, of the same effective weights and the same algorithm."""
    torch.manual_seed(0)
    windowed = convert(resnet18(), kernel_size={3: 7, 7: 9})
    layout: Any = {"memory_format": torch.channels_last}
    first, second = (
        set_algorithm(model.to(device).to(**layout), algorithm, exclude=STEM) for model in (windowed, fold(windowed))
    )
    return first, second


def training_step(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Callable[[], None]:
    """A step of SGD on one batch."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
        _wait(images.device)

    return step


def layer_step(layer: nn.Module, images: torch.Tensor) -> Callable[[], None]:
    """Forward and both gradients of one layer."""

    def step() -> None:
        outputs = layer(images)
        torch.autograd.grad(outputs, [images, *layer.parameters()], torch.ones_like(outputs))
        _wait(images.device)

    return step


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def products_alone(model: nn.Module, repeats: int) -> list[float]:
    """Seconds for every layer's product with its window, forward and backward, and nothing else."""
    layers = [module for module in model.modules() if isinstance(module, WindowedConv2d)]
    gradients = [torch.rand_like(layer.weight) for layer in layers]
    times = []
    for i in range(repeats + WARMUP):
        start = time.perf_counter()
        weights = [layer.effective_weight for layer in layers]
        for layer, weight, gradient in zip(layers, weights, gradients, strict=True):
            torch.autograd.grad(weight, layer.weight, gradient)
        _wait(gradients[0].device)
        if i >= WARMUP:
            times.append(time.perf_counter() - start)
    return times


def by_layer(batch: int, size: int, pairs: int, device: torch.device, algorithm: Algorithm) -> dict[str, Ratio]:
    """The ratio for one 7x7 layer of each stage."""
    rows = {}
    for channels, at_224 in LAYERS:
        pixels = max(1, at_224 * size // 224)
        images = torch.rand(batch, channels, pixels, pixels, device=device)
        images = images.to(memory_format=torch.channels_last).requires_grad_()
        layers = []
        for window in ("hamming", None):
            layer = WindowedConv2d(
                channels, channels, 7, padding=3, bias=False, device=device, window=window, algorithm=algorithm
            )
            layers.append(layer.to(memory_format=torch.channels_last))
        name = f"{algorithm}: {channels} channels, {pixels}x{pixels}"
        rows[name] = interleaved(layer_step(layers[0], images), layer_step(layers[1], images), pairs)
        print(line(name, rows[name]), flush=True)
    return rows


def line(name: str, ratio: Ratio) -> str:
    """One row of the table."""
    return (
        f"| {name} | {ratio.median:.4f} | {ratio.low:.4f} to {ratio.high:.4f} | {ratio.pairs} | "
        f"{ratio.variant_s:.3f} s | {ratio.baseline_s:.3f} s |"
    )


def write(rows: dict[str, Ratio], alone: list[float], options: argparse.Namespace, device: torch.device) -> None:
    """Write the ratios as JSON, and the table made from them."""
    where = environment(device)
    record = {"bar": BAR, "batch": options.batch, "size": options.size, "environment": where}
    record["products_alone_s"] = alone
    record["ratios"] = {name: asdict(ratio) for name, ratio in rows.items()}
    replace_file(options.out / "window-cost.json", (json.dumps(record, indent=1) + "\n").encode())
    step = rows[STEP.format("direct")]
    verdicts = ", ".join(f"{rows[STEP.format(a)].verdict(BAR)} ({a})" for a in ALGORITHMS)
    text = [
        "# What the window costs",
        "",
        f"Time with the Hamming window over time without, 7x7 kernels (ResNet-18's, its stem 9x9), batch "
        f"{options.batch}, {options.size} pixels, float32, channels last; medians of interleaved pairs with "
        f"their 95 % intervals. The bar for the whole step is {BAR}: **{verdicts}**. "
        "Single layers: forward and both gradients.",
        "",
        f"{where['device']}, {where['threads']} threads, torch {where['torch']}, windowconv {where['windowconv']}. "
        "Made by `python -m benchmarks.window_cost`.",
        "",
        "| | ratio | interval | pairs | windowed | plain |",
        "| --- | --- | --- | --- | --- | --- |",
        *[line(name, ratio) for name, ratio in rows.items()],
        "",
        f"The products with the windows alone, forward and backward, take {median(alone):.3f} s ({min(alone):.3f} to "
        f"{max(alone):.3f} s in {len(alone)} repeats): {median(alone) / step.baseline_s:.1%} of the plain step. "
        "That is a lower bound: on their own they reuse warm memory, in a step they get fresh pages.",
        "",
    ]
    replace_file(options.out / "window-cost.md", "\n".join(text).encode())
    print("\n".join(text))


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=224, help="pixels of the images")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "results")
    options = parser.parse_args()
    device = torch.device(options.device)
    images = torch.rand(options.batch, 3, options.size, options.size, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(1000, (options.batch,), device=device)
    rows: dict[str, Ratio] = {}
    alone: list[float] = []
    for algorithm in ALGORITHMS:
        windowed, plain = networks(device, algorithm)
        steps = [training_step(model, images, labels) for model in (windowed, plain)]
        name = STEP.format(algorithm)
        rows[name] = interleaved(steps[0], steps[1], options.pairs)
        print(line(name, rows[name]), flush=True)
        alone = alone or products_alone(windowed, options.pairs)
        rows |= by_layer(options.batch, options.size, options.pairs, device, algorithm)
    write(rows, alone, options, device)


if __name__ == "__main__":
    main()
