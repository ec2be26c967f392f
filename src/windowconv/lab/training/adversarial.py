"""Adversarial training: what an attack makes of a step's images, against the networks as they are then.

The Adversarial Robustness Toolbox trains too, but in a loop of its own, with images that go to NumPy and back for every
attack: nothing there resumes to the same bits, averages over processes, scales fp16's gradients or takes stacked seeds.
The attack itself is short; the tests hold it against the toolbox's and foolbox's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from windowconv.lab.config import RunConfig
from windowconv.lab.data import Batch
from windowconv.lab.data.seeding import seeded_generator
from windowconv.lab.models.replicas import Replicas, laid_out
from windowconv.lab.training.distributed import Ranks

STEP_SIZES = {"pgd": 0.25, "fgsm": 1.25}  # of the budget: Madry et al.'s on CIFAR-10, 2 of 8 over 255; Wong et al.'s


def pgd(
    gradient: Callable[[Tensor], Tensor], images: Tensor, start: Tensor, budget: float, step: float, steps: int
) -> Tensor:
    """Images nearby at which a loss is larger, by projected gradient ascent in the maximum norm.

        x_0 = P(x + start)
        x_i = P(x_(i-1) + step sign(gradient(x_(i-1))))

    with P the projection on the images in [0, 1] that differ from x by the budget at most. With one step it is the fast
    gradient sign method.

    Args:
        gradient: of the loss at given images, of their shape, but for a positive factor. A pixel whose gradient is not
            a number is left where it is.
        images: x, in [0, 1].
        start: of their shape, within the budget.
        budget: the largest change of a pixel, in [0, 1].
        step: how far a pixel moves at once.
        steps: how often.

    Not for saying how robust a network is: one start and one loss miss much of what stronger attacks find.

    Source: Madry, Makelov, Schmidt, Tsipras & Vladu, "Towards deep learning models resistant to adversarial attacks",
    ICLR 2018.
    """
    low, high = (images - budget).clamp(min=0), (images + budget).clamp(max=1)
    attacked = (images + start).clamp(low, high)
    for _ in range(steps):
        attacked = (attacked + step * gradient(attacked).nan_to_num().sign()).clamp(low, high)
    return attacked


def random_start(batch: Batch, budget: float, seed: int, step: int) -> Tensor:
    """Where a step's attack begins: uniform in [-budget, budget], (B, C, H, W), on the CPU.

    A function of the seed, the step and each image's place in its set: a run that goes on draws the same, whatever the
    number of processes.
    """
    shape = batch.images.shape[1:]
    each = [
        torch.rand(shape, generator=seeded_generator("attack", seed, step, place)) for place in batch.indices.tolist()
    ]
    return (2 * torch.stack(each) - 1) * budget


class Adversary:
    """Attacks the batches that networks are trained on.

    The attack sees the networks in evaluation mode, as in TRADES (Zhang et al., ICML 2019); Madry et al. and Rice et
    al. (ICML 2020) attack in training mode. Pang et al. ("Bag of tricks for adversarial training", ICLR 2021) compared:
    the same robustness, and a higher clean accuracy in evaluation mode. It also leaves batch norm's running statistics
    to the step itself, and what is made of an image does not depend on the others of its batch, process or part.

    Args:
        configs: of the runs, one a network.
        replicas: the networks.
        ranks: the processes.
    """

    def __init__(self, configs: Sequence[RunConfig], replicas: Replicas, ranks: Ranks) -> None:
        self.configs, self.config, self.replicas, self.ranks = configs, configs[0], replicas, ranks
        kind, factor = self.config.adversarial, self.config.adversarial_step_size
        self.budget = self.config.adversarial_budget
        self.step_size = self.budget * (STEP_SIZES[kind] if factor is None else factor)
        self.steps = 1 if kind == "fgsm" else self.config.adversarial_steps

    def attack(self, batches: Sequence[Batch], images: Tensor, labels: Tensor, step: int) -> Tensor:
        """What the images (R, N, C, H, W) of a step become, one batch a network; no gradients are kept."""
        starts = [random_start(b, self.budget, c.seed, step) for b, c in zip(batches, self.configs, strict=True)]
        start = torch.stack(starts).to(images.device)
        self.ranks.share_buffers(self.replicas)  # each process has seen other images since
        parts = zip(*(each.chunk(self.config.accumulate, 1) for each in (images, labels, start)), strict=True)
        with _as_evaluated(self.replicas):
            attacked = [
                pgd(partial(self._gradient, targets), some, begin, self.budget, self.step_size, self.steps)
                for some, targets, begin in parts
            ]
        return torch.cat(attacked, 1)

    def _gradient(self, labels: Tensor, images: Tensor) -> Tensor:
        """The cross-entropy's gradient at the images."""
        images = images.detach().requires_grad_()
        outputs = self.ranks.forward(self.replicas, laid_out(images, self.config.channels_last))
        loss = F.cross_entropy(outputs.flatten(0, 1).float(), labels.flatten())
        return self.ranks.gradient(loss, images)


@contextmanager
def _as_evaluated(replicas: Replicas) -> Iterator[None]:
    """In evaluation mode, and without the weights' gradients, which take half of a backward pass."""
    trained = [parameter for parameter in replicas.parameters() if parameter.requires_grad]
    replicas.eval().requires_grad_(False)
    try:
        yield
    finally:
        replicas.train()
        for parameter in trained:
            parameter.requires_grad_()
