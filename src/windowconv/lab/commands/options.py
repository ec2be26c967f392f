"""Options that several subcommands share, free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from windowconv.errors import InputError
from windowconv.lab.config import Execution, Training
from windowconv.lab.recipes import Recipe, find_recipe

TrainingOptions = tyro.conf.OmitArgPrefixes[Training]
ExecutionOptions = tyro.conf.OmitArgPrefixes[Execution]

DataRoot = Annotated[
    Path | None, tyro.conf.arg(metavar="DIR", help="Where the images are; else $WINDOWCONV_DATA, else ./data.")
]
TrainingData = Annotated[
    str,
    tyro.conf.arg(
        help="fashion-mnist, cifar10, cifar100, imagenet, gratings, or a folder of images, tar shards or parquet files."
    ),
]
RecipeName = Annotated[
    str | None,
    tyro.conf.arg(help="Take the settings of a recipe (see windowconv recipes); other options override them."),
]
Figures = Annotated[
    tuple[Literal["pdf", "svg"], ...],
    tyro.conf.arg(help="Also write the report's figures in these formats, into the folder figures/ beside it."),
]
RunFolder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(name="RUN", metavar="RUN", help="A run folder.")]


def chosen_recipe(arguments: Sequence[str]) -> Recipe | None:
    """The recipe that the words of a command line name with `--recipe`.

    Raises:
        InputError: an unknown name, no name, or two.
    """
    found: list[str] = []
    for i, word in enumerate(arguments):
        if word.startswith("--recipe="):
            found.append(word.partition("=")[2])
        elif word == "--recipe":
            if i + 1 == len(arguments):
                raise InputError("--recipe needs a name; windowconv recipes lists them")
            found.append(arguments[i + 1])
    if len(found) > 1:
        raise InputError(f"--recipe is given {len(found)} times ({', '.join(found)}); allowed: once")
    return find_recipe(found[0]) if found else None
