"""One step of SGD: parameter groups, gradient factors, averages of the weights."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from windowconv.lab.config import RunConfig, Training
from windowconv.lab.models.airbench import Whitening
from windowconv.lab.models.arm_layers import gradient_factors
from windowconv.lab.models.arms import parse_arm
from windowconv.lab.models.replicas import Replicas
from windowconv.windowed import WindowedMixin
from windowconv.windows import Window

Factors = list[tuple[Tensor, Tensor]]


def is_weight(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a kernel or a matrix (two dimensions or more): no norm, bias, window or position."""
    return parameter.ndim > 1 and ".learnable_window." not in f".{name}" and not name.endswith("positions")


def make_optimizer(replicas: Replicas, config: Training) -> torch.optim.SGD:
    """SGD on the raw weights; with decay="weights" only kernels and matrices decay, not norms, biases and windows; with
    decay="unwindowed" all but the raw weights under a window.

    Each group has "lr_factor", its learning rate over the others'; a decoupled decay is divided by its peak rate.
    Layers with `without_decay` (names of parameters) and `learning_rates` (names and factors) have it so.
    """
    network = replicas.networks[0]
    single = dict(network.named_parameters())
    windowed, constant = windowed_weights(network), without_decay(network)
    factors = dict.fromkeys(norm_biases(network), config.bias_lr) | learning_rates(network)
    groups: dict[tuple[bool, float], list[Tensor]] = defaultdict(list)
    for name, part in replicas.parts(0):
        decays = {"all": True, "weights": is_weight(name, single[name]), "unwindowed": name not in windowed}[
            config.decay
        ]
        groups[decays and name not in constant, factors.get(name, 1.0)].append(part.whole)
    chosen = []
    for (decays, factor), parameters in sorted(groups.items(), key=lambda group: not group[0][0]):
        decay = config.weight_decay * decays
        if config.decoupled_decay:
            decay /= config.lr * factor
        chosen.append({"params": parameters, "weight_decay": decay, "lr_factor": factor})
    settings: dict[str, Any] = {"lr": config.lr, "momentum": config.momentum, "nesterov": config.nesterov}
    return torch.optim.SGD(chosen, **settings)


def windowed_weights(network: nn.Module) -> set[str]:
    """The names of the raw weights of layers that have a window."""
    layers = (item for item in network.named_modules() if isinstance(item[1], WindowedMixin))
    return {f"{name}.weight" if name else "weight" for name, layer in layers if layer.window != Window("boxcar")}


def without_decay(network: nn.Module) -> set[str]:
    """The names of the parameters that never decay, as their layers say."""
    layers = network.named_modules()
    return {f"{name}.{own}" for name, layer in layers for own in getattr(layer, "without_decay", ())}


def learning_rates(network: nn.Module) -> dict[str, float]:
    """Learning rates over the network's, by parameter, as their layers say."""
    layers = network.named_modules()
    return {f"{name}.{own}": factor for name, layer in layers for own, factor in getattr(layer, "learning_rates", ())}


def norm_biases(network: nn.Module) -> set[str]:
    """The names of the biases of batch norms."""
    return {
        f"{name}.bias" for name, layer in network.named_modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)
    }


def stem_biases(replicas: Replicas) -> list[Tensor]:
    """The biases of whitening layers, which are trained at first only."""
    layers = replicas.networks[0].named_modules()
    names = {f"{name}.bias" for name, layer in layers if isinstance(layer, Whitening)}
    return [part.whole for name, part in replicas.parts(0) if name in names]


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


def make_average(replicas: Replicas, config: Training, steps: int) -> AveragedModel | None:
    """The average of weights and buffers, exponential or for lookahead; None without one."""
    if config.ema:
        return AveragedModel(replicas, multi_avg_fn=get_ema_multi_avg_fn(config.ema), use_buffers=True)
    if config.lookahead:
        function = lookahead_multi_avg_fn(config.lookahead, config.lookahead_steps, steps)
        return AveragedModel(replicas, multi_avg_fn=function, use_buffers=True)
    return None


def lookahead_multi_avg_fn(decay: float, every: int, steps: int) -> Callable[..., None]:
    """For `AveragedModel`: a moving average, updated every so many steps, whose decay grows.

    It begins as the weights of the first update; at step t of T the average a becomes d a + (1 - d) w with
    d = decay^every (t / T)^3. Source: K. Jordan, "94% on
    CIFAR-10 in 3.29 seconds", 2024, after M. Zhang et al., "Lookahead optimizer", 2019.
    """

    @torch.no_grad()
    def update(averages: list[Tensor], current: list[Tensor], updates: Tensor) -> None:
        share = min((int(updates) + 1) * every / steps, 1.0)
        for average, weights in zip(averages, current, strict=True):
            if average.is_floating_point():
                average.lerp_(weights, 1 - decay**every * share**3)
            else:  # the counter of a batch norm
                average.copy_(weights)

    return update


@torch.no_grad()
def go_on_from(average: AveragedModel, replicas: Replicas) -> None:
    """Give the trained networks the averaged weights and buffers."""
    source = average.module
    assert isinstance(source, Replicas)
    for ours, theirs in zip(
        (*replicas.parameters(), *replicas.buffers()), (*source.parameters(), *source.buffers()), strict=True
    ):
        ours.copy_(theirs)


def averaged(average: AveragedModel | None, replicas: Replicas) -> list[nn.Module]:
    """The networks that are evaluated and kept, with their newest weights: averaged ones if an average has begun."""
    source = replicas if average is None or not average.n_averaged else average.module
    assert isinstance(source, Replicas)
    source.pull()
    return source.networks
