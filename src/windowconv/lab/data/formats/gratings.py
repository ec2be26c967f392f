"""Noisy gratings: images made here whose class is a spatial frequency and an orientation."""

from __future__ import annotations

import numpy as np
import torch

from windowconv.errors import InputError
from windowconv.lab.data.pixels.decode import check_image_size
from windowconv.lab.data.sets import ImageData, ImageSet

FREQUENCIES = (0.07, 0.12, 0.19, 0.31)
"""Cycles a pixel, about a factor of 1.6 apart and all below Nyquist's 0.5, jitter included."""

ORIENTATIONS = (0, 45, 90, 135)
"""Degrees from the horizontal axis to the direction in which the brightness changes."""

FREQUENCY_JITTER = 0.1
ORIENTATION_JITTER = 10.0
CONTRAST = (0.05, 0.5)
NOISE = 0.25

CLASSES = tuple(f"f{frequency}_{degrees}deg" for frequency in FREQUENCIES for degrees in ORIENTATIONS)


def gratings(train: int = 8000, test: int = 2000, *, seed: int = 0, image_size: int | None = None) -> ImageData:
    """A task that needs nothing but the frequency response: tell 16 gratings apart under noise.

    Pixel (u, v), u columns from the left and v rows from the top, of an image with class (f, theta) is

        1/2 + c/2 sin(2 pi f' (u cos theta' + v sin theta') + phi) + n

    clipped to [0, 1] and rounded to 8 bits, where for each image phi is uniform in [0, 2 pi), f' uniform
    within 10 % of f, theta' uniform within 10 degrees of theta, c log-uniform in [0.05, 0.5], and for each
    pixel n is Gaussian with standard deviation 0.25. With a random phase every class has the same mean image,
    so no linear classifier of the pixels can tell them apart.

    Args:
        train, test: how many images; classes are as equal in number as they can be. The two sets come from
            different random streams.
        seed: which images.
        image_size: pixels of the square image, 28 if None. The frequencies stay, in cycles a pixel.

    Returns:
        One-channel images with classes such as `f0.19_45deg`.

    Raises:
        InputError: a number is below 1.
    """
    check_image_size(image_size)
    for what, n in (("train", train), ("test", test)):
        if n < 1:
            raise InputError(f"{what}={n}; allowed: 1 or more images")
    if seed < 0:
        raise InputError(f"seed={seed}; allowed: 0 or more")
    size = 28 if image_size is None else image_size
    return ImageData("gratings", _draw(train, size, (seed, 0)), _draw(test, size, (seed, 1)))


def _draw(n: int, size: int, seed: tuple[int, int]) -> ImageSet:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % len(CLASSES))
    images = np.empty((n, 1, size, size), np.uint8)
    step = max(1, 2**20 // size**2)  # a megapixel at a time keeps the float64 temporaries small
    for start in range(0, n, step):
        images[start : start + step, 0] = _render(labels[start : start + step], size, rng)
    return ImageSet(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)), CLASSES)


def _render(labels: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """uint8 images (len(labels), size, size) by the formula above."""

    def uniform(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, (len(labels), 1, 1))

    centre = np.array(FREQUENCIES)[labels // len(ORIENTATIONS)][:, None, None]
    frequency = centre * uniform(1 - FREQUENCY_JITTER, 1 + FREQUENCY_JITTER)
    degrees = np.array(ORIENTATIONS)[labels % len(ORIENTATIONS)][:, None, None]
    theta = np.deg2rad(degrees + uniform(-ORIENTATION_JITTER, ORIENTATION_JITTER))
    contrast = np.exp(uniform(np.log(CONTRAST[0]), np.log(CONTRAST[1])))
    u, v = np.arange(size)[None, None, :], np.arange(size)[None, :, None]
    wave = np.sin(2 * np.pi * frequency * (u * np.cos(theta) + v * np.sin(theta)) + uniform(0, 2 * np.pi))
    image = 0.5 + contrast / 2 * wave + rng.normal(0, NOISE, wave.shape)
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
