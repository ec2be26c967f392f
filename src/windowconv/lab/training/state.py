"""The state of a training as a checkpoint holds it, network by network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from windowconv.lab.models.replicas import Replicas
from windowconv.lab.runs.checkpoints import Checkpoint, load_checkpoint
from windowconv.lab.runs.schemas import TrainingState
from windowconv.lab.training.optimizer import averaged

MOMENTUM = "momentum_buffer"
Tensors = dict[str, Tensor]


def capture(
    replicas: Replicas, optimizer: torch.optim.Optimizer, average: AveragedModel | None, index: int
) -> dict[str, Tensors]:
    """The tensors of network `index`: weights, momentum, and their average.

    Args:
        replicas: R networks.
        optimizer: SGD over their weights.
        average: the moving average of the weights, if there is one.
        index: of the network, 0 to R - 1.

    Returns:
        State dicts on the CPU: "model", "optimizer" (momentum by parameter) and, with an average, "average".
    """
    replicas.pull()
    found = {"model": cpu_copy(replicas.networks[index])}
    momenta = {}
    for name, part in replicas.parts(index):
        buffer = optimizer.state[part.whole].get(MOMENTUM) if part.whole in optimizer.state else None
        if buffer is not None:
            momenta[name] = part.of(buffer).detach().cpu().clone()
    found["optimizer"] = momenta
    if average is not None:
        found["average"] = cpu_copy(averaged(average, replicas)[index])
    return found


@torch.no_grad()
def restore(
    replicas: Replicas,
    optimizer: torch.optim.Optimizer,
    average: AveragedModel | None,
    found: Mapping[str, Mapping[str, Tensor]],
    index: int,
) -> None:
    """Put network `index` back to where `capture` found it; `replicas.push` has still to be called."""
    replicas.networks[index].load_state_dict(dict(found["model"]))
    for name, part in replicas.parts(index):
        if name in found["optimizer"]:
            state = optimizer.state[part.whole]
            whole = state.setdefault(MOMENTUM, torch.zeros_like(part.whole))
            part.of(whole).copy_(found["optimizer"][name])
    if average is not None:
        assert isinstance(average.module, Replicas)
        average.module.networks[index].load_state_dict(dict(found["average"]))


def cpu_copy(network: nn.Module) -> Tensors:
    """A copy of a network's state dict, on the CPU; weights that layers share are copied for each."""
    return {key: value.detach().cpu().clone() for key, value in network.state_dict().items()}


def all_finite(networks: Sequence[nn.Module]) -> bool:
    """Whether all weights are finite numbers."""
    return all(bool(torch.isfinite(p).all()) for network in networks for p in network.parameters())


def common_checkpoints(folders: list[Path]) -> list[Checkpoint] | None:
    """The newest checkpoints that all runs have of one step; None if there are none."""
    found = [load_checkpoint(folder, schema=TrainingState) for folder in folders]
    if any(checkpoint is None for checkpoint in found):
        return None
    step = min(checkpoint.step for checkpoint in found if checkpoint)
    found = [
        checkpoint if checkpoint and checkpoint.step == step else load_checkpoint(folder, step, TrainingState)
        for checkpoint, folder in zip(found, folders, strict=True)
    ]
    chosen = [checkpoint for checkpoint in found if checkpoint and checkpoint.step == step]
    return chosen if len(chosen) == len(folders) else None
