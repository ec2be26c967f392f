"""What a run is: frozen dataclasses, free of torch, that are written to its folder and hashed."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args, get_type_hints

from windowconv.errors import InputError
from windowconv.lab.config_checks import check_training, option

Augment = Literal["none", "flip-crop", "area-crop"]
Schedule = Literal["steps", "cosine", "one-cycle"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]

LATER: dict[str, Any] = {
    "l1": 0.0,
    "dropout": 0.0,
    "adversarial": "none",
    "adversarial_budget": 8 / 255,
    "adversarial_steps": 7,
    "adversarial_step_size": None,
}
"""Settings that came after the first runs, with their defaults, which must stay: else those runs lose their hashes."""


@dataclass(frozen=True)
class Training:
    """Settings that all arms and seeds share. The defaults suit a laptop; the paper's values are in brackets."""

    network: str = "small"
    """small (the paper's CIFAR network), resnet18, resnet18-cifar, vgg11-bn, torchvision/NAME, timm/NAME [small;
    ImageNet: resnet18, vgg11-bn]."""
    depth: int = 4
    """Convolutions of the small network [6]."""
    width: int = 16
    """Channels of the first convolution of small (the others have twice as many) [128] or of the
    first stage of resnets and VGG [64]."""
    match: Literal["none", "params", "flops"] = "none"
    """Choose the widths of all arms but 3x3 so that they have its number of parameters or multiply-adds."""
    image_size: int | None = None
    """Resize the images to this many pixels (needed for image folders of mixed sizes)."""
    train_images: int | None = None
    """Train on so many images, evenly over the classes; all if not given."""
    test_images: int | None = None
    """Evaluate on so many images, evenly over the classes; all if not given."""
    val_fraction: float = 0.0
    """Hold this share of the training images out, always the same ones. Epochs are then evaluated on them, and the
    test set is touched once, at the end."""
    stream: bool = False
    """Read images from disk while training instead of holding them in memory: image folders, tar shards."""
    augment: Augment = "flip-crop"
    """flip-crop: random mirroring and crops after a padding of 4 [CIFAR]. area-crop: crops of random area and aspect,
    mirrored at random; for streamed images [ImageNet]."""
    crop_area: tuple[float, float] = (0.1, 1.0)
    """Smallest and largest share of an image's area that area-crop takes [0.1 1]."""
    crop_aspect: tuple[float, float] = (0.8, 1.25)
    """Narrowest and widest aspect of such a crop [0.8 1.25]."""
    normalize: Literal["none", "imagenet"] = "none"
    """Subtract ImageNet's mean and divide by its standard deviation [none; ImageNet: imagenet]."""
    epochs: int = 4
    """Passes over the training images [150; ImageNet: 90]."""
    batch_size: int = 64
    """Images a step, over all processes together [32; ImageNet: 256 a process]."""
    accumulate: int = 1
    """Compute a step's gradient in so many parts, one after the other, to save memory [1]."""
    lr: float = 0.05
    """Learning rate of SGD, before warm-up and decay [0.01; ImageNet: 0.1 for each 256 images of a step]."""
    schedule: Schedule = "steps"
    """How the learning rate falls: at milestones, along a cosine, or up and down in one cycle [steps]."""
    milestones: tuple[float, ...] = (0.5, 0.8)
    """Where it falls, as shares of all steps [75 and 120 of 150 epochs; ImageNet: 30, 60, 80 of 90]."""
    lr_factor: float = 0.1
    """What it is multiplied by at each milestone [0.1]."""
    warmup_epochs: float = 0.0
    """Epochs in which it grows, step by step, from nothing [0; ImageNet: 5]."""
    momentum: float = 0.9
    """Momentum of SGD [0.9]."""
    nesterov: bool = False
    """Nesterov's momentum [no]."""
    weight_decay: float = 1e-3
    """L2 decay, on the raw weights [0.001; ImageNet: 0.0001]."""
    decay: Literal["all", "weights"] = "all"
    """What decays: all parameters, or the weights of convolutions and linear layers only [all]."""
    l1: float = 0.0
    """L1 decay of the raw weights of convolutions and linear layers: what the loss gets for the sum of their absolute
    values [0]."""
    dropout: float = 0.0
    """Share of the features before the last layer of small that is dropped in training [0]."""
    label_smoothing: float = 0.0
    """Share of the target that is spread over all classes [0]."""
    ema: float = 0.0
    """Decay of a moving average of the weights, which is then what is evaluated and kept; 0 is none [0]."""
    patience: int | None = None
    """Stop after so many epochs without a better validation accuracy, and keep the best epoch's weights."""
    adversarial: Literal["none", "pgd", "fgsm"] = "none"
    """Train on what an attack makes of the images within a budget: pgd (Madry et al.), or fgsm, its one-step kin (Wong
    et al.). A step takes up to adversarial-steps + 1 times as long [none]."""
    adversarial_budget: float = 8 / 255
    """The largest change of a pixel, whose values go from 0 to 1; 8/255 if not given."""
    adversarial_steps: int = 7
    """Steps of pgd."""
    adversarial_step_size: float | None = None
    """How far a step goes, over the budget; 0.25 for pgd and 1.25 for fgsm if not given."""
    precision: Precision = "fp32"
    """fp32, tf32 (fp32 with TensorFloat-32 products, on GPUs), bf16 or fp16 (mixed) [fp32]."""
    algorithm: Literal["auto", "direct", "fft"] = "auto"
    """How convolutions are computed: torch's own, by the frequency domain, or whichever is faster for each layer
    (chosen when a study or a run starts, written into run.json, and kept) [direct]."""
    channels_last: bool = True
    """Memory format of images and weights; channels last is the faster one [no: torch's default]."""
    compile: bool = False
    """Compile the network with torch.compile: a minute at the start, worth it for long runs [no]."""

    def __post_init__(self) -> None:
        hints = get_type_hints(Training)
        choices = {name: get_args(hint) for name, hint in hints.items() if str(hint).startswith("typing.Literal")}
        check_training(self, choices)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The settings that a JSON file holds; what it does not name has its default."""
        settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
        return cls(**settings)


@dataclass(frozen=True)
class FinetuneTraining(Training):
    """Settings with defaults that suit pretrained networks."""

    depth: int = 4
    """Convolutions of the small network."""
    width: int = 64
    """Channels of the first convolution of small, of the first stage of resnet18, resnet18-cifar and vgg11-bn."""
    image_size: int | None = 224
    """Crop or resize the images to this many pixels."""
    stream: bool = True
    """Read images from disk while training instead of holding them in memory: image folders, tar shards."""
    augment: Augment = "area-crop"
    """area-crop: crops of random area and aspect, mirrored at random; for streamed images. flip-crop: random mirroring
    and crops after a padding of 4; for images in memory."""
    crop_area: tuple[float, float] = (0.35, 1.0)
    """Smallest and largest share of an image's area that area-crop takes."""
    normalize: Literal["none", "imagenet"] = "imagenet"
    """Subtract ImageNet's mean and divide by its standard deviation, as most pretrained networks need it."""
    epochs: int = 10
    """Passes over the training images."""
    lr: float = 0.01
    """Learning rate of SGD, before warm-up and decay."""
    schedule: Schedule = "cosine"
    """How the learning rate falls: at milestones, along a cosine, or up and down in one cycle."""
    weight_decay: float = 1e-4
    """L2 decay, on the raw weights, which are larger where a window was divided out: keep it small."""


