"""Folders of real images, small ones that the tests make, and runs of a fraction of a second."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from windowconv.lab.config import RunConfig, Training
from windowconv.lab.data import ImageData, gratings
from windowconv.lab.progress import Progress
from windowconv.lab.runs.folder import Run
from windowconv.lab.training.train import train


@pytest.fixture
def data_root() -> Path:
    """The folder of real images."""
    given = os.environ.get("WINDOWCONV_DATA")
    if given and Path(given).is_dir():
        return Path(given)
    message = "set WINDOWCONV_DATA to a folder with the images"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """`encode(seed, size=(width, height), mode="RGB", form="PNG")`: the bytes of an image of noise."""

    def make(seed: int, size: tuple[int, int] = (8, 8), mode: str = "RGB", form: str = "PNG") -> bytes:
        shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
        noise = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
        image = Image.fromarray(noise)
        if mode not in ("L", "RGB"):
            image = image.convert(mode)
        data = io.BytesIO()
        image.save(data, form)
        return data.getvalue()

    return make


@pytest.fixture
def image_folder(tmp_path: Path, encode: Callable[..., bytes]) -> Path:
    """train/ and val/ with classes ant and bee, of 3 and 2 RGB images of 8x8 each."""
    for split, count in (("train", 3), ("val", 2)):
        for which, class_name in enumerate(("bee", "ant")):
            folder = tmp_path / "insects" / split / class_name
            folder.mkdir(parents=True)
            for index in range(count):
                (folder / f"{index}.png").write_bytes(encode(100 * which + 10 * index + count))
    return tmp_path / "insects"


@pytest.fixture(scope="session")
def tiny() -> ImageData:
    """70 gratings of 12x12 to train on, in 16 classes, and 43 to test on: neither is a multiple of a batch."""
    return gratings(70, 43, image_size=12)


@pytest.fixture(scope="session")
def settings() -> Training:
    """A training of a fraction of a second on `tiny`."""
    return Training(image_size=12, train_images=70, test_images=43, depth=2, width=2, epochs=2, batch_size=16)


@pytest.fixture
def make_run(tmp_path: Path, tiny: ImageData, settings: Training) -> Callable[..., Run]:
    """`make_run(arm="3x3", seed=0, **changes)`: a trained run of `tiny`."""

    def make(arm: str = "3x3", seed: int = 0, **changes: Any) -> Run:
        config = RunConfig(**{**asdict(settings), "data": "gratings", "arm": arm, "seed": seed, **changes})
        return train(config, tiny, tmp_path / config.run_name, Progress())

    return make


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests reach no other machine, and find at once that they do not."""

    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr("socket.getaddrinfo", unreachable)
