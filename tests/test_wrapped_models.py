"""Models that are compiled, wrapped, averaged, traced, quantised or sharded: converted, or refused in a sentence."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.optim.swa_utils import AveragedModel

from tolerances import assert_close
from windowconv.conversion import convert
from windowconv.effective import effective_weight
from windowconv.errors import InputError, WindowWarning
from windowconv.folding import fold
from windowconv.layers import WindowedConv2d
from windowconv.plan import plan_conversion
from windowconv.spectra.network import leakage

quiet = pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")
X = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(1))


def network() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 5, padding=2))


def compiled_in_place() -> nn.Module:
    model = network()
    model.compile(backend="eager")
    return model


def fabric_module() -> nn.Module:
    return Fabric(accelerator="cpu", devices=1).setup(network())


WRAPPED = {
    "OptimizedModule": lambda: torch.compile(network(), backend="eager"),
    "Module.compile": compiled_in_place,
    "DataParallel": lambda: nn.DataParallel(network()),
    "AveragedModel": lambda: AveragedModel(network()),
    "Fabric": fabric_module,
    "torch.fx": lambda: torch.fx.symbolic_trace(network()),
}


@pytest.mark.compatibility("torch", "convert of compiled models, DataParallel, AveragedModel, torch.fx graphs")
@pytest.mark.compatibility("lightning-fabric", "convert of its modules")
@quiet
@pytest.mark.parametrize("options", [{}, {"kernel_size": 7}, {"kernel_size": 7, "preserve": True}], ids=str)
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("name", WRAPPED)
@torch.no_grad()
def test_wrappers_that_convert_as_the_model_itself(name, inplace, options):
    wrapped = WRAPPED[name]()
    wrapped(X)  # compiled before
    plain = network()
    torch.manual_seed(2)
    converted = convert(wrapped, inplace=inplace, **options)
    assert type(converted) is type(wrapped) or name == "torch.fx"  # which makes a class for each copy
    torch.manual_seed(2)
    expected = fold(convert(plain, **options))  # torch's plain layers, with the weights in effect
    assert_close(converted(X), expected(X), scale=4)
    assert sum(isinstance(m, WindowedConv2d) for m in converted.modules()) == 2
    assert_close(wrapped(X), (expected if inplace else plain)(X), scale=4)


@pytest.fixture
def process_group(tmp_path) -> Iterator[None]:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def sharded() -> nn.Module:
    model = network()
    fully_shard(model)
    return model


def each_sharded() -> nn.Module:
    model = network()
    fully_shard(model[0])
    fully_shard(model)
    return model


CHANGES = [{"kernel_size": 7}, {"preserve": True}]


@pytest.mark.compatibility(
    "torch",
    "convert of DistributedDataParallel and fully_shard where parameters change",
    outcome="refused",
    note="convert, then wrap",
)
@pytest.mark.usefixtures("process_group")
@pytest.mark.parametrize("options", CHANGES, ids=str)
@pytest.mark.parametrize(
    ("wrap", "kind"),
    [
        (lambda: nn.parallel.DistributedDataParallel(network()), r"\(DistributedDataParallel\)"),
        (lambda: nn.ModuleDict({"net": nn.parallel.DistributedDataParallel(network())}), "Distributed.* at 'net'"),
        (sharded, r"\(FSDPModule\)"),
    ],
    ids=["DDP", "DDP-inside", "fully_shard"],
)
@pytest.mark.parametrize("call", [convert, plan_conversion], ids=["convert", "plan"])
def test_wrappers_that_hold_parameters_are_refused_where_these_would_change(wrap, kind, options, call):
    with pytest.raises(InputError, match=f"model=.*{kind}.*; allowed: convert the model, then wrap it"):
        call(wrap(), **options)


@quiet
@pytest.mark.usefixtures("process_group")
def test_a_window_alone_is_no_obstacle_for_them():
    expected = fold(convert(network()))(X)
    assert_close(convert(nn.parallel.DistributedDataParallel(network()), inplace=True)(X), expected)
    assert_close(convert(sharded(), inplace=True)(X), expected)
    with pytest.warns(WindowWarning, match=r"1 convolutions skipped: 0 \(sharded by fully_shard: convert before\)"):
        convert(each_sharded(), inplace=True)


@pytest.mark.usefixtures("process_group")
@pytest.mark.parametrize("original", [False, True])
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")
def test_flattened_parameters_are_refused(original):
    model = FullyShardedDataParallel(network(), device_id=torch.device("cpu"), use_orig_params=original)
    with pytest.raises(InputError, match=r"FullyShardedDataParallel\).*allowed: convert the model, then wrap it"):
        convert(model, inplace=True)


@pytest.mark.usefixtures("process_group")
def test_the_weights_of_a_sharded_model_are_asked_for_after_unshard():
    model: Any = each_sharded()
    with pytest.raises(InputError, match=r"layer '0' is sharded by fully_shard; allowed: after unshard\(\)"):
        leakage(model)
    model[0].unshard()
    model.unshard()
    assert leakage(model).rows()[0]["leakage_1/4"] == pytest.approx(leakage(network()).rows()[0]["leakage_1/4"])


@pytest.mark.usefixtures("process_group")
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")
def test_the_weights_of_a_flattened_model_are_asked_for_within_summon_full_params():
    model: Any = FullyShardedDataParallel(network(), device_id=torch.device("cpu"), use_orig_params=True)
    part = torch.zeros(5)  # as on one of several processes, which hold a flat part each
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(model[0]._parameters, "weight", nn.Parameter(part))
        with pytest.raises(
            InputError, match=r"weight.shape=\(5,\), as of a part .*FullyShardedDataParallel.summon_full"
        ):
            effective_weight(model[0])
    with FullyShardedDataParallel.summon_full_params(model):
        assert len(leakage(model).layers) == 2


@pytest.mark.compatibility(
    "torch", "convert of scripted, traced and exported models", outcome="refused", note="convert, then record"
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: torch.jit.script(network()), "model=RecursiveScriptModule, which is scripted or traced; allowed"),
        (lambda: torch.jit.trace(network(), X), "model=TopLevelTracedModule, which is scripted or traced; allowed"),
        (lambda: torch.export.export(network(), (X,)).module(), "model=GraphModule without convolution modules"),
    ],
    ids=["script", "trace", "export"],
)
def test_records_of_a_model_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        convert(make())


@pytest.mark.compatibility(
    "torch.ao", "convert of models with quantised layers", note="quantised layers are skipped, and named"
)
@quiet
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_quantised_layers_are_skipped_by_name_and_the_others_converted():
    import torch.ao.nn.quantized as quantized

    layer = quantized.Conv2d(3, 4, 3)
    with pytest.raises(InputError, match=r"layers to convert \(quantised: convert before\)"):
        convert(nn.Sequential(layer))
    with pytest.warns(WindowWarning, match=r"1 convolutions skipped: 0 \(quantised: convert before\)"):
        converted = convert(nn.Sequential(layer, nn.Conv2d(4, 4, 5)), inplace=True)
    assert isinstance(converted[1], WindowedConv2d)


@quiet
def test_an_average_and_its_network_converted_together_stay_equal_and_go_on():
    online = network()
    average = AveragedModel(online)
    both: Any = convert(nn.ModuleList([online, average]), kernel_size=7)
    assert torch.equal(both[0](X), both[1](X))
    state = copy.deepcopy(both[0].state_dict())
    both[1].update_parameters(both[0])
    assert all(torch.equal(both[1].module.state_dict()[key], value) for key, value in state.items())
