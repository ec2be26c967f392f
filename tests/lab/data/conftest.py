"""Folders of real images, and small ones that the tests make."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


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
