"""Encoded images to one uint8 tensor: in threads, checked, with the image at fault named."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from windowconv.errors import InputError, require

MAX_BYTES = 4 * 2**30
"""Decoded images beyond this are refused: they'd live in memory, and then on the device."""

CHUNK = 64
WORTH_A_THREAD = 128 * 128
EIGHT_BIT = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"}


class _ColourFound(Exception):
    """A colour image among images that were taken for grey."""


def decode(encoded: Sequence[str | Path | bytes], where: Callable[[int], str], image_size: int | None = None) -> Tensor:
    """Decode files or bytes into one tensor, grey if every image is grey (PIL's mode L) and RGB otherwise.

    Args:
        encoded: an image each, as its file or as the file's bytes; at least one.
        where: names image `i` for a person.
        image_size: pixels of the square that each image becomes; None keeps their size, which must be one.

    Returns:
        uint8 of shape (len(encoded), 1 or 3, H, W).

    Raises:
        InputError: an image can't be decoded or has another size, or together they take more than
            `MAX_BYTES`.
    """
    check_image_size(image_size)
    first = open_image(encoded[0], where(0))
    width, height = (image_size, image_size) if image_size else first.size
    if first.mode == "L":
        try:
            return _decode(encoded, where, image_size, (1, height, width), first.width * first.height)
        except _ColourFound:
            pass
    return _decode(encoded, where, image_size, (3, height, width), first.width * first.height)


def resize(images: Tensor, image_size: int | None) -> Tensor:
    """Decoded images, uint8 (N, C, H, W), in the size asked for, as `fit` brings them to it."""
    check_image_size(image_size)
    if image_size is None or tuple(images.shape[2:]) == (image_size, image_size):
        return images
    pil = require("PIL.Image", "lab")
    shape = (images.shape[1], image_size, image_size)
    _check_bytes(len(images), shape, image_size)
    out = np.empty((len(images), *shape), np.uint8)
    pixels = images.permute(0, 2, 3, 1).contiguous().numpy()

    def put(index: int) -> None:
        out[index] = _planes(
            fit(pil.fromarray(pixels[index].squeeze(-1) if shape[0] == 1 else pixels[index]), image_size)
        )

    in_threads(put, len(images), images[0, 0].numel())
    return torch.from_numpy(out)


def check_image_size(image_size: int | None) -> None:
    """Refuse a size of less than one pixel."""
    if image_size is not None and image_size < 1:
        raise InputError(f"image_size={image_size}; allowed: 1 or more pixels")


def fit(image: Any, size: int, short: int | None = None) -> Any:
    """A PIL image resized until its short side is `short`, bilinear with antialiasing, and its centre cut out.

    Rounded as torchvision's Resize(short) and CenterCrop(size) do, so that both give the same pixels.

    Args:
        image: of any size and mode.
        size: pixels of the square that is cut out.
        short: pixels, `size` or more; None for `size`.
    """
    short = size if short is None else short
    width, height = image.size
    now = min(width, height)
    if now != short:
        width, height = int(short * width / now), int(short * height / now)
        image = image.resize((width, height), require("PIL.Image", "lab").Resampling.BILINEAR)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return image.crop((left, top, left + size, top + size)) if (width, height) != (size, size) else image


def open_image(encoded: str | Path | bytes, where: str, before_decoding: Callable[[Any], object] | None = None) -> Any:
    """The decoded PIL image; whatever is wrong with the file becomes an `InputError`.

    Args:
        encoded: the file, or its bytes.
        where: names it for a person.
        before_decoding: called with the image when its size is known and its pixels are not yet decoded.
    """
    with _decoding(where):
        image = require("PIL.Image", "lab").open(BytesIO(encoded) if isinstance(encoded, bytes) else encoded)
    with image:
        if before_decoding is not None:
            before_decoding(image)
        with _decoding(where):
            image.load()
    return image


@contextmanager
def _decoding(where: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # for a broken file PIL raises OSError, SyntaxError, ValueError and others
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{where}: the image can't be decoded ({reason}): replace or remove it") from error


def check_mode(image: Any, where: str) -> None:
    """An `InputError` for a PIL image of more than 8 bits a channel, which PIL would clip."""
    if image.mode not in EIGHT_BIT:
        raise InputError(f"{where}: has PIL mode {image.mode}: convert it to 8 bits a channel")


def in_mode(image: Any, mode: str) -> Any:
    """A PIL image in mode L or RGB."""
    if "transparency" in image.info:
        image = image.convert("RGBA")  # straight to RGB, PIL would warn for some palettes
    return image.convert(mode)


def _decode(
    encoded: Sequence[str | Path | bytes],
    where: Callable[[int], str],
    image_size: int | None,
    shape: tuple[int, int, int],
    pixels_each: int,
) -> Tensor:
    _check_bytes(len(encoded), shape, image_size)
    out = np.empty((len(encoded), *shape), np.uint8)
    size = (shape[2], shape[1])

    def pixels(image: Any, index: int) -> np.ndarray:
        check_mode(image, where(index))
        if image_size is None and image.size != size:
            raise InputError(
                f"{where(index)}: is {image.width}x{image.height} where the first image is "
                f"{size[0]}x{size[1]}: pass --image-size to bring all to one size"
            )
        if shape[0] == 1 and image.mode != "L":
            raise _ColourFound
        image = in_mode(image, "L" if shape[0] == 1 else "RGB")
        return _planes(fit(image, image_size) if image_size else image)

    def put(index: int) -> None:
        out[index] = pixels(open_image(encoded[index], where(index)), index)

    in_threads(put, len(encoded), pixels_each)
    return torch.from_numpy(out)


def _planes(image: Any) -> np.ndarray:
    """A PIL image of mode L or RGB as (C, H, W)."""
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def in_threads(work: Callable[[int], None], n: int, pixels: int) -> None:
    """Call `work(0)` to `work(n - 1)`, each with about `pixels` pixels to do; the first to fail is raised.

    PIL lets go of the interpreter's lock while it decodes, so threads help with large images. With CIFAR's,
    whose decoding is mostly Python, they would only wait for each other: two threads take twice the time of
    one.
    """

    def run_chunk(start: int) -> None:
        for index in range(start, min(start + CHUNK, n)):
            work(index)

    pool = ThreadPoolExecutor(max_workers=min(16, os.cpu_count() or 1) if pixels >= WORTH_A_THREAD else 1)
    try:
        for _ in pool.map(run_chunk, range(0, n, CHUNK)):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def _check_bytes(n: int, shape: tuple[int, int, int], image_size: int | None) -> None:
    needed = n * math.prod(shape)
    if needed > MAX_BYTES:
        largest = math.isqrt(MAX_BYTES // (n * shape[0]))
        given = f"image_size={image_size}: " if image_size else ""
        raise InputError(
            f"{given}{n} images of {shape[0]}x{shape[1]}x{shape[2]} take {needed / 2**30:.3g} GiB decoded, "
            f"more than the {MAX_BYTES / 2**30:.3g} GiB that are held in memory: "
            f"pass --image-size {largest} or smaller, or leave a folder's images on disk with --stream"
        )
