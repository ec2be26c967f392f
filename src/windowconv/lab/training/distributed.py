"""Devices, precision and several processes, by Lightning Fabric; the only file that knows it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from windowconv.devices import find_device
from windowconv.errors import InputError, require
from windowconv.lab.config import Execution

PRECISIONS = {"fp32": "32-true", "tf32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


class Ranks:
    """The processes of one training, seen from one of them.

    Started by torchrun there are several, each with a rank; otherwise there is one. Gradients are averaged over ranks
    by DistributedDataParallel.

    Args:
        execution: the device; "cuda" with several processes gives each its own.
        precision: as in `Training`.

    Raises:
        InputError: a device that is not there, a precision that it lacks, or processes that do not find each other.
    """

    def __init__(self, execution: Execution, precision: str = "fp32") -> None:
        device = check_precision(precision, execution.device)
        world = process_count()
        local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        fabric = require("lightning_fabric", "lab").Fabric
        index = [device.index] if device.index is not None and world == 1 else local
        with _quiet():
            self._fabric: Any = fabric(
                accelerator=device.type,
                devices=index,
                num_nodes=max(world // local, 1),
                strategy="ddp" if world > 1 else "auto",
                precision=PRECISIONS[precision],
            )
            self._fabric.launch()

    @property
    def device(self) -> torch.device:
        """This process's device."""
        return self._fabric.device

    @property
    def rank(self) -> int:
        """This process's number, from 0."""
        return self._fabric.global_rank

    @property
    def world(self) -> int:
        """How many processes there are."""
        return self._fabric.world_size

    @property
    def is_first(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == 0

    def setup(self, model: nn.Module, optimizer: Optimizer) -> tuple[nn.Module, Optimizer]:
        """The model and optimiser for `backward` and for steps: in the precision, with gradients averaged."""
        return self._fabric.setup(model, optimizer)

    def setup_stacked(self, model: nn.Module, optimizer: Optimizer) -> tuple[nn.Module, Optimizer]:
        """The same for a model that runs by vmap, in one process: Fabric's wrapper of modules does not get along with
        vmap in mixed precision, so that the model is entered through `forward` as it is."""
        return model.to(self.device), self._fabric.setup_optimizers(optimizer)

    def forward(self, model: nn.Module, images: Tensor) -> Tensor:
        """The model's outputs, in the precision; images (N, C, H, W), or (R, N, C, H, W) for R stacked networks."""
        with self._fabric.autocast():
            return model(images)

    @contextmanager
    def averaging(self, model: nn.Module, last: bool) -> Iterator[None]:
        """Around forward and backward of a step's part: gradients are averaged over ranks with the last one."""
        with nullcontext() if last or self.world == 1 else self._fabric.no_backward_sync(model):
            yield

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a scalar loss to the parameters'."""
        self._fabric.backward(loss)

    def gradient(self, loss: Tensor, images: Tensor) -> Tensor:
        """A scalar loss's gradient at the images, of their shape, times a positive factor: fp16's, without which small
        ones vanish."""
        scaled = loss if self.scaler is None else self.scaler.scale(loss)
        return torch.autograd.grad(scaled, images)[0]

    def sum(self, values: Tensor) -> Tensor:
        """The element-wise sum over ranks, of the values' shape."""
        return self._fabric.all_reduce(values, reduce_op="sum") if self.world > 1 else values

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        if self.world == 1:
            return flag
        return bool(self.sum(torch.tensor(float(flag), device=self.device)) > 0)

    def share_buffers(self, model: nn.Module) -> None:
        """Give all ranks the first one's buffers, such as batch norm's running statistics."""
        if self.world > 1:
            for buffer in model.buffers():
                first = buffer.contiguous()
                torch.distributed.broadcast(first, src=0)
                buffer.copy_(first)

    def barrier(self) -> None:
        """Wait for all ranks."""
        self._fabric.barrier()

    @property
    def scaler(self) -> Any:
        """The gradient scaler of fp16, or None."""
        return getattr(self._fabric.strategy.precision, "scaler", None)


def is_first_process() -> bool:
    """Whether this process writes and speaks; known from torchrun's environment, before anything is set up."""
    return int(os.environ.get("RANK", "0")) == 0


def process_count() -> int:
    """How many processes train together; known from torchrun's environment."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def configure(execution: Execution) -> None:
    """Set the number of CPU threads for this process; an `InputError` for a device that is not there."""
    if execution.threads is not None:
        torch.set_num_threads(execution.threads)
    find_device(execution.device)


def check_precision(precision: str, name: str) -> torch.device:
    """The torch device of this name; an `InputError` if it is not there or cannot train in this precision."""
    device = find_device(name)
    if precision == "fp16" and device.type == "cpu":
        raise InputError("precision='fp16' is for GPUs; on a CPU allowed: fp32, bf16")
    if precision == "tf32" and device.type != "cuda":
        raise InputError(f"precision='tf32' is for NVIDIA GPUs; on {device.type} allowed: fp32, bf16")
    return device


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Fabric's lines about what it was told to do."""
    import logging

    logger = logging.getLogger("lightning_fabric")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning_fabric")
            yield
    finally:
        logger.setLevel(level)
