"""Models on two processes: wrapped by DDP and FSDP2, with torch's plain layers as the oracle."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import copy, sys
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.nn.parallel import DistributedDataParallel

from windowconv import LearnableWindow, WindowedConv2d, fold
from windowconv.errors import InputError

rank, store, window, kind = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
torch.manual_seed(0)
chosen = LearnableWindow("gaussian") if window == "learnable" else window
single = nn.Sequential(WindowedConv2d(2, 4, 5, window=chosen), nn.ReLU(), WindowedConv2d(4, 4, 3, window="hamming"))
plain = fold(single)
x = torch.rand(4, 2, 12, 12)
mine = x[2 * rank : 2 * rank + 2]
model = copy.deepcopy(single)
if kind == "ddp":
    model = DistributedDataParallel(model)
    torch.testing.assert_close(model(mine), plain(mine))
    model(mine).square().mean().backward()
    single(x).square().mean().backward()
    for one, other in zip(model.parameters(), single.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
else:
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16)
    fully_shard(model[0], mp_policy=policy)
    fully_shard(model, mp_policy=policy)
    out = model(mine)
    assert out.dtype == torch.bfloat16
    expected = plain(mine)
    torch.testing.assert_close(out.float(), expected, rtol=0.05, atol=0.03)
    out.float().square().mean().backward()
    single(x).square().mean().backward()
    for one, other in zip(model.parameters(), single.parameters(), strict=True):
        torch.testing.assert_close(one.grad.full_tensor(), other.grad, rtol=0.1, atol=0.03)
    try:
        fold(model)
        raise SystemExit("fold took sharded layers")
    except InputError as error:
        assert "sharded by fully_shard; allowed: the same model without" in str(error), error
    state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))
    if rank == 0:
        single.load_state_dict(state)
        torch.testing.assert_close(fold(single)(x), plain(x))
dist.barrier()
dist.destroy_process_group()
"""


@pytest.mark.parametrize("kind", ["ddp", "fully_shard"])
@pytest.mark.parametrize("window", ["hamming", "learnable"])
def test_two_processes(window: str, kind: str, tmp_path: Path) -> None:
    call = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    rest = [str(tmp_path / "store"), window, kind]
    options = {"text": True, "stderr": subprocess.PIPE, "env": {**os.environ, "OMP_NUM_THREADS": "1"}}
    processes = [subprocess.Popen([*call, str(rank), *rest], **options) for rank in range(2)]  # pyright: ignore[reportCallIssue, reportArgumentType]
    errors = [process.communicate(timeout=200)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)
