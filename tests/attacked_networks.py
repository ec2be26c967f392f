"""Networks whose robustness is known, or that train in a second."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.lab.robustness.attacks.target import Target

SHAPE = (1, 6, 6)


class Linear(nn.Module):
    """Scores that are linear in the image, so that its smallest deceiving changes have a closed form."""

    def __init__(self, classes: int, shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.flat = nn.Flatten()
        self.score = nn.Linear(shape[0] * shape[1] * shape[2], classes)
        with torch.no_grad():
            self.score.weight.copy_(torch.randn(self.score.weight.shape, generator=generator))
            self.score.bias.copy_(-0.5 * self.score.weight.sum(1))  # an image that is grey all over is undecided

    def forward(self, images: Tensor) -> Tensor:
        return self.score(self.flat(images))


def near_grey(n: int, shape: tuple[int, int, int] = SHAPE, seed: int = 1) -> Tensor:
    """Images from which the border of any class is nearer than the edge of [0, 1]."""
    return 0.5 + 0.05 * torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed)).clamp(-3, 3)


def distances(model: Linear, images: Tensor, labels: Tensor, order: float) -> Tensor:
    """min over j of (f_y - f_j) / |w_y - w_j|, in the dual norm: 2 for L2, 1 for L∞. float64 (N,)."""
    weight, scores = model.score.weight.double(), model(images).double()
    found = []
    for score, label in zip(scores, labels.tolist(), strict=True):
        others = [j for j in range(len(weight)) if j != label]
        each = [(score[label] - score[j]) / torch.linalg.vector_norm(weight[label] - weight[j], order) for j in others]
        found.append(torch.stack(each).min())
    return torch.stack(found).detach()


def linear_target(classes: int) -> tuple[Linear, Target, Tensor, Tensor]:
    """A linear network, 40 images and the labels that it gives them."""
    model = Linear(classes)
    target = Target(model, classes, SHAPE)
    images = near_grey(40)
    return model, target, images, target.predict(images)


class Small(nn.Module):
    """A small convolutional network on 1 x 8 x 8."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.last = nn.Linear(16, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(F.relu(self.second(F.relu(self.first(images)))).mean((2, 3)))


def bars(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Noisy bars in four orientations, in [0, 1]: (n, 1, 8, 8) and labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (n,), generator=generator)
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    waves = [torch.sin(1.5 * axis) for axis in (rows, columns, rows + columns, rows - columns)]
    clear = torch.stack([waves[label] for label in labels.tolist()])[:, None]
    return (0.5 + 0.25 * clear + 0.1 * torch.randn(n, 1, 8, 8, generator=generator)).clamp(0, 1), labels


def trained() -> tuple[Target, Tensor, Tensor]:
    """`Small`, trained on bars for a second, and 60 other images with their labels."""
    torch.manual_seed(0)
    model = Small()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    images, labels = bars(400, 1)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return Target(model, 4, (1, 8, 8)), *bars(60, 2)
