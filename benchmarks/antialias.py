"""Subsampling without aliasing: what the blur costs, and what it does to networks that were trained without it.

    python -m benchmarks.antialias            # writes results/antialias.md; a quarter of an hour
    python -m benchmarks.antialias --quick --out /tmp/quick

Cost: forward and gradient of `BlurPool2d()` beside other ways to compute the same in torch, interleaved; the bar is
1.05 of the fastest. Effect: the packaged trained networks as they are and after `antialias`, on test images.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.markdown import table
from benchmarks.pairs import ratio, rounds
from windowconv.antialias import BlurPool2d, antialias, plan_antialias
from windowconv.files import replace_file
from windowconv.lab.data.sets import in_memory
from windowconv.lab.data.sources import load
from windowconv.lab.pretrained import list_pretrained, load_pretrained
from windowconv.lab.runs.environment import environment
from windowconv.lab.training.evaluate import evaluate
from windowconv.spectra import shift_consistency

BAR = 1.05
SHAPES = ((8, 64, 112), (8, 64, 56), (8, 256, 28), (8, 512, 14), (1, 64, 112), (32, 32, 31))
"""Batch, channels and pixels a side: the strides of ResNets at 224 pixels, and a small network's."""


def dense(x: Tensor) -> Tensor:
    """A depthwise convolution with the 3x3 product of the taps."""
    taps = torch.tensor([0.25, 0.5, 0.25])
    weight = (taps[:, None] * taps).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, [1, 1, 1, 1], "reflect"), weight, stride=2, groups=x.shape[1])


def separable(x: Tensor) -> Tensor:
    """Two depthwise convolutions, an axis each."""
    taps = torch.tensor([0.25, 0.5, 0.25])
    x = F.pad(x, [1, 1, 1, 1], "reflect")
    x = F.conv2d(x, taps.view(1, 1, 3, 1).expand(x.shape[1], 1, 3, 1), stride=(2, 1), groups=x.shape[1])
    return F.conv2d(x, taps.view(1, 1, 1, 3).expand(x.shape[1], 1, 1, 3), stride=(1, 2), groups=x.shape[1])


def slices(x: Tensor) -> Tensor:
    """Sums of shifted samples."""
    x = F.pad(x, [1, 1, 1, 1], "reflect")
    rows = 0.25 * (x[:, :, :-2:2] + x[:, :, 2::2]) + 0.5 * x[:, :, 1:-1:2]
    return 0.25 * (rows[..., :-2:2] + rows[..., 2::2]) + 0.5 * rows[..., 1:-1:2]


WAYS: dict[str, Callable[[Tensor], Tensor]] = {"dense": dense, "separable": separable, "slices": slices}


def cost(shape: tuple[int, int, int], channels_last: bool, count: int) -> dict[str, Any]:
    """Seconds of each way for a batch of `shape`, forward and gradient."""
    batch, channels, side = shape
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.rand(batch, channels, side, side).contiguous(memory_format=layout).requires_grad_()
    pool = BlurPool2d()
    for way in WAYS.values():
        torch.testing.assert_close(way(x), pool(x))

    def step(way: Callable[[Tensor], Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(way(x).sum(), x)

    times = rounds({name: step(way) for name, way in {"BlurPool2d": pool, **WAYS}.items()}, count + 2)
    times = {name: each[2:] for name, each in times.items()}
    best = min(WAYS, key=lambda name: median(times[name]))
    found = ratio(times["BlurPool2d"], times[best])
    return {"best": best, "ratio": asdict(found), "milliseconds": {n: 1e3 * median(t) for n, t in times.items()}}


def effect(name: str, count: int) -> list[dict[str, Any]]:
    """A trained network's accuracy and shift consistency, as it is and blurred."""
    about = list_pretrained()[name]
    images = in_memory(load(about.data).test)
    model = load_pretrained(name)
    shape = (1, *about.image)
    found = []
    for title, network in (("as trained", model), ("antialias", antialias(model))):
        predictions = evaluate(network, images)
        shifts = shift_consistency(network, images.images[:count].float() / 255)
        macs = plan_antialias(model, torch.rand(shape)).macs
        assert macs
        found.append(
            {
                "network": name,
                "model": title,
                "accuracy": predictions.metrics()["accuracy"],
                "n": len(images),
                "consistency": shifts.share,
                "low": shifts.low,
                "high": shifts.high,
                "pairs": shifts.pairs,
                "macs": macs[title == "antialias"],
            }
        )
    return found


def page(record: dict[str, Any]) -> str:
    """The tables, in Markdown."""
    here = record["environment"]
    costs = [
        [
            f"{row['batch']} x {row['channels']} x {row['side']}²",
            "channels last" if row["channels_last"] else "contiguous",
            *(f"{row['milliseconds'][name]:.3f}" for name in ("BlurPool2d", *WAYS)),
            f"{row['ratio']['median']:.2f} ({row['ratio']['low']:.2f} to {row['ratio']['high']:.2f})",
            f"{row['ratio']['pairs']}",
        ]
        for row in record["cost"]
    ]
    effects = [
        [
            row["network"],
            row["model"],
            f"{100 * row['accuracy']:.2f}",
            f"{100 * row['consistency']:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]",
            f"{row['n']:,}; {row['pairs']:,}",
            f"{row['macs'] / 1e6:.1f}",
        ]
        for row in record["effect"]
    ]
    head = ["input", "layout", *(f"{name}, ms" for name in ("BlurPool2d", *WAYS)), "BlurPool2d over the best", "pairs"]
    lines = [
        "# Subsampling without aliasing",
        f"Made by `python -m benchmarks.antialias` on {here['device']}, {here['threads']} threads, "
        f"torch {here['torch']}.",
        "## Cost",
        f"Forward and gradient of a blur of 3 taps at stride 2; medians. The bar is {BAR} of the fastest.",
        *table(head, costs),
        "## Effect on networks that were trained without it",
        "Accuracy on all test images (%), share of pairs of shifts that get one class (%, 95 % interval), and millions "
        "of multiply-adds of one image. No network was fine-tuned.",
        *table(["network", "model", "accuracy", "shift consistency", "images; pairs", "multiply-adds"], effects),
    ]
    return "\n\n".join(lines) + "\n"


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--quick", action="store_true", help="few repeats, one network")
    given = parser.parse_args()
    record: dict[str, Any] = {"environment": environment("cpu"), "cost": []}
    for shape in SHAPES[-1:] if given.quick else SHAPES:
        for last in (False, True):
            found = cost(shape, last, 5 if given.quick else 30)
            record["cost"].append(
                dict(zip(("batch", "channels", "side"), shape, strict=True)) | found | {"channels_last": last}
            )
            print(shape, "channels last" if last else "contiguous", found["best"], found["ratio"]["median"], flush=True)
    names = list(list_pretrained())
    record["effect"] = [
        row for name in (names[:1] if given.quick else names) for row in effect(name, 500 if given.quick else 2000)
    ]
    replace_file(given.out / "antialias.json", (json.dumps(record, indent=1) + "\n").encode())
    replace_file(given.out / "antialias.md", page(record).encode())


if __name__ == "__main__":
    main()
