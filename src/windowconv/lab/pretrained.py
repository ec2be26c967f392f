"""Small trained networks that are part of the package: the paper's three arms on real images.

They are the first seed of each arm of two studies, put here by

    windowconv compare --recipe cifar10-small --out runs/cifar10-small
    windowconv compare --recipe fashion-mnist-small --out runs/fashion-mnist-small
    python -m windowconv.lab.pretrained runs/cifar10-small runs/fashion-mnist-small
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import nn

from windowconv.checkpoint import load_weights, read_header
from windowconv.errors import InputError, unknown
from windowconv.files import replace_file
from windowconv.lab.models.algorithm_choice import restore_algorithms
from windowconv.lab.models.build import from_header
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import read_json, write_json

FOLDER = Path(__file__).parent / "weights"
INDEX = "index.json"
LICENCE = "MIT"


@dataclass(frozen=True)
class Pretrained:
    """What is known of a trained network.

    Attributes:
        name: for `load_pretrained`.
        data: the images that it was trained on.
        arm, seed: which run it is of.
        accuracy: on all test images, a share; `n` is how many.
        image: channels, height and width; pixels in [0, 1].
        classes: names in the order of the outputs.
        parameters: how many.
        sha256: of its file.
        licence: of the weights.
        command: that trained it.
        environment: versions and hardware of its training.
        algorithms: "fft" or "direct" by layer, as it was trained.
    """

    name: str
    data: str
    arm: str
    seed: int
    accuracy: float
    n: int
    image: tuple[int, int, int]
    classes: tuple[str, ...]
    parameters: int
    sha256: str
    licence: str
    command: str
    environment: dict[str, Any]
    algorithms: dict[str, str]


class Index(TypedDict):
    """The file that lists them."""

    networks: list[Pretrained]


def list_pretrained() -> dict[str, Pretrained]:
    """What there is, by name."""
    entries = read_json(FOLDER / INDEX, Index, "install windowconv again")["networks"]
    return {e["name"]: Pretrained(**{**e, "image": tuple(e["image"]), "classes": tuple(e["classes"])}) for e in entries}


def load_pretrained(name: str) -> nn.Module:
    """A trained network, in evaluation mode; its input is pixels in [0, 1].

    Args:
        name: such as "fashion-mnist-7x7-hamming"; `list_pretrained` lists all.

    Raises:
        InputError: an unknown name (the nearest is suggested), or a file that is not what was published.

    Not for accuracy: these are small networks of minutes of training, to look at and to try things on.

    >>> from windowconv.lab import load_pretrained
    >>> network = load_pretrained("fashion-mnist-7x7-hamming")
    >>> network(torch.rand(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    known = list_pretrained()
    if name not in known:
        raise unknown("pretrained", name, known)
    path = FOLDER / f"{name}.safetensors"
    try:
        actual = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path.name} cannot be read ({error.strerror}); install windowconv again") from error
    if actual != known[name].sha256:
        raise InputError(
            f"{path.name} has SHA-256 {actual[:12]}, expected {known[name].sha256[:12]}; install windowconv again"
        )
    network = from_header(read_header(path))
    load_weights(network, path)
    restore_algorithms(network, known[name].algorithms)
    layout: Any = {"memory_format": torch.channels_last}
    return network.to(**layout).eval()


def publish(runs: list[Run], folder: Path = FOLDER) -> None:
    """Write runs' weights and the index of them into the package: `DATA-ARM.safetensors` each.

    Args:
        runs: finished ones.
        folder: where to.
    """
    entries = []
    for run in runs:
        config, known, figures = run.config, run.record["data"], run.evaluation()["figures"]
        name = f"{config.data}-{config.arm}".replace(":", "_")
        content = run.weights.read_bytes()
        replace_file(folder / f"{name}.safetensors", content)
        entry = Pretrained(
            name=name,
            data=config.data,
            arm=config.arm,
            seed=config.seed,
            accuracy=figures["accuracy"],
            n=figures["n"],
            image=(known["channels"], *known["image_size"]),
            classes=tuple(known["classes"]),
            parameters=run.record["network"]["parameters"],
            sha256=hashlib.sha256(content).hexdigest(),
            licence=LICENCE,
            command=config.command,
            environment=run.record["environment"],
            algorithms=run.record["numerics"]["algorithm"],
        )
        entries.append(asdict(entry))
    write_json(folder / INDEX, {"networks": entries})


if __name__ == "__main__":
    publish([Run.open(path) for study in sys.argv[1:] for path in sorted(Path(study).glob("*-seed0"))])
