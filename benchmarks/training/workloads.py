"""What is trained: networks at several sizes, each arm in each precision, on images of noise."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from windowconv.lab.config import Execution, RunConfig
from windowconv.lab.data import ImageData, ImageSet
from windowconv.lab.models.algorithm_choice import Pins, choose_algorithms, restore_algorithms
from windowconv.lab.models.build import build
from windowconv.lab.models.matching import NetworkSpec, network_spec
from windowconv.lab.recipes import ARMS, find_recipe

PRECISIONS = ("fp32", "bf16")
LONGEST = 15.0  # seconds: a row whose step takes longer is not measured
MANY_EPOCHS = 100_000  # so that no row comes to the last one
LR = 1e-3  # labels of noise cannot be learnt, and must not make the loss infinite


@dataclass(frozen=True)
class Workload:
    """A network of a recipe's at the size of its images.

    Args:
        title: for tables.
        recipe: whose settings it has.
        classes, pixels: of the images.
        most: images of a measurement at most.
        changes: of the recipe's settings.
        batch: images a step by kind of device, where it is not the recipe's.
        photographs: whether the recipe's images are files of many sizes.
        compiled_on_cpu: whether compiling it for a CPU is of interest.
    """

    title: str
    recipe: str
    classes: int
    pixels: int
    most: int
    changes: Mapping[str, Any] = field(default_factory=dict)
    batch: Mapping[str, int] = field(default_factory=dict)
    photographs: bool = False
    compiled_on_cpu: bool = False


IN_MEMORY = {"stream": False, "augment": "flip-crop", "image_size": None}
FAST = {"algorithm": "auto", "channels_last": True}
WORKLOADS: dict[str, Workload] = {
    "cifar10-small": Workload("small network, cifar10-small", "cifar10-small", 10, 32, 25_600, compiled_on_cpu=True),
    "cifar10-paper": Workload("small network, cifar10-paper", "cifar10-paper", 10, 32, 25_600),
    "resnet18": Workload(
        "ResNet-18 at 224 pixels",
        "imagenet-resnet18-paper",
        1000,
        224,
        2_048,
        {**IN_MEMORY, **FAST},
        {"cpu": 16, "cuda": 256},
        photographs=True,
    ),
}
QUICK: dict[str, Workload] = {
    "cifar10-smoke": Workload("small network, cifar10-smoke", "cifar10-smoke", 10, 32, 640, {"train_images": None}),
    "resnet18-smoke": Workload(
        "ResNet-18 at 32 pixels", "imagenet-resnet18-smoke", 4, 32, 64, {**IN_MEMORY, "train_images": None}, {}, True
    ),
}
"""To try the benchmark, and to test it."""


@dataclass(frozen=True)
class Case:
    """One row's network."""

    workload: str
    arm: str
    precision: str = "fp32"
    compiled: bool = False

    @property
    def key(self) -> str:
        """For a record."""
        return "/".join([self.workload, self.arm, self.precision, "compiled" if self.compiled else "eager"])

    @classmethod
    def of(cls, key: str) -> Case:
        """The case with this key."""
        workload, arm, precision, how = key.split("/")
        return cls(workload, arm, precision, how == "compiled")

    @property
    def size(self) -> Workload:
        """What it is a case of."""
        return WORKLOADS.get(self.workload) or QUICK[self.workload]


def cases(quick: bool, compiled: bool, device: torch.device) -> Iterator[Case]:
    """All rows; compiled ones after the others, on a CPU of some workloads only."""
    for how in (False, True) if compiled else (False,):
        for name, workload in (QUICK if quick else WORKLOADS).items():
            if how and device.type == "cpu" and not (workload.compiled_on_cpu or quick):
                continue
            for arm, precision in product(ARMS, PRECISIONS[:1] if quick else PRECISIONS):
                yield Case(name, arm, precision, how)


@dataclass(frozen=True)
class Setup:
    """A case on a device: settings, network and algorithms, the same for all ways to train it."""

    case: Case
    config: RunConfig
    spec: NetworkSpec
    pins: Pins
    device: torch.device

    @property
    def layout(self) -> torch.memory_format:
        """The memory format of images and weights."""
        return torch.channels_last if self.config.channels_last else torch.contiguous_format

    def network(self) -> nn.Module:
        """The network as `windowconv.lab.training.train` makes it, with the same weights each time."""
        torch.manual_seed(self.config.seed)
        layout: Any = {"memory_format": self.layout}
        model = build(self.spec.builder, self.spec.arguments).to(self.device).to(**layout)
        restore_algorithms(model, self.pins)
        if self.config.compile:
            model.compile()
        return model

    def autocast(self) -> torch.autocast:
        """The precision."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16")

    def guess(self) -> float:
        """About how many seconds a step takes, not compiled; from small images alone where it takes far too long."""
        pixels, batch = self.case.size.pixels, self.config.batch_size
        rough = self._extrapolated(pixels // 4, 16 * batch)
        return rough if rough > 4 * LONGEST else self._extrapolated(pixels, batch)

    def _extrapolated(self, pixels: int, images: int) -> float:
        """Seconds of a step on so many images, from steps on two and on six: part of a step does not depend on them."""
        few = min(self._seconds(pixels, 2) for _ in range(2))  # the first one warms up
        more = self._seconds(pixels, 6)
        return few + max(0.0, more - few) / 4 * (images - 2)

    def _seconds(self, pixels: int, count: int) -> float:
        model = replace(self, config=replace(self.config, compile=False)).network()
        images = torch.rand(count, 3, pixels, pixels, device=self.device).contiguous(memory_format=self.layout)
        start = time.perf_counter()
        with self.autocast():
            loss = F.cross_entropy(model(images), torch.zeros(count, dtype=torch.int64, device=self.device))
        loss.backward()
        wait(self.device)
        return time.perf_counter() - start


def prepare(case: Case, device: torch.device) -> Setup:
    """The case's settings, and the algorithms that the laboratory would choose."""
    size = case.size
    given = asdict(find_recipe(size.recipe).training) | dict(size.changes)
    given["batch_size"] = size.batch.get(device.type, given["batch_size"])
    given |= {"precision": case.precision, "compile": case.compiled}
    given |= {"epochs": MANY_EPOCHS, "lr": LR, "warmup_epochs": 0.0}
    config = RunConfig(**given, data="noise", arm=case.arm)
    spec = network_spec(config, case.arm, 0, size.classes, (3, size.pixels, size.pixels))
    data = noise(config.batch_size, 1, size.pixels, size.classes)
    return Setup(case, config, spec, choose_algorithms(spec, config, data, Execution(device=str(device))), device)


def noise(train: int, test: int, pixels: int, classes: int, channels: int = 3) -> ImageData:
    """So many images of noise, in classes that mean nothing."""
    generator = torch.Generator().manual_seed(0)
    names = tuple(f"class {i}" for i in range(classes))
    sets = []
    for n in (train, test):
        images = torch.randint(256, (n, channels, pixels, pixels), generator=generator, dtype=torch.uint8)
        sets.append(ImageSet(images, torch.arange(n) % classes, names))
    return ImageData("noise", *sets)


def wait(device: torch.device) -> None:
    """Until the device has done what it was told to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
