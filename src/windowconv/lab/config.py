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

Augment = Literal["none", "flip-crop", "flip-shift", "area-crop"]
Schedule = Literal["steps", "cosine", "one-cycle", "triangular"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]

LATER: dict[str, Any] = {
    "l1": 0.0,
    "dropout": 0.0,
    "adversarial": "none",
    "adversarial_budget": 8 / 255,
    "adversarial_steps": 7,
    "adversarial_step_size": None,
    "start_size": None,
    "start_share": 0.5,
    "stem_epochs": 3,
    "bias_lr": 1.0,
    "decoupled_decay": False,
    "loss": "mean",
    "lookahead": 0.0,
    "lookahead_steps": 5,
    "test_augment": False,
    "bad_images": "fail",
    "evaluate_every": 1,
}
"""Settings that came after the first runs, with their defaults, which must stay: else those runs lose their hashes."""


@dataclass(frozen=True)
class Training:
    """Settings that all arms and seeds share. The defaults suit a laptop."""

    network: str = "small"
    """small (the paper's CIFAR network), resnet18, resnet18-cifar, vgg11-bn, airbench (fast training of CIFAR-10),
    torchvision/NAME, timm/NAME (paper: small; ImageNet: resnet18, vgg11-bn)."""
    depth: int = 4
    """Convolutions of the small network (paper: 6)."""
    width: int = 16
    """Channels of the first convolution of small (the others have twice as many) (paper: 128) or of the
    first stage of resnets, VGG and airbench (paper: 64)."""
    match: Literal["none", "params", "flops"] = "none"
    """Choose the other arms' widths to match the number of parameters or multiply-adds of 3x3 (paper: none)."""
    image_size: int | None = None
    """Resize the images to this many pixels (needed for image folders of mixed sizes)."""
    start_size: int | None = None
    """Resize images in memory to this many pixels during the first epochs, which are then faster."""
    start_share: float = 0.5
    """The share of all steps for which that is done."""
    train_images: int | None = None
    """Number of training images, evenly over the classes; all if not given."""
    test_images: int | None = None
    """Number of test images, evenly over the classes; all if not given."""
    val_fraction: float = 0.0
    """Hold out this fraction of the training images for validation, the same ones in all runs. Epochs are evaluated on
    them, and the test set is used once, at the end."""
    stream: bool = False
    """Read images from disk while training instead of holding them in memory: image folders, tar shards."""
    bad_images: Literal["fail", "skip"] = "fail"
    """What to do about images of a folder that cannot be decoded: refuse the first, or leave all of them out and list
    them, for which each image is decoded once more at the start."""
    augment: Augment = "flip-crop"
    """flip-crop: random mirroring, and crops after padding by 4 pixels (paper, CIFAR). flip-shift: each image mirrored
    in every other epoch, and shifted by up to 2 pixels with reflected edges. area-crop: mirrored crops of random area
    and aspect ratio, for streamed images (paper, ImageNet)."""
    crop_area: tuple[float, float] = (0.1, 1.0)
    """Smallest and largest fraction of an image's area that area-crop keeps (paper: 0.1 1)."""
    crop_aspect: tuple[float, float] = (0.8, 1.25)
    """Smallest and largest aspect ratio (width over height) of such a crop (paper: 0.8 1.25)."""
    normalize: Literal["none", "imagenet"] = "none"
    """Subtract ImageNet's mean and divide by its standard deviation (paper: none; ImageNet: imagenet)."""
    epochs: int = 4
    """Passes over the training images (paper: 150; ImageNet: 90)."""
    batch_size: int = 64
    """Images in a step, over all processes together (paper: 32; ImageNet: 256 for each process)."""
    accumulate: int = 1
    """Split each step into this many parts and accumulate their gradients, to save memory."""
    lr: float = 0.05
    """Peak learning rate of SGD (paper: 0.01; ImageNet: 0.1 for each 256 images of a step)."""
    schedule: Schedule = "steps"
    """Learning rate schedule: drops at milestones, a cosine, one cycle up and down along cosines, or triangular: up
    from 0.2 times the peak and down to 0.07 times it along lines (paper: steps)."""
    milestones: tuple[float, ...] = (0.5, 0.8)
    """Where the learning rate drops, as fractions of all steps (paper: 75 and 120 of 150 epochs; ImageNet: 30, 60, 80
    of 90)."""
    lr_factor: float = 0.1
    """Factor of the learning rate at each milestone (paper: 0.1)."""
    warmup_epochs: float = 0.0
    """Epochs of linear warm-up of the learning rate (paper: 0; ImageNet: 5)."""
    momentum: float = 0.9
    """Momentum of SGD (paper: 0.9)."""
    nesterov: bool = False
    """Nesterov's momentum (paper: no)."""
    bias_lr: float = 1.0
    """Times the learning rate for the biases of batch norms."""
    stem_epochs: int = 3
    """Epochs that train the bias of airbench's whitening layer, which is fixed from then on."""
    weight_decay: float = 1e-3
    """L2 decay of the raw weights (paper: 0.001; ImageNet: 0.0001)."""
    decoupled_decay: bool = False
    """Divide the decay by the peak learning rate, so that weights shrink at a pace that does not depend on it."""
    decay: Literal["all", "weights", "unwindowed"] = "all"
    """Which parameters decay: all; only the weights of convolutions and linear layers; or all but the weights of
    layers with a window (paper: all)."""
    l1: float = 0.0
    """L1 penalty: this times the sum of absolute raw weights of convolutions and linear layers is added to the loss
   ."""
    dropout: float = 0.0
    """Dropout probability before the last layer of small."""
    label_smoothing: float = 0.0
    """Label smoothing: the fraction of the target that is spread over all classes."""
    loss: Literal["mean", "sum"] = "mean"
    """The mean loss of a step's images or their sum, for which learning rates are smaller by the batch size."""
    ema: float = 0.0
    """Decay of an exponential moving average of the weights, which is then evaluated and saved; 0 for none."""
    lookahead: float = 0.0
    """Average the weights, and train on from their average: its decay for one step at the end of the training, which
    grows as the cube of the steps; 0 for none."""
    lookahead_steps: int = 5
    """Steps between two updates of that average."""
    patience: int | None = None
    """Stop after this many epochs without a better validation accuracy, and keep the best epoch's weights."""
    adversarial: Literal["none", "pgd", "fgsm"] = "none"
    """Adversarial training: on images that an attack has changed within a budget, pgd (Madry et al.) or fgsm with one
    step (Wong et al.). A step takes up to adversarial-steps + 1 times as long."""
    adversarial_budget: float = 8 / 255
    """Largest change of a pixel, whose values lie in [0, 1]."""
    adversarial_steps: int = 7
    """Steps of pgd."""
    adversarial_step_size: float | None = None
    """Size of a step, as a fraction of the budget; 0.25 for pgd and 1.25 for fgsm if not given."""
    evaluate_every: int = 1
    """Epochs between two evaluations on the validation images, or the test images if there are none; the last epoch is
    always evaluated."""
    test_augment: bool = False
    """At the end also measure the accuracy of mean outputs for each test image, its mirror image and shifts of both by
    one pixel; a secondary outcome."""
    precision: Precision = "fp32"
    """fp32, tf32 (fp32 with TensorFloat-32 products, on GPUs), bf16 or fp16 (mixed) (paper: fp32)."""
    algorithm: Literal["auto", "direct", "fft"] = "auto"
    """How convolutions are computed: direct (torch's own), fft (in the frequency domain), or auto: the faster one for
    each layer, chosen when a study or a run starts and kept in run.json (paper: direct)."""
    channels_last: bool = True
    """Use the memory format channels last for images and weights, which is faster (paper: no)."""
    compile: bool = False
    """Compile the network with torch.compile: takes a minute, and pays off in long runs."""

    def __post_init__(self) -> None:
        hints = get_type_hints(Training)
        choices = {name: get_args(hint) for name, hint in hints.items() if str(hint).startswith("typing.Literal")}
        check_training(self, choices)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The settings that a JSON file holds; what it does not name has its default.

        Raises:
            InputError: an unknown setting, a value of another type or out of range.
        """
        from windowconv.lab.schema import check_types  # which a table of recipes needs not

        for name in record:
            if name not in cls.__dataclass_fields__:
                raise InputError(f"{name!r} is no setting of this version")
        check_types(dict(record), cls)
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
    """area-crop: mirrored crops of random area and aspect ratio, for streamed images. flip-crop: random mirroring, and
    crops after padding by 4 pixels, for images in memory."""
    crop_area: tuple[float, float] = (0.35, 1.0)
    """Smallest and largest fraction of an image's area that area-crop keeps."""
    normalize: Literal["none", "imagenet"] = "imagenet"
    """Subtract ImageNet's mean and divide by its standard deviation, as most pretrained networks need it."""
    epochs: int = 10
    """Passes over the training images."""
    lr: float = 0.01
    """Peak learning rate of SGD."""
    schedule: Schedule = "cosine"
    """Learning rate schedule: drops at milestones, a cosine, or one cycle up and down."""
    weight_decay: float = 1e-4
    """L2 decay of the raw weights."""
    decay: Literal["all", "weights", "unwindowed"] = "unwindowed"
    """Which parameters decay: all; only the weights of convolutions and linear layers; or all but the weights of
    layers with a window, on which decay acts more strongly, as they are larger where a window was divided out."""


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
    """A torch device: cpu, cuda, cuda:1, mps; auto is cuda if it is there, else mps, else cpu."""
    threads: int | None = None
    """CPU threads; torch's own choice if not given."""
    workers: int = 2
    """Worker processes that read streamed images; 0 reads them in the training process."""
    checkpoint_minutes: float = 5.0
    """Minutes between checkpoints. An epoch's end is saved too, if a tenth of that time has passed; 0 saves every
    step."""
    keep_checkpoints: int = 2
    """Number of checkpoints kept during a run."""
    tensorboard: bool = False
    """Also write the metrics for TensorBoard, into the run folder's tensorboard/."""

    def __post_init__(self) -> None:
        if self.device == "auto":  # from here on it has its name, which records hold
            from windowconv.devices import best_device  # needs torch

            object.__setattr__(self, "device", best_device())
        for name, low in (("threads", 1), ("workers", 0), ("checkpoint_minutes", 0), ("keep_checkpoints", 1)):
            value = getattr(self, name)
            if value is not None and not value >= low:
                raise InputError(f"{option(name)}={value}; allowed: {low} or more")
