"""Models on two processes: wrapped by DDP, FSDP1 and FSDP2, with torch's plain layers as the oracle."""

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
from torch.distributed.fsdp import FullyShardedDataParallel, MixedPrecision, MixedPrecisionPolicy, fully_shard
from torch.distributed.fsdp.wrap import ModuleWrapPolicy
from torch.nn.parallel import DistributedDataParallel

from windowconv import LearnableWindow, WindowedConv2d, convert, fold, leakage, save_weights, trim_report
from windowconv.errors import InputError


def refused(call, *said):
    try:
        call()
    except InputError as error:
        assert any(text in str(error) for text in said), error
    else:
        raise SystemExit(f"{said} was not said")


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
    for folded in (fold(model), fold(copy.deepcopy(model), inplace=True)):
        torch.testing.assert_close(folded(mine), plain(mine))
    measured = [[layer.curve for layer in leakage(m).layers] for m in (model, single)]
    assert measured[0] == measured[1]
    other = convert(single, window=("kaiser", 5.0))
    torch.testing.assert_close(convert(model, window=("kaiser", 5.0))(mine), fold(other)(mine))
    refused(lambda: convert(model, kernel_size=9), "convert the model, then wrap it")
elif kind.startswith("fsdp1"):
    model = FullyShardedDataParallel(
        model,
        device_id=torch.device("cpu"),
        use_orig_params="original" in kind,
        auto_wrap_policy=ModuleWrapPolicy({WindowedConv2d}) if "each" in kind else None,
        mixed_precision=MixedPrecision(param_dtype=torch.bfloat16) if "bf16" in kind else None,
    )
    half = "bf16" in kind
    close = {"rtol": 0.05, "atol": 0.03} if half else {}
    torch.testing.assert_close(model(mine).float(), plain(mine), **close)
    model(mine).float().square().mean().backward()
    single(x).square().mean().backward()
    with FullyShardedDataParallel.summon_full_params(model, with_grads="original" in kind):
        torch.testing.assert_close(leakage(model).layers[0].curve, leakage(single).layers[0].curve)
        if "original" in kind:
            for one, other in zip(model.parameters(), single.parameters(), strict=True):
                torch.testing.assert_close(one.grad, other.grad)
    sharded = "sharded by FullyShardedDataParallel"
    refused(lambda: leakage(model), sharded, "FullyShardedDataParallel.summon_full_params")
    for call in (fold, convert, lambda m: fold(m, inplace=True), lambda m: trim_report(m, 0.9)):
        refused(lambda: call(model), "FullyShardedDataParallel", sharded)
    state = model.state_dict()  # whole, by a call of all processes
    if rank == 0:
        other = copy.deepcopy(single)
        other.load_state_dict(state)
        torch.testing.assert_close(fold(other)(x), plain(x))
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
    said = "sharded by fully_shard; allowed: the same model without"
    for call in (fold, lambda m: fold(m, inplace=True), lambda m: trim_report(m, 0.9)):
        refused(lambda: call(model), said)
    refused(lambda: leakage(model), "sharded by fully_shard; allowed: after unshard()")
    refused(lambda: save_weights(model, "never-written.safetensors"), said)
    state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))
    if rank == 0:
        single.load_state_dict(state)
        torch.testing.assert_close(fold(single)(x), plain(x))
dist.barrier()
dist.destroy_process_group()
"""


KINDS = ["ddp", "fully_shard", "fsdp1", "fsdp1-original", "fsdp1-original-each", "fsdp1-each-bf16"]


@pytest.mark.compatibility("torch", "DistributedDataParallel: training, fold, convert (a window alone), leakage")
@pytest.mark.compatibility("torch", "fully_shard (FSDP2) with bfloat16: training, the full state dict")
@pytest.mark.compatibility(
    "torch", "FullyShardedDataParallel (FSDP1): training, the full state dict, summon_full_params"
)
@pytest.mark.compatibility(
    "torch",
    "fold, convert, leakage, save_weights of sharded models",
    outcome="refused",
    note="convert before; fold a model that holds the full state dict; measure within `unshard`, `summon_full_params`",
)
@pytest.mark.parametrize(
    ("window", "kind"), [("hamming", kind) for kind in KINDS] + [("learnable", kind) for kind in KINDS[:3]]
)
def test_two_processes(window: str, kind: str, tmp_path: Path) -> None:
    call = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    rest = [str(tmp_path / "store"), window, kind]
    options = {"text": True, "stderr": subprocess.PIPE, "env": {**os.environ, "OMP_NUM_THREADS": "1"}}
    processes = [subprocess.Popen([*call, str(rank), *rest], **options) for rank in range(2)]  # pyright: ignore[reportCallIssue, reportArgumentType]
    errors = [process.communicate(timeout=200)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)
