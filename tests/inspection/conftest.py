"""A small network, images for it, and what inspecting it finds."""

import pytest
import torch
from torch import nn

from windowconv.inspection.subject import Subject


def small(classes: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, classes),
    )


@pytest.fixture
def subject() -> Subject:
    return Subject("small", small().eval(), 3, 16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