@dataclass(frozen=True)
class RunConfig(Training):
    """One run: the shared settings, the data's name, the arm and the seed. It names no folder and no machine."""

    data: str = "fashion-mnist"
    """The data's name; for a folder of images, the folder's own name."""
    arm: str = "3x3"
    """Kernel size and window, such as 3x3, 7x7, 7x7-hamming."""
    seed: int = 0
    """Of the initial weights, the order of the images and the augmentation."""
    start: str = ""
    """The content hash of the weights that training starts from; empty for random ones."""
    preserve: bool = False
    """Whether the network computed the same after its conversion to the arm (see finetune)."""
    purpose: Literal["result", "search"] = "result"
    """A search's runs leave the test set alone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed={self.seed}; allowed: 0 to 2**63 - 1")
        if self.purpose == "search" and not self.val_fraction:
            raise InputError("purpose='search' needs --val-fraction: the test set decides nothing")

    @property
    def config_hash(self) -> str:
        """Sixteen hex digits that differ where a setting does; those that came later count where they are not at their
        default, so that earlier runs keep theirs."""
        settings = {key: value for key, value in asdict(self).items() if key not in LATER or value != LATER[key]}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def run_name(self) -> str:
        """The run's folder in its study."""
        return f"{self.arm.replace(':', '_')}-seed{self.seed}"

    @property
    def command(self) -> str:
        """The command that makes this run, without folders; FILE is the weights that it started from, if any."""
        parts, defaults, always = ["windowconv train"], Training, {"data", "arm", "seed"}
        left_out = {"start", "preserve", "purpose"}
        if self.start:
            parts = [f"windowconv finetune --model {shlex.quote(self.network)} --weights FILE"]
            defaults, always = FinetuneTraining, {*always, "preserve"}
            left_out = {"start", "purpose", "network"}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in always or (field.name not in left_out and value != getattr(defaults, field.name)):
                parts.append(_option(field.name, value))
        return " ".join(parts)


def _option(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{option(name)}" if value else f"--no-{option(name)}"
    text = " ".join(map(str, value)) if isinstance(value, tuple) else shlex.quote(str(value))
    return f"--{option(name)} {text}"


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How and where a run is carried out; results differ at most by rounding."""

    device: str = "cpu"
    """A torch device: cpu, cuda, cuda:1, mps."""
    threads: int | None = None
    """CPU threads; torch's own choice if not given."""
    workers: int = 2
    """Processes that read streamed images; 0 reads them in the training process."""
    checkpoint_minutes: float = 5.0
    """Save a checkpoint at the first step after so many minutes, and after an epoch that ends later than a tenth of
    them; 0 saves after every step."""
    keep_checkpoints: int = 2
    """Checkpoints that are kept while a run goes on."""
    tensorboard: bool = False
    """Write what metrics.jsonl has for TensorBoard too, into the run folder's tensorboard/."""

    def __post_init__(self) -> None:
        for name, low in (("threads", 1), ("workers", 0), ("checkpoint_minutes", 0), ("keep_checkpoints", 1)):
            value = getattr(self, name)
            if value is not None and not value >= low:
                raise InputError(f"{option(name)}={value}; allowed: {low} or more")
