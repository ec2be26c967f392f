"""Batch norm of several networks at once, in one call.

Under vmap, torch's own asks its input for memory formats that a vmapped tensor does not tell, and fails on GPUs.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def norms_at_once(network: nn.Module) -> nn.Module:
    """Let the network's batch norms, under vmap over their images, weights and statistics, be one of R x C channels.

    Args:
        network: to be run by vmap only; changed, and returned. Batch norms without weights or running statistics, or
            with a cumulative average, stay as they are.
    """
    for layer in network.modules():
        if isinstance(layer, NORMS) and layer.affine and layer.track_running_stats and layer.momentum is not None:
            layer.forward = partial(_forward, layer)  # pyright: ignore[reportAttributeAccessIssue]
    return network


def _forward(layer: BatchNorm, images: Tensor) -> Tensor:
    """As the layer's own."""
    if layer.training and layer.num_batches_tracked is not None:
        layer.num_batches_tracked.add_(1)
    statistics = layer.running_mean, layer.running_var
    return _AtOnce.apply(images, *statistics, layer.weight, layer.bias, layer.training, layer.momentum, layer.eps)


class _AtOnce(torch.autograd.Function):
    """Batch norm that is only defined under vmap, where autograd sees the call in `vmap` and needs no more."""

    @staticmethod
    def forward(*arguments: Any) -> Tensor:
        raise NotImplementedError("only under vmap")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        raise NotImplementedError("only under vmap")

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> tuple[Tensor, int]:
        """Images, statistics, weights and biases of R networks, each along its dimension in `in_dims`."""
        images, *tensors, training, momentum, eps = arguments
        assert in_dims[0] is not None
        images = images.movedim(in_dims[0], 1)  # (N, R, C, ...), which is how a stacked convolution has it in memory
        # the statistics are changed in place, so that they must be views
        mean, var, weight, bias = (tensor.view(-1) for tensor in tensors)
        outputs = F.batch_norm(images.flatten(1, 2), mean, var, weight, bias, training, momentum, eps)
        return outputs.unflatten(1, images.shape[1:3]), 1
