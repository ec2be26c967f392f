"""The likeliest classes of image files, by a run's network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from windowconv.errors import InputError
from windowconv.lab.data.read import read_pictures
from windowconv.lab.runs.folder import Run
from windowconv.phases import phase


def predict(run: Run, paths: Sequence[Path], top: int = 3) -> list[list[tuple[str, float]]]:
    """Classify image files.

    Args:
        run: with its weights.
        paths: image files; see `read_pictures`.
        top: how many classes to return for each; all, where there are fewer.

    Returns:
        For each file the likeliest classes with their softmax probabilities, the likeliest first.

    Raises:
        InputError: no file, files that cannot be read, or `top` below 1.
    """
    if not paths:
        raise InputError("predict takes one image file at least")
    if top < 1:
        raise InputError(f"top={top}; allowed: 1 or more")
    for path in paths:
        if not path.is_file():
            raise InputError(f"image={str(path)!r} is not a file")
    known = run.record["data"]
    with phase("reading the images"):
        images = read_pictures(paths, known["channels"], tuple(known["image_size"]))
    with phase("classifying"), torch.inference_mode():
        probabilities = run.model()(images.float() / 255).softmax(1)
    found = probabilities.topk(min(top, probabilities.shape[1]), dim=1)
    return [
        [(known["classes"][i], value) for i, value in zip(indices, values, strict=True)]
        for values, indices in zip(found.values.tolist(), found.indices.tolist(), strict=True)
    ]
