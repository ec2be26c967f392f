"""One step of SGD: parameter groups, gradient factors, the moving average of the weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from windowconv.lab.config import RunConfig, Training
from windowconv.lab.models.arm_layers import gradient_factors
from windowconv.lab.models.arms import parse_arm
from windowconv.lab.models.replicas import Replicas

Factors = list[tuple[Tensor, Tensor]]


def is_weight(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a kernel or a matrix (two dimensions or more): no norm, bias or window."""
    return parameter.ndim > 1 and ".learnable_window." not in f".{name}"


def make_optimizer(replicas: Replicas, config: Training) -> torch.optim.SGD:
    """SGD on the raw weights; with decay="weights" only kernels and matrices decay, not norms, biases and windows."""
    single = dict(replicas.networks[0].named_parameters())
    groups: dict[bool, list[Tensor]] = {True: [], False: []}
    for name, part in replicas.parts(0):
        groups[config.decay == "all" or is_weight(name, single[name])].append(part.whole)
    settings: dict[str, Any] = {"lr": config.lr, "momentum": config.momentum, "nesterov": config.nesterov}
    chosen = [{"params": ps, "weight_decay": config.weight_decay * d} for d, ps in groups.items() if ps]
    return torch.optim.SGD(chosen, **settings)


def make_factors(replicas: Replicas, config: RunConfig) -> Factors:
    """What parameters' gradients are multiplied by: see `gradient_factors`."""
    factors = gradient_factors(replicas.networks[0], parse_arm(config.arm))
    return [(part.whole, factors[name]) for name, part in replicas.parts(0) if name in factors]


def scale_gradients(factors: Factors) -> None:
    """Multiply gradients by their factors."""
    for parameter, factor in factors:
        if parameter.grad is not None:
            parameter.grad.mul_(factor)


def add_l1(replicas: Replicas, share: float) -> None:
    """Add the subgradient of `share` times the sum of the weights' absolute values; a weight of 0 has none."""
    if not share:
        return
    single = dict(replicas.networks[0].named_parameters())
    for name, part in replicas.parts(0):
        if is_weight(name, single[name]) and part.whole.grad is not None:
            part.whole.grad.add_(part.whole.detach().sign(), alpha=share)


def make_average(replicas: Replicas, decay: float) -> AveragedModel | None:
    """The exponential moving average of weights and buffers; None without one."""
    if not decay:
        return None
    return AveragedModel(replicas, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


def averaged(average: AveragedModel | None, replicas: Replicas) -> list[nn.Module]:
    """The networks that are evaluated and kept: the averaged ones if there are such, with their newest weights."""
    source = replicas if average is None else average.module
    assert isinstance(source, Replicas)
    source.pull()
    return source.networks
