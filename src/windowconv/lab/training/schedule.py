"""The learning rate of each step, a function of the settings alone."""

from __future__ import annotations

import math

from windowconv.lab.config import Training

CYCLE_RISE = 0.3
CYCLE_START = 1 / 25
CYCLE_END = 1 / 250_000
"""torch's `OneCycleLR` by default: the share of steps that rise, and the first and last rate over the largest."""

TRIANGLE_RISE = 0.23
TRIANGLE_START = 0.2
TRIANGLE_END = 0.07


def learning_rate(config: Training, step: int, steps: int) -> float:
    """The learning rate of step `step` (from 0) of `steps`.

    "steps": lr times lr_factor for each milestone that is passed. "cosine": lr (1 + cos(pi t)) / 2, with t the share of
    the steps after the warm-up that is over (Loshchilov & Hutter, "SGDR", 2017). "one-cycle": a rise along a cosine
    from lr / 25 and a fall along another to lr / 250,000 (Smith & Topin, "Super-convergence", 2018), as torch's
    `OneCycleLR`, without its cycle of the momentum. "triangular": a line from 0.2 lr to lr over 23 % of the steps, and
    one down to 0.07 lr (Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024). The warm-up multiplies the first two by
    (step + 1) / its steps (Goyal et al., "Accurate, large minibatch SGD", 2017).
    """
    if config.schedule == "one-cycle":
        return config.lr * _one_cycle(step, steps)
    if config.schedule == "triangular":
        return config.lr * _triangle(step, steps)
    warmup = round(config.warmup_epochs * steps / config.epochs)
    if step < warmup:
        return config.lr * (step + 1) / warmup
    if config.schedule == "cosine":
        return config.lr * _cosine(1.0, 0.0, (step - warmup) / max(steps - warmup, 1))
    passed = sum(step >= round(milestone * steps) for milestone in config.milestones)
    return config.lr * config.lr_factor**passed


def _one_cycle(step: int, steps: int) -> float:
    top = CYCLE_RISE * steps - 1
    if step <= top:
        return _cosine(CYCLE_START, 1.0, step / top if top else 1.0)
    return _cosine(1.0, CYCLE_END, (step - top) / max(steps - 1 - top, 1e-9))


def _triangle(step: int, steps: int) -> float:
    top = int(TRIANGLE_RISE * steps)
    if step < top:
        return TRIANGLE_START + (1 - TRIANGLE_START) * step / top
    return 1 - (1 - TRIANGLE_END) * (step - top) / max(steps - top, 1)


def _cosine(start: float, end: float, t: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * t)) / 2
