"""Crops of photographs: a random area of a random shape to train on, the centre to evaluate on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from windowconv.errors import InputError, require
from windowconv.lab.data.pixels.decode import check_mode, fit, in_mode, open_image
from windowconv.lab.data.seeding import seeded_numpy

TRIES = 10
SHORT_SIDE = 256 / 224
"""To what the short side is resized before the centre is cut out, over that cut's size: ImageNet's protocol."""

SPARE = 2
"""How many times the resolution needed a JPEG is decoded in at least, when it is decoded smaller than it is."""


class AreaCrop(NamedTuple):
    """A rectangle of an image in pixels, and whether it is mirrored."""

    top: int
    left: int
    height: int
    width: int
    flip: bool


def draw_area_crop(
    seed: int,
    epoch: int,
    index: int,
    size: tuple[int, int],
    area: tuple[float, float] = (0.1, 1.0),
    aspect: tuple[float, float] = (0.8, 1.25),
) -> AreaCrop:
    """A random rectangle by the rule of torchvision's RandomResizedCrop, mirrored with probability 1/2.

    The share of the image's area is uniform and the aspect ratio log-uniform; a rectangle that does not lie
    within the image is drawn again, and after ten tries the largest central one of a permitted shape is taken.

    Args:
        seed, epoch, index: all that the draw depends on, beside the following.
        size: the image's height and width in pixels.
        area: bounds of the rectangle's area over the image's; see `check_area_crop`.
        aspect: bounds of its width over its height.
    """
    random = seeded_numpy("area-crop", seed, epoch, index).random
    flip = random() < 0.5
    height, width = size
    low, high = math.log(aspect[0]), math.log(aspect[1])
    for _ in range(TRIES):
        pixels = height * width * (area[0] + (area[1] - area[0]) * random())
        ratio = math.exp(low + (high - low) * random())
        h, w = round(math.sqrt(pixels / ratio)), round(math.sqrt(pixels * ratio))
        if 0 < h <= height and 0 < w <= width:
            return AreaCrop(int((height - h + 1) * random()), int((width - w + 1) * random()), h, w, flip)
    h, w = height, width
    if width / height < aspect[0]:
        h = max(1, round(width / aspect[0]))
    elif width / height > aspect[1]:
        w = max(1, round(height * aspect[1]))
    return AreaCrop((height - h) // 2, (width - w) // 2, h, w, flip)


def check_area_crop(area: tuple[float, float], aspect: tuple[float, float]) -> None:
    """An `InputError` unless 0 < area[0] <= area[1] <= 1 and 0 < aspect[0] <= aspect[1]."""
    if not 0 < area[0] <= area[1] <= 1:
        raise InputError(f"area={area}; allowed: a lower and an upper bound in (0, 1]")
    if not 0 < aspect[0] <= aspect[1] < math.inf:
        raise InputError(f"aspect={aspect}; allowed: a lower and an upper bound above 0")


def read_area_crop(encoded: bytes, where: str, size: int, draw: Callable[[tuple[int, int]], AreaCrop]) -> np.ndarray:
    """Decode an image and bring its crop to `size` x `size`, bilinear with antialiasing.

    A JPEG is decoded at 1/2, 1/4 or 1/8 of its size where the crop then still has `SPARE` times as many
    pixels a side as are needed: this takes out no frequency that the result can hold.

    Args:
        encoded: a file's bytes.
        where: names it for a person.
        size: pixels.
        draw: the crop for a height and a width.

    Returns:
        uint8 (size, size, 3).

    Raises:
        InputError: the image is broken or has more than 8 bits a channel.
    """
    crop, shrunk = AreaCrop(0, 0, 0, 0, False), 1.0

    def shrink(image: Any) -> None:
        nonlocal crop, shrunk
        width, height = image.size
        crop = draw((height, width))
        spare = min(crop.height, crop.width) / (SPARE * size)
        scale = next((scale for scale in (8, 4, 2) if scale <= spare), 1)
        if scale > 1:
            drafted = image.draft(None, (width // scale, height // scale))
            shrunk = width / drafted[1][2] if drafted else 1.0  # None: it is no JPEG

    image = open_image(encoded, where, shrink)
    check_mode(image, where)
    corners = (crop.left, crop.top, crop.left + crop.width, crop.top + crop.height)
    bilinear = require("PIL.Image", "lab").Resampling.BILINEAR
    box = tuple(corner / shrunk for corner in corners)
    pixels = np.asarray(in_mode(image, "RGB").resize((size, size), bilinear, box=box))
    return pixels[:, ::-1] if crop.flip else pixels


def read_centre(encoded: bytes, where: str, size: int) -> np.ndarray:
    """Decode an image and take its `evaluation_crop`: uint8 (size, size, 3).

    Raises:
        InputError: the image is broken or has more than 8 bits a channel.
    """
    image = open_image(encoded, where)
    check_mode(image, where)
    return np.asarray(evaluation_crop(in_mode(image, "RGB"), size))


def evaluation_crop(image: Any, size: int) -> Any:
    """A PIL image's centre: the short side to 256/224 of `size`, bilinear and antialiased, then `size` x `size`.

    The pixels are those of torchvision's Resize and CenterCrop, as ImageNet's protocol has them.
    """
    return fit(image, size, round(size * SHORT_SIDE))
