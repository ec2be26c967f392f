"""What a run is: frozen dataclasses, free of torch, that are written to its folder and hashed."""

from __future__ import annotations

import hashlib
import json
import math
import shlex
from dataclasses import asdict, dataclass, fields
from typing import Literal

from windowconv.errors import InputError, unknown


@dataclass(frozen=True)
class Training:
    """What all arms and seeds of a comparison share. The defaults suit a laptop; the paper's values in brackets."""

    image_size: int | None = None
    """Resize the images to this many pixels (needed for image folders of mixed sizes)."""
    train_images: int | None = None
    """Train on so many images, evenly over the classes; all if not given."""
    test_images: int | None = None
    """Evaluate on so many images, evenly over the classes; all if not given."""
    depth: int = 4
    """Convolutions of the network [6]."""
    width: int = 16
    """Channels of the first convolution; the others have twice as many [128]."""
    epochs: int = 4
    """Passes over the training images [150]."""
    batch_size: int = 64
    """Images a step [32]."""
    lr: float = 0.05
    """Learning rate of SGD at the start [0.01]."""
    momentum: float = 0.9
    """Momentum of SGD [0.9]."""
    weight_decay: float = 1e-3
    """L2 decay, on the raw weights [0.001]."""
    milestones: tuple[float, ...] = (0.5, 0.8)
    """Where the learning rate falls, as shares of all steps [75 and 120 of 150 epochs]."""
    lr_factor: float = 0.1
    """What the learning rate is multiplied by at each milestone [0.1]."""
    augment: Literal["none", "flip-crop"] = "flip-crop"
    """Random mirroring and crops after a padding of 4 [flip-crop]."""
    algorithm: Literal["auto", "direct", "fft"] = "auto"
    """How convolutions are computed: torch's own, by the frequency domain, or whichever is faster for each layer
    (chosen when a run starts and written into run.json)."""

    def __post_init__(self) -> None:
        for name in ("image_size", "train_images", "test_images", "width", "epochs", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name.replace('_', '-')}={value}; allowed: 1 or more")
        if self.depth < 2:
            raise InputError(f"depth={self.depth}; allowed: 2 or more convolutions")
        for name in ("lr", "momentum", "weight_decay", "lr_factor"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"{name.replace('_', '-')}={value}; allowed: a finite number, 0 or more")
        if not all(0 <= m <= 1 for m in self.milestones):
            raise InputError(f"milestones={self.milestones}; allowed: shares of all steps, 0 to 1")
        if self.augment not in ("none", "flip-crop"):
            raise unknown("augment", self.augment, ["none", "flip-crop"])
        if self.algorithm not in ("auto", "direct", "fft"):
            raise unknown("algorithm", self.algorithm, ["auto", "direct", "fft"])


@dataclass(frozen=True)
class RunConfig(Training):
    """One run: the shared settings, the data's name, the arm and the seed. It names no folder and no machine."""

    data: str = "fashion-mnist"
    """The data's name; for a folder of images, the folder's own name."""
    arm: str = "3x3"
    """Kernel size and window, such as 3x3, 7x7, 7x7-hamming."""
    seed: int = 0
    """Of the initial weights, the order of the images and the augmentation."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed={self.seed}; allowed: 0 to 2**63 - 1")

    @property
    def config_hash(self) -> str:
        """Sixteen hex digits that differ where a setting does."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def run_name(self) -> str:
        """The run's folder in its study."""
        return f"{self.arm.replace(':', '_')}-seed{self.seed}"

    @property
    def command(self) -> str:
        """The command that makes this run, without folders."""
        parts = ["windowconv train"]
        defaults = RunConfig()
        for field in fields(self):
            value = getattr(self, field.name)
            if value != getattr(defaults, field.name) or field.name in ("data", "arm", "seed"):
                text = " ".join(map(str, value)) if isinstance(value, tuple) else shlex.quote(str(value))
                parts.append(f"--{field.name.replace('_', '-')} {text}")
        return " ".join(parts)
