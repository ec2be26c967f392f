"""Inputs to call a network with: made from shapes, or read from a file; several for networks of several inputs."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.errors import InputError
from windowconv.inspection.subject import Subject

SHAPE = re.compile(r"(\d+(?:x\d+)*)(:int)?")
SHAPES = "a shape without the batch, such as 3x224x224, or 77:int for whole numbers"


@dataclass(frozen=True)
class InputOptions:
    """What the user says of a network's inputs.

    Attributes:
        shapes: of each input, as text.
        file: a file of example tensors instead.
    """

    shapes: tuple[str, ...] = ()
    file: Path | None = None

    def __post_init__(self) -> None:
        if self.shapes and self.file is not None:
            raise InputError(
                f"inputs={str(self.file)!r} with input-shape={' '.join(self.shapes)}; allowed: one of both"
            )

    def __bool__(self) -> bool:
        return bool(self.shapes) or self.file is not None

    def tensors(self, batch: int) -> tuple[Tensor, ...]:
        """The inputs in order, (batch, *shape) each; those of a file as they are."""
        return made_inputs(self.shapes, batch) if self.file is None else read_inputs(self.file)


def made_inputs(shapes: Sequence[str], batch: int) -> tuple[Tensor, ...]:
    """White noise for shapes as text, zeros of int64 for those that end in ":int".

    >>> [(each.shape, each.dtype) for each in made_inputs(["3x8x8", "5:int"], 2)]
    [(torch.Size([2, 3, 8, 8]), torch.float32), (torch.Size([2, 5]), torch.int64)]
    """
    random = torch.Generator().manual_seed(0)
    made = []
    for text in shapes:
        found = SHAPE.fullmatch(text)
        sides = [int(side) for side in found[1].split("x")] if found else [0]
        if found is None or min(sides) < 1:
            raise InputError(f"input-shape={text!r}; allowed: {SHAPES}")
        shape = (batch, *sides)
        made.append(torch.zeros(shape, dtype=torch.int64) if found[2] else torch.randn(shape, generator=random))
    return tuple(made)


def read_inputs(path: Path) -> tuple[Tensor, ...]:
    """The tensors that `torch.save` wrote: one, or a list or tuple of them, each with the batch as its first axis."""
    try:
        held: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"inputs={str(path)!r} cannot be read: {error.strerror or error}") from None
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError):
        raise InputError(f"inputs={str(path)!r}; allowed: a file of torch.save with tensors only") from None
    found = (held,) if isinstance(held, Tensor) else held
    if not isinstance(found, list | tuple) or not found or not all(isinstance(each, Tensor) for each in found):
        raise InputError(f"inputs={str(path)!r} holds a {type(held).__name__}; allowed: a tensor, or a list of tensors")
    if len({len(each) if each.ndim else 0 for each in found}) != 1 or not found[0].ndim or not len(found[0]):
        shapes = ", ".join(str(tuple(each.shape)) for each in found)
        raise InputError(f"inputs={str(path)!r} holds {shapes}; allowed: one length of the first axis, the batch")
    return tuple(found)


def inputs_of(subject: Subject, options: InputOptions, batch: int) -> tuple[Tensor, ...]:
    """The inputs that the options ask for; else one batch of noise in the size of the network's own images.

    Raises:
        InputError: a network whose input is not known; what the options refuse.
    """
    if options:
        return options.tensors(batch)
    if subject.channels is None or subject.size is None:
        raise InputError(f"model={subject.name!r} does not say what it takes; pass --input-shape, such as 3x224x224")
    return made_inputs([f"{subject.channels}x{subject.size}x{subject.size}"], batch)


@contextmanager
def called_with(model: nn.Module, others: Sequence[Tensor]) -> Iterator[None]:
    """A context in which the model takes its first input alone.

    Args:
        model: a network; the names of its layers stay.
        others: its other inputs, each with the batch as its first axis, of which the first sample is given to all
            images.
    """
    if not others:
        yield
        return
    forward = model.forward

    def with_others(images: Tensor) -> Any:
        moved = (other.to(images.device) for other in others)
        return forward(images, *(other[:1].expand(len(images), *other.shape[1:]) for other in moved))

    model.forward = with_others
    try:
        yield
    finally:
        del model.forward
