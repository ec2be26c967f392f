"""One pixel, or a few, by differential evolution: all images of a batch evolve side by side."""

from __future__ import annotations

import torch
from torch import Tensor

from windowconv.lab.robustness.attacks.attack import Attack, Settings
from windowconv.lab.robustness.attacks.norms import PIXELS
from windowconv.lab.robustness.attacks.target import BATCH, Target

SCALE = 0.5
"""Of the difference of two candidates that is added to a third (F in the paper)."""


def _one_pixel(target: Target, images: Tensor, labels: Tensor, budget: float, settings: Settings) -> Tensor:
    """Differential evolution: an image's `population` candidates evolve for `generations`, or until one deceives.

    A candidate is a row, a column and a colour for each pixel, all in [0, 1). The next generation is a + (b - c) / 2 of
    three others, without crossover, and takes a candidate's place where the network gives the true class less.
    The toolbox's own evolves one image after the other, which takes several times as long; the tests compare them.
    """
    found, left = images.clone(), torch.arange(len(images))
    size, members = 2 + images.shape[1], settings["population"]
    candidates = torch.rand(len(images), members, int(budget), size)
    scores, wrong = _tried(target, images, labels, candidates)
    for generation in range(settings["generations"] + 1):
        if generation:
            children = _mutated(candidates)
            tried, wrong = _tried(target, images[left], labels[left], children)
            better = tried < scores
            candidates = torch.where(better[..., None, None], children, candidates)
            scores = torch.where(better, tried, scores)
            chosen = children
        else:
            chosen = candidates
        deceived = wrong.any(1)
        best = wrong.to(torch.uint8).argmax(1)[deceived]
        places = left[deceived]
        found[places] = _painted(images[places], chosen[deceived, best][:, None])[:, 0]
        left, candidates, scores = left[~deceived], candidates[~deceived], scores[~deceived]
        if not len(left):
            break
    return found


def _mutated(candidates: Tensor) -> Tensor:
    """a + SCALE (b - c) of three different others for each candidate (N, P, k, 2 + C), kept within [0, 1)."""
    n, members = candidates.shape[:2]
    order = torch.rand(n, members, members)
    order.diagonal(dim1=1, dim2=2).fill_(-1)  # never itself
    others = order.topk(3, dim=2).indices  # (N, P, 3)
    a, b, c = (candidates[torch.arange(n)[:, None], others[:, :, i]] for i in range(3))
    return (a + SCALE * (b - c)).clamp(0, 1 - 1e-6)


def _painted(images: Tensor, candidates: Tensor) -> Tensor:
    """Images (N, C, H, W) with the pixels of candidates (N, P, k, 2 + C): (N, P, C, H, W)."""
    n, members, count = candidates.shape[:3]
    height, width = images.shape[2:]
    painted = images[:, None].repeat(1, members, 1, 1, 1)
    rows, columns = (candidates[..., 0] * height).long(), (candidates[..., 1] * width).long()
    colours = candidates[..., 2:]
    image, member = torch.arange(n)[:, None], torch.arange(members)[None]
    for pixel in range(count):
        painted[image, member, :, rows[..., pixel], columns[..., pixel]] = colours[:, :, pixel]
    return painted


def _tried(target: Target, images: Tensor, labels: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """The probability of the true class under each candidate, and whether another class wins: (N, P) each."""
    n, members = candidates.shape[:2]
    at_once = max(1, 4 * BATCH // members)
    scores, wrong = [], []
    for start in range(0, n, at_once):
        some = slice(start, start + at_once)
        painted = _painted(images[some], candidates[some]).flatten(0, 1)
        with torch.no_grad():
            given = target.logits(painted).cpu()
        true = labels[some].repeat_interleave(members)
        scores.append(given.softmax(1).gather(1, true[:, None])[:, 0])
        wrong.append(given.argmax(1) != true)
    return torch.cat(scores).view(n, members), torch.cat(wrong).view(n, members)


ONE_PIXEL = Attack(
    name="one-pixel",
    title="one pixel (differential evolution)",
    unit=PIXELS,
    kind="budget",
    access="scores",
    iterative=True,
    budgets=(1,),
    craft=_one_pixel,
    cost=lambda settings, _: (0.9 * settings["population"] * (settings["generations"] + 1), 0),
    settings={"population": 400, "generations": 20},
    source="Su et al., One pixel attack for fooling deep neural networks, IEEE TEVC 2019",
)
