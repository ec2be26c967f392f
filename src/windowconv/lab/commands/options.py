"""The laboratory's subcommands: their options, free of torch; the work is imported when they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Self

import tyro

from windowconv.errors import InputError
from windowconv.lab.config import Execution, Training
from windowconv.lab.recipes import RECIPES, find_recipe

DataRoot = Annotated[Path | None, tyro.conf.arg(metavar="DIR")]
RunFolder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(name="RUN", metavar="RUN")]


@dataclass(frozen=True, kw_only=True)
class Where(Execution):
    """Options that say where and how, not what."""

    data_root: DataRoot = None
    """Where the images are; else $WINDOWCONV_DATA, else ./data."""


@dataclass(frozen=True, kw_only=True)
class WithRecipe(Training, Where):
    """Settings that a recipe gives, and options override."""

    recipe: str | None = None
    """Take the settings of a recipe (see windowconv recipes); further options go before them."""
    data: str = "fashion-mnist"
    """fashion-mnist, cifar10, cifar100, imagenet, gratings, or a folder of images, tar shards or parquet files."""

    def __post_init__(self) -> None:
        """Checked by `part` when it runs: from here, the command line's parser would put a frame around the error."""

    @classmethod
    def defaults(cls, arguments: Sequence[str]) -> Self | None:
        """What the options start from: the settings of `--recipe`, if it is among them."""
        name = _value(arguments, "--recipe")
        if name is None:
            return None
        recipe = find_recipe(name)
        given: dict[str, Any] = {**asdict(recipe.training), "recipe": name, "data": recipe.data}
        given |= {"arms": recipe.arms, "seeds": recipe.seeds, "out": Path("runs") / name}
        known = {field.name: field.default for field in fields(cls)}
        return cls(**{key: value for key, value in given.items() if key in known and (key != "out" or known["out"])})


@dataclass(frozen=True, kw_only=True)
class Compare(WithRecipe):
    """Train a network in several arms on the same batches, over seeds, and write one HTML report.

    An arm is a kernel size and a window: 3x3, 7x7, 7x7-hamming, 9x9-kaiser:8.6, 7x7-hamming-energy,
    7x7-learnable-cosine; controls are 7x7-shuffled, 7x7-hamming-init, 7x7-hamming-rates; -params or -flops at the end
    matches the first one's size. The first arm is the baseline. Finished runs in --out are reused, and a run that was
    cut goes on.
    """

    arms: tuple[str, ...] = ("3x3", "7x7", "7x7-hamming")
    """What to compare."""
    seeds: int = 2
    """Runs an arm: seeds 0, 1, ..."""
    seeds_at_once: int = 1
    """Train so many seeds of an arm at once, stacked into one network: faster on GPUs."""
    lr_search: tuple[float, ...] = ()
    """Try these learning rates for each arm first, on the validation images (needs --val-fraction); take its best."""
    out: Path = Path("runs/compare")
    """The study's folder: one run folder a run, and report.html."""

    def run(self) -> None:
        """Train and write the report."""
        from windowconv.lab.commands.actions import compare

        compare(self)


@dataclass(frozen=True, kw_only=True)
class Train(WithRecipe):
    """Train one run into a run folder; a run that was cut goes on from its last checkpoint."""

    arm: str = "3x3"
    """Kernel size and window, such as 3x3, 7x7, 7x7-hamming."""
    seed: int = 0
    """Of the initial weights, the order of the images and the augmentation."""
    out: Path | None = None
    """The run folder; runs/ARM-seedN if not given."""

    def run(self) -> None:
        """Train."""
        from windowconv.lab.commands.actions import train_one

        train_one(self)


@dataclass(frozen=True, kw_only=True)
class Evaluate(Where):
    """Measure a run's accuracy exactly, each image counted once, and add it to the run folder."""

    run_folder: RunFolder
    """A run folder."""
    data: str | None = None
    """Other images than the run's own test set: a data set's name or a folder."""

    def run(self) -> None:
        """Evaluate."""
        from windowconv.lab.commands.actions import evaluate_run

        evaluate_run(self)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Make a study's report.html again from its run folders, with its tables beside it."""

    study_folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(name="STUDY", metavar="STUDY")]
    """A study's folder, such as `study` and `compare` write."""
    export: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Also write the study without weights into this folder; for those of `study`."""

    def run(self) -> None:
        """Write the report."""
        from windowconv.lab.commands.actions import report

        report(self)


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Classify images with a run's network and print the likeliest classes."""

    run_folder: RunFolder
    """A run folder."""
    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE...")]
    """Image files; each is resized to the run's image size and made grey or RGB as the run's images are."""
    top: int = 3
    """Classes to print for each image."""

    def run(self) -> None:
        """Predict."""
        from windowconv.lab.commands.actions import predict

        predict(self)


@dataclass(frozen=True, kw_only=True)
class Recipes:
    """List the recipes, or the settings of one."""

    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RECIPE]")] = None
    """A recipe's name."""

    def run(self) -> None:
        """Print them."""
        if self.name is None:
            width = max(map(len, RECIPES))
            print("\n".join(f"{recipe.name:{width}}  {recipe.about}" for recipe in RECIPES.values()))
            return
        recipe = find_recipe(self.name)
        print(f"{recipe.about}\ndata: {recipe.data}; arms: {', '.join(recipe.arms)}; seeds: {recipe.seeds}")
        for name, value in asdict(recipe.training).items():
            text = " ".join(map(str, value)) if isinstance(value, tuple) else value
            print(f"  {name.replace('_', '-'):22} {'not set' if value is None else text}")


def part(command: Any, kind: type[Any]) -> Any:
    """The fields of `command` that make a `kind`, such as its `Training`."""
    return kind(**{field.name: getattr(command, field.name) for field in fields(kind)})


def _value(arguments: Sequence[str], option: str) -> str | None:
    """The value of an option among words of the command line."""
    for i, word in enumerate(arguments):
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
        if word == option:
            if i + 1 == len(arguments):
                raise InputError(f"{option} needs a name; windowconv recipes lists them")
            return arguments[i + 1]
    return None
