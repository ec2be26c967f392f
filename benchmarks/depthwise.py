"""Depthwise layers and whole networks: training with algorithm="depthwise" or "auto" against torch's own.

    python -m benchmarks.depthwise                       # writes results/depthwise.{json,md}; half an hour
    python -m benchmarks.depthwise --batch 8 --rounds 3 --out /tmp/quick

A layer's step is forward and both gradients; it is compared with torch's in the faster of its two memory formats. Times
are interleaved. The floor of a step is the longer of its multiply-adds at the rate of a matrix product of this machine
and its bytes at the rate of a copy, both measured here. A run that was cut goes on where it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.markdown import table
from benchmarks.pairs import Ratio, ratio, rounds
from benchmarks.record import Record, Row, describe_environment, digest_of_sources, open_record
from windowconv import algorithm_report, set_algorithm
from windowconv.fftconv.arguments import make_geometry
from windowconv.fftconv.depthwise import depthwise_forward
from windowconv.files import replace_file
from windowconv.hooks import visit_calls

NETWORKS = {"ConvNeXt-T": "convnext_tiny", "EfficientNet-B0": "efficientnet_b0", "MobileNetV3-L": "mobilenet_v3_large"}
BARS = {"2-D": 8.0, "3-D": 3.0, "ConvNeXt-T": 1.2, "EfficientNet-B0": 1.12, "MobileNetV3-L": 1.12}
FORWARD_BAR = 1.0
WARMUP = 2
LAST: Any = {4: torch.channels_last, 5: torch.channels_last_3d}


@dataclass(frozen=True)
class Layer:
    """A depthwise layer: its input (N, C, *sides), taps of each axis, stride and padding in samples."""

    shape: tuple[int, ...]
    taps: int
    stride: int

    @property
    def name(self) -> str:
        return f"{'x'.join(map(str, self.shape))}, {self.taps} taps, stride {self.stride}"

    @property
    def multiply_adds(self) -> int:
        """Of forward and both gradients."""
        return 3 * self.outputs * self.taps ** (len(self.shape) - 2)

    @property
    def outputs(self) -> int:
        sides = [-(-side // self.stride) for side in self.shape[2:]]
        return torch.Size([*self.shape[:2], *sides]).numel()

    @property
    def bytes(self) -> int:
        """Input and output, read or written by each pass: x y, gy gx, x gy."""
        return 3 * 4 * (torch.Size(self.shape).numel() + self.outputs)


def layers(batches: list[int]) -> Iterator[Layer]:
    """The layers of more than 3 taps of all networks, each shape once, and one of three axes."""
    found: dict[Layer, None] = {}

    def visit(name: str, module: nn.Module, input: Tensor) -> None:
        conv: Any = module
        if conv.groups == conv.in_channels and conv.groups > 1 and conv.kernel_size[0] > 3:
            for batch in batches:
                found[Layer((batch, *input.shape[1:]), conv.kernel_size[0], conv.stride[0])] = None

    for name in NETWORKS.values():
        model = getattr(torchvision.models, name)()
        modules = {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}
        visit_calls(model, modules, (torch.rand(1, 3, 224, 224),), visit)
    yield from sorted(found, key=lambda layer: (layer.shape[0], layer.taps, -layer.shape[2], layer.shape[1]))
    yield Layer((2, 32, 32, 32, 32), 5, 1)


def measure_layer(layer: Layer, count: int) -> Row:
    """Seconds of forward passes and of steps, by variant, in turn."""
    axes, channels = len(layer.shape) - 2, layer.shape[1]
    geometry = make_geometry((layer.taps,) * axes, layer.stride, layer.taps // 2, 1, channels)
    torchs = {2: F.conv2d, 3: F.conv3d}[axes]

    def by_torch(x: Tensor, w: Tensor) -> Tensor:
        return torchs(x, w, None, layer.stride, layer.taps // 2, 1, channels)

    def by_us(x: Tensor, w: Tensor) -> Tensor:
        return depthwise_forward(x, w, None, geometry)

    w = torch.randn(channels, 1, *(layer.taps,) * axes, requires_grad=True)
    forward: dict[str, Callable[[], object]] = {}
    steps: dict[str, Callable[[], object]] = {}
    for name, convolution in (("torch", by_torch), ("ours", by_us)):
        for of, memory_format in (("contiguous", torch.contiguous_format), ("last", LAST[axes + 2])):
            x = torch.randn(layer.shape).contiguous(memory_format=memory_format).requires_grad_()
            gradient = torch.randn_like(convolution(x, w).detach())
            forward[f"{name}, {of}"] = _forward(convolution, x, w)
            steps[f"{name}, {of}"] = _step(convolution, x, w, gradient)
    for function in (*forward.values(), *steps.values()):
        function()
    return {"forward": rounds(forward, count), "step": rounds(steps, count), "floor_s": _floor(layer)}


def _forward(convolution: Callable[[Tensor, Tensor], Tensor], x: Tensor, w: Tensor) -> Callable[[], object]:
    def run() -> None:
        with torch.no_grad():
            convolution(x, w)

    return run


def _step(convolution: Callable[[Tensor, Tensor], Tensor], x: Tensor, w: Tensor, gradient: Tensor) -> Callable[[], Any]:
    return lambda: torch.autograd.grad(convolution(x, w), (x, w), gradient)


def _floor(layer: Layer) -> float:
    """The least seconds for a step, at rates that are measured now."""
    a, b = torch.randn(768, 768), torch.randn(768, 768)
    source, target = torch.randn(1 << 23), torch.empty(1 << 23)
    times = rounds({"product": lambda: a @ b, "copy": lambda: target.copy_(source)}, 7)
    rate, speed = 768**3 / min(times["product"]), 8 * source.numel() / min(times["copy"])
    return max(layer.multiply_adds / rate, layer.bytes / speed)


def measure_network(name: str, batch: int, count: int) -> Row:
    """Seconds of training steps at 224 pixels: torch's in both memory formats, and "auto"."""
    images, labels = torch.rand(batch, 3, 224, 224), torch.randint(1000, (batch,))
    steps: dict[str, Callable[[], object]] = {}
    chosen: dict[str, str] = {}
    for variant in ("torch, contiguous", "torch, last", "ours, last"):
        torch.manual_seed(0)
        model = getattr(torchvision.models, NETWORKS[name])().train()
        given = images
        if "last" in variant:
            model, given = model.to(memory_format=torch.channels_last), images.contiguous(memory_format=LAST[4])
        if "ours" in variant:
            model = set_algorithm(model, "auto")
            chosen = algorithm_report(model, given, training=True).pins
        steps[variant] = _training_step(model, given, labels)
    for function in steps.values():
        for _ in range(WARMUP):
            function()
    counted = {kind: list(chosen.values()).count(kind) for kind in ("depthwise", "fft", "direct")}
    return {"step": rounds(steps, count), "chosen": counted}


