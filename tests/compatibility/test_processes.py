"""Windowed layers handed to other processes, whose caches of windows are their own."""

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch import multiprocessing as mp

from plain_networks import WINDOWS, Network, images, plain_network
from tolerances import assert_close

pytestmark = pytest.mark.slow
each_window = pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)


def answer(network: nn.Module, input: Tensor, answers: Any) -> None:
    """In another process: compute, and double the shared weights."""
    with torch.no_grad():
        answers.put(network(input).numpy())
        for parameter in network.parameters():
            parameter.mul_(2)


@pytest.mark.compatibility("torch", "torch.multiprocessing: spawn and fork, share_memory")
@pytest.mark.parametrize("method", ["spawn", "fork"])
@each_window
def test_other_processes(window, method):
    network = Network(window).share_memory()
    context = mp.get_context(method)
    answers = context.SimpleQueue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process = context.Process(target=answer, args=(network, images(), answers))
        process.start()
        output = torch.from_numpy(answers.get())
        process.join(60)
    assert process.exitcode == 0
    assert_close(output, plain_network(Network(window))(images()), scale=4)
    assert torch.equal(network.stem.weight, 2 * Network(window).stem.weight)  # shared, and seen here
    assert_close(network(images()), plain_network(network)(images()), scale=4)
