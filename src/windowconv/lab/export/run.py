"""A run's network as a file for use elsewhere: folded to torch's own layers, read back and checked on real images."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.checkpoint import read_header
from windowconv.errors import InputError, require
from windowconv.files import replace_file
from windowconv.folding import fold
from windowconv.lab.data import NAMES, DataNotFound, load
from windowconv.lab.data.locations import roots
from windowconv.lab.data.read import read_images
from windowconv.lab.data.sources import IMAGENET
from windowconv.lab.export.formats import FORMATS, OPSET, OPSETS, Facts, Network
from windowconv.lab.models.build import PreprocessedNetwork, from_header
from windowconv.lab.models.relatives.merging import merge
from windowconv.lab.runs.folder import Run
from windowconv.lab.training.loading import example_images, limit_images, read_data
from windowconv.phases import phase
from windowconv.windowed import WindowedMixin

CHECKED = 64  # images at most
BATCH = 16
ROUNDING = 1000  # allowed difference over the largest logit, in units of the weights' precision: 1.2e-4 in float32


@dataclass(frozen=True)
class Agreement:
    """How far a network that was read back from a file is from the run's.

    Attributes:
        images: that were compared.
        difference: the largest one between two logits.
        largest: the run's largest logit, without its sign.
        same: share of images with the same top class.
        allowed: difference, over the largest logit.
    """

    images: int
    difference: float
    largest: float
    same: float
    allowed: float

    @property
    def holds(self) -> bool:
        """Whether they differ by rounding only."""
        return self.difference <= self.allowed * self.largest

    def __str__(self) -> str:
        images = f"{self.images} image{'s' if self.images > 1 else ''}"
        return (
            f"the logits of {images} differ by {self.difference:.2g} at most, the largest is {self.largest:.3g} "
            f"(allowed: {self.allowed:.1e} of it), and {self.same:.2%} have the same top class"
        )


def export_run(
    run: Run,
    format: str,
    out: Path | None = None,
    data: str | None = None,
    root: Path | None = None,
    opset: int | None = None,
) -> tuple[Path, Agreement]:
    """Export a run's network and check the file on real images.

    Args:
        run: with its weights.
        format: one of `FORMATS`.
        out: the file; `RUN/export/NAME` with the format's suffix if None.
        data, root: images to check on, see `images_for`.
        opset: the version of ONNX's operators, one of `OPSETS`; `OPSET` if None.

    Returns:
        The file, and how far its network is from the run's.

    Raises:
        InputError: a file name with another suffix, a package that is missing, another opset or one for a format that
            has none; as `images_for` and `export`.
    """
    form = FORMATS[format]
    if opset is not None and (format != "onnx" or opset not in OPSETS):
        allowed = f"{OPSETS[0]} to {OPSETS[-1]}, with format='onnx'"
        raise InputError(f"opset={opset} for format={format!r}; allowed: {allowed}")
    target = out or run.folder / "export" / f"{run.folder.resolve().name}{form.suffix}"
    if target.suffix != form.suffix:
        raise InputError(f"out={str(target)!r}; allowed for {format}: a name that ends with {form.suffix}")
    for module in form.needs:
        require(module, form.extra)
    return target, export(run, format, target, images_for(run, data, root), opset or OPSET)


def export(run: Run, format: str, target: Path, images: Tensor, opset: int = OPSET) -> Agreement:
    """Write a run's network into a file, read it back, and compare it with the run's network as it was trained.

    Args:
        run: a run with weights.
        format: one of `FORMATS`.
        target: the file.
        images: to compare on, float32 (n, C, H, W) in [0, 1], one at least.
        opset: the version of ONNX's operators, where the format has any.

    Raises:
        InputError: a network that torch cannot export, a file that cannot be written, or a difference beyond rounding;
            then there is no file.
    """
    network = run.model()
    expected = _logits(network, images)
    with phase(f"exporting as {format}"):
        content = FORMATS[format].write(folded(network), images[:1].repeat(2, 1, 1, 1), _facts(run, network), opset)
    replace_file(target, content)
    try:
        with phase(f"checking {target.name} on {len(images)} images"):
            fresh = folded(from_header(read_header(run.weights)))
            found = _compare(expected, _logits(FORMATS[format].read(target, fresh), images))
        if not found.holds:
            raise InputError(f"{target.name} was removed: its outputs differ from those of the run's network: {found}")
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return found


def folded(network: nn.Module) -> nn.Module:
    """A copy with torch's own layers only, in torch's own memory format, in evaluation mode."""
    windowed = any(isinstance(module, WindowedMixin) for module in network.modules())
    layout: Any = {"memory_format": torch.contiguous_format}
    return merge((fold(network) if windowed else deepcopy(network)).eval()).to(**layout)


def _logits(network: Network, images: Tensor) -> Tensor:
    """In batches of more than one size: the first image alone, then the others."""
    parts = [images[:1], *(images[1:].split(BATCH) if len(images) > 1 else ())]
    with torch.inference_mode():
        return torch.cat([network(part) for part in parts])


def _compare(expected: Tensor, got: Tensor) -> Agreement:
    difference, largest = (got - expected).abs().max().item(), expected.abs().max().item()
    same = (got.argmax(1) == expected.argmax(1)).double().mean().item()
    return Agreement(len(expected), difference, largest, same, ROUNDING * torch.finfo(expected.dtype).eps)


def _facts(run: Run, network: nn.Module) -> Facts:
    """What a file says of its network."""
    known = run.record["data"]
    shape = ", ".join(["N", *map(str, (known["channels"], *known["image_size"]))])
    facts = {"run": run.folder.resolve().name, "classes": json.dumps(known["classes"])}
    facts["images"] = f"float32 ({shape}) in [0, 1]"
    if isinstance(network, PreprocessedNetwork):
        prepared = {"repeat": network.repeat, "mean": network.mean.flatten().tolist()}
        facts["prepared"] = json.dumps({**prepared, "std": network.std.flatten().tolist()})
    return facts


def images_for(run: Run, given: str | None, root: Path | None) -> Tensor:
    """Images to check a run's network on: up to 64 of its test images, or of others; float32 (n, C, H, W) in [0, 1].

    Args:
        run: whose network is checked.
        given: a data set's name or a folder; None for the run's own test images.
        root: the data folder.

    Raises:
        InputError: images that are not there or have another shape; none given for a run on a folder that is not found.
    """
    known, config = run.record["data"], run.config
    channels, height, width = shape = (known["channels"], *known["image_size"])
    if given is not None:
        images = _others(given, root, channels, height if height == width else None)
    elif config.data not in NAMES and _folder(config.data, root) is None:
        raise InputError(f"{run.folder.name} was trained on the folder {config.data!r}; say where it is with --images")
    else:
        try:
            images = example_images(limit_images(read_data(config.data, root, config), config).test, CHECKED)
        except DataNotFound as error:
            raise InputError(f"{error}; or pass --images with others to check on") from None
    if images.shape[1:] != shape:
        was = tuple(images.shape[1:])
        raise InputError(
            f"images={given or config.data!r} has images of {was}; allowed: those of the run's shape, {shape}"
        )
    return images


def _others(given: str, root: Path | None, channels: int, size: int | None) -> Tensor:
    """Images of a data set, of a folder with shards, or of any folder with images."""
    if given in NAMES:
        return example_images(load(given, root, image_size=size, stream=given == IMAGENET).test, CHECKED)
    folder = _folder(given, root)
    if folder is None:
        raise InputError(f"images={given!r}: there is no such folder; allowed: an existing one, or {', '.join(NAMES)}")
    if any(folder.glob("*.tar")):
        return example_images(load(folder, image_size=size, stream=True).test, CHECKED)
    found = read_images(str(folder), channels, size, CHECKED)
    assert found is not None
    return found


def _folder(name: str, root: Path | None) -> Path | None:
    """A folder by its path, or by its name in a data folder, as `load` finds it."""
    places = [Path(name).expanduser(), *(place / name for place in roots(root))]
    return next((place for place in places if place.is_dir()), None)
