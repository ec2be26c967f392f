"""`windowconv finetune`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import tyro

from windowconv.lab.commands.options import DataRoot, ExecutionOptions, RecipeName, chosen_recipe
from windowconv.lab.config import Execution, FinetuneTraining

REQUIRED: Any = tyro.MISSING


@dataclass(frozen=True)
class FinetuneOptions(FinetuneTraining):
    """Settings of the training; the defaults suit pretrained networks."""

    network: Annotated[str, tyro.conf.arg(name="model", metavar="NAME")] = REQUIRED
    """The network that the weights are of: torchvision/NAME, timm/NAME, small, resnet18, resnet18-cifar, vgg11-bn."""
    match: tyro.conf.Suppress[Literal["none", "params", "flops"]] = "none"


@dataclass(frozen=True, kw_only=True)
class Finetune:
    """Convert a pretrained network to larger kernels and a window, and train it on.

    It computes the same at the start. The result is an ordinary run folder; an interrupted run resumes from its last
    checkpoint. If the data have another number of classes than the weights, the network gets a new last layer.
    """

    group: ClassVar = "train"

    weights: Annotated[Path, tyro.conf.arg(metavar="FILE")] = REQUIRED
    """The network's weights before any conversion: .safetensors, or a state dict as .pt or .pth."""
    data: str = REQUIRED
    """A folder of images, tar shards or parquet files, or a data set's name (see train)."""
    data_root: DataRoot = None
    recipe: RecipeName = None
    arm: str = "7x7-hamming"
    """Kernel size and window, such as 3x3 (unchanged), 7x7, 7x7-hamming."""
    preserve: bool = True
    """Keep the function: the converted network computes what the pretrained one does, which is checked on training
    images. --no-preserve initialises enlarged kernels at random."""
    seed: int = 0
    """Seed of new weights, the order of the images and the augmentation."""
    out: Path | None = None
    """The run folder; runs/finetune-ARM-seedN if not given."""
    training: tyro.conf.OmitArgPrefixes[FinetuneOptions] = field(default_factory=FinetuneOptions)
    execution: ExecutionOptions = field(default_factory=Execution)

    @classmethod
    def defaults(cls, arguments: Sequence[str]) -> Self | None:
        """What the options start from: the settings of `--recipe`, if it is given, but for its network."""
        recipe = chosen_recipe(arguments)
        if recipe is None:
            return None
        kept = {name: getattr(FinetuneOptions, name) for name in ("network", "depth", "width", "match")}
        training = FinetuneOptions(**{**asdict(recipe.training), **kept})
        return cls(recipe=recipe.name, data=recipe.data, training=training)

    def run(self) -> None:
        """Convert and train."""
        from windowconv.lab.commands.printing import print_run
        from windowconv.lab.training.finetune import finetune

        print_run(
            finetune(
                self.training,
                self.weights,
                self.data,
                self.arm,
                self.seed,
                self.out,
                preserve=self.preserve,
                root=self.data_root,
                execution=self.execution,
            )
        )
