"""Windowed layers under accelerate: filled from nothing, offloaded, in mixed precision."""

from pathlib import Path
from typing import Any

import pytest
import torch

from plain_networks import WINDOWS, Network, images, plain_network
from tolerances import assert_close
from windowconv.checkpoint import save_weights
from windowconv.errors import InputError
from windowconv.folding import fold
from windowconv.plan import plan_conversion
from windowconv.spectra.network import leakage

accelerate = pytest.importorskip("accelerate")
pytestmark = pytest.mark.slow
each_window = pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)


@pytest.mark.compatibility("accelerate", "init_empty_weights and load_checkpoint_and_dispatch, on CPU and disk")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "places",
    [{"": "cpu"}, {"stem": "disk", "act": "cpu", "conv": "cpu", "point": "cpu", "head": "disk"}],
    ids=["cpu", "disk"],
)
@each_window
@torch.no_grad()
def test_a_checkpoint_is_dispatched_to_an_empty_model(window, places, tmp_path: Path):
    model = Network(window)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    with accelerate.init_empty_weights():
        empty = Network(window)
    assert all(p.is_meta for p in empty.parameters())
    filled = accelerate.load_checkpoint_and_dispatch(
        empty, str(tmp_path / "weights.pt"), device_map=places, offload_folder=tmp_path / "off"
    )
    assert_close(filled(images()), plain_network(model)(images()), scale=4)


@pytest.mark.compatibility("accelerate", "cpu_offload, disk_offload")
@pytest.mark.parametrize("offload", ["cpu", "disk"])
@each_window
@torch.no_grad()
def test_an_offloaded_model_computes_the_same(window, offload, tmp_path: Path):
    model, expected = Network(window), plain_network(Network(window))(images())
    offloaded(model, offload, tmp_path)
    assert model.stem.weight.is_meta
    assert_close(model(images()), expected, scale=4)


def offloaded(model: Network, offload: str, folder: Path) -> None:
    if offload == "cpu":
        accelerate.cpu_offload(model, execution_device="cpu")
    else:
        accelerate.disk_offload(model, folder, execution_device="cpu")


CALLS: dict[str, Any] = {
    "fold": fold,
    "leakage": leakage,
    "plan_conversion": lambda model: plan_conversion(model, kernel_size=9, include=["stem", "conv"]),
    "save_weights": lambda model: save_weights(model, "never-written.safetensors"),
}


@pytest.mark.compatibility(
    "accelerate",
    "fold, leakage, convert and save_weights of an offloaded model",
    outcome="refused",
    note="until `accelerate.hooks.remove_hook_from_submodules(model)`",
)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@each_window
def test_an_offloaded_model_is_refused_until_it_is_here(window, call, tmp_path: Path):
    model = Network(window)
    offloaded(model, "cpu", tmp_path)
    with pytest.raises(InputError, match=r"offloaded|replaced forward method|remove_hook_from_submodules"):
        call(model)
    accelerate.hooks.remove_hook_from_submodules(model)
    assert_close(fold(model)(images()), plain_network(Network(window))(images()), scale=4)


@pytest.mark.compatibility("accelerate", "Accelerator.prepare, in float32 and mixed bfloat16")
@pytest.mark.parametrize("precision", ["no", "bf16"])
@each_window
def test_a_prepared_model_trains_and_folds(window, precision):
    accelerate.state.AcceleratorState._reset_state(True)
    accelerator = accelerate.Accelerator(cpu=True, mixed_precision=precision)
    model, plain = Network(window), plain_network(Network(window))
    prepared, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.1))
    dtype = torch.float32 if precision == "no" else torch.bfloat16
    before = prepared(images())
    assert_close(before, plain(images()), dtype, scale=4)
    folded = fold(prepared)
    accelerator.backward(before.square().sum())
    optimizer.step()
    assert not torch.equal(prepared(images()), before)
    assert_close(folded(images()), before, dtype, scale=4)  # the copy computes with its own layers
    assert_close(fold(accelerator.unwrap_model(prepared))(images()), plain_network(model)(images()), dtype, scale=4)