def _training_step(model: nn.Module, images: Tensor, labels: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


def gain(times: dict[str, list[float]], variant: str = "ours, last") -> Ratio:
    """How many times as fast a variant is as torch in its faster memory format."""
    best = min((name for name in times if name.startswith("torch")), key=lambda name: median(times[name]))
    return ratio(times[best], times[variant])


def page(record: Record) -> str:
    """The tables in Markdown."""
    where = record.environment
    networks = [_network_row(name, row) for name, row in record.group("network").items()]
    single = [_layer_row(name, row) for name, row in record.group("layer").items()]
    of_networks = ["network", "times torch", "bar", "", "torch contiguous", "torch last", "ours last", "by auto"]
    of_layers = [
        *("layer", "step, times torch", "bar", "", "with contiguous images", "forward, times torch", "bar 1"),
        *("torch contiguous, ms", "torch last, ms", "ours last, ms", "floor, ms", "over the floor"),
    ]
    parts = [
        "# Depthwise convolutions",
        "Times torch's own, in the faster of its two memory formats (medians of interleaved rounds and their 95 % "
        "intervals); ours with channels last. A step of a layer is forward and both gradients, of a network also loss "
        "and SGD. The floor is the longer of a step's multiply-adds at the rate of a matrix product and its bytes at "
        "the rate of a copy.",
        f"{where['device']}, {where['threads']} threads, {where['instructions']}, torch {where['torch']}, windowconv "
        f"{where['windowconv']}. Made by `python -m benchmarks.depthwise`.",
        "## Training whole networks, 224 pixels",
        *table(of_networks, networks),
        "## Layers",
        *table(of_layers, single),
    ]
    return "\n\n".join(parts) + "\n"


def _network_row(name: str, row: Row) -> list[str]:
    step, bar = gain(row["step"]), BARS[name.split(",")[0]]
    seconds = [f"{median(row['step'][v]):.2f} s" for v in ("torch, contiguous", "torch, last", "ours, last")]
    chosen = ", ".join(f"{count} {kind}" for kind, count in row["chosen"].items() if count)
    return [name, _cell(step), str(bar), step.verdict_at_least(bar), *seconds, chosen]


def _layer_row(name: str, row: Row) -> list[str]:
    step, forward = gain(row["step"]), gain(row["forward"])
    bar = BARS["3-D" if name.split(",")[0].count("x") == 4 else "2-D"]
    times = [median(row["step"][v]) for v in ("torch, contiguous", "torch, last", "ours, last")] + [row["floor_s"]]
    return [
        *(name, _cell(step), f"{bar:g}", step.verdict_at_least(bar), _cell(gain(row["step"], "ours, contiguous"))),
        *(_cell(forward), forward.verdict_at_least(FORWARD_BAR)),
        *(f"{1e3 * seconds:.1f}" for seconds in times),
        f"{times[2] / times[3]:.1f}",
    ]


def _cell(ratio: Ratio) -> str:
    return f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def main() -> None:
    """Measure what is missing and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--networks", type=int, default=7, help="rounds of whole networks; 0 for none")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "results")
    options = parser.parse_args()
    record, said = open_record(
        options.out / "depthwise.json", describe_environment(False), digest_of_sources("fftconv")
    )
    print(f"{record.path}: {said}")
    for layer in layers(options.batch):
        if not record.has(f"layer/{layer.name}"):
            record.add(f"layer/{layer.name}", measure_layer(layer, options.rounds))
            print(layer.name, _cell(gain(record.rows[f"layer/{layer.name}"]["step"])), flush=True)
    for name in NETWORKS if options.networks else ():
        key = f"network/{name}, batch 8"
        if not record.has(key):
            record.add(key, measure_network(name, 8, options.networks))
            print(name, _cell(gain(record.rows[key]["step"])), flush=True)
    replace_file(options.out / "depthwise.md", page(record).encode())


if __name__ == "__main__":
    main()
