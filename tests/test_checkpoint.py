"""Weights on disk: windows travel, mismatches warn or are refused, damaged files are named."""

import json
import os
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

from windowconv import checkpoint
from windowconv.checkpoint import HEADER, load_weights, read_header, save_weights
from windowconv.conversion import convert
from windowconv.errors import InputError, WindowWarning
from windowconv.folding import fold
from windowconv.layers import WindowedConv2d
from windowconv.learnable import LearnableWindow
from windowconv.windows import Window


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 7, padding=3), nn.BatchNorm2d(4), nn.Sequential(nn.Conv2d(4, 4, 7)))


def save(model: nn.Module, path: Path) -> Path:
    """By our writer, or torch's, as the ending says."""
    save_weights(model, path) if path.suffix == ".safetensors" else torch.save(model.state_dict(), path)
    return path


both = pytest.mark.parametrize("ending", ["safetensors", "pt"])
WINDOWS = ["hamming", ("kaiser", 6.0), ["hamming", "boxcar"], torch.rand(7, 7), LearnableWindow("kaiser"), None]


@both
@pytest.mark.parametrize("window", WINDOWS, ids=lambda value: value if isinstance(value, str) else None)
@pytest.mark.filterwarnings("error")
def test_round_trip(tmp_path, ending, window):
    model = convert(net(), window=window)
    other = convert(net(), window=window)
    load_weights(other, save(model, tmp_path / f"w.{ending}"))
    for (key, one), (_, two) in zip(model.state_dict().items(), other.state_dict().items(), strict=True):
        assert torch.equal(one, two), key
    x = torch.rand(1, 3, 9, 9)
    assert torch.equal(model.eval()(x), other.eval()(x))
    assert [p.name for p in tmp_path.iterdir()] == [f"w.{ending}"]


@both
def test_a_windowed_checkpoint_is_refused_in_a_plain_network(tmp_path, ending):
    path = save(convert(net(), include="2"), tmp_path / f"w.{ending}")
    plain = net()
    before = [p.clone() for p in plain.parameters()]
    with pytest.raises(InputError, match=r"layer '2\.0' was saved with the window hamming but has none"):
        load_weights(plain, path)
    assert all(torch.equal(one, two) for one, two in zip(plain.parameters(), before, strict=True))
    with pytest.raises(InputError, match=r"layer '2\.0'"):
        load_weights(convert(net(), include="0"), path)
    with pytest.raises(InputError, match=r"layer '2\.0'"):
        load_weights(nn.Sequential(nn.Conv2d(3, 4, 7)), path, strict=False)


@both
@pytest.mark.filterwarnings("error")
def test_what_is_the_same_function_loads_in_a_plain_network(tmp_path, ending):
    windowless = [convert(net(), window=window) for window in (None, Window("boxcar", sym=False))]
    for model in (net(), fold(convert(net())), *windowless):
        plain = net()
        load_weights(plain, save(model, tmp_path / f"w.{ending}"))
        x = torch.rand(1, 3, 9, 9)
        assert torch.equal(plain.eval()(x), model.eval()(x))


@both
def test_another_window_warns_and_none_is_silent(tmp_path, ending):
    path = save(convert(net(), window=("kaiser", 6.0)), tmp_path / f"w.{ending}")
    with pytest.warns(WindowWarning, match=r"has the window hamming, but .* saved with kaiser\(6.0\)") as caught:
        load_weights(convert(net()), path)
    assert len(caught) == 2
    plain = save(net(), tmp_path / f"plain.{ending}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_weights(convert(net()), plain)
        load_weights(convert(net(), window=LearnableWindow()), plain)


def test_the_header_holds_the_windows_and_further_strings(tmp_path):
    model = convert(net())
    save_weights(model, tmp_path / "w.safetensors", {"run": "seven"})
    header = read_header(tmp_path / "w.safetensors")
    assert header["run"] == "seven"
    windows = json.loads(header[HEADER])
    hamming = Window("hamming")
    assert {name: Window.from_json(text) for name, text in windows.items()} == {"0": hamming, "2.0": hamming}


def test_equal_weights_are_equal_files(tmp_path):
    model, extra = convert(net()), {name: f"{name} é" for name in "edcba"}
    files = {
        save_weights(model, tmp_path / f"{i}.safetensors", extra) or (tmp_path / f"{i}.safetensors").read_bytes()
        for i in range(8)
    }
    assert len(files) == 1  # safetensors itself orders the header at random
    load_weights(model, tmp_path / "0.safetensors")
    assert {name: read_header(tmp_path / "0.safetensors")[name] for name in extra} == extra


def test_shared_and_channels_last_weights_are_written(tmp_path):
    model = nn.Sequential(WindowedConv2d(4, 4, 5), WindowedConv2d(4, 4, 5)).to(memory_format=torch.channels_last)
    model[1].weight = model[0].weight
    path = tmp_path / "w.safetensors"
    save_weights(model, path)
    other = nn.Sequential(WindowedConv2d(4, 4, 5), WindowedConv2d(4, 4, 5))
    load_weights(other, path)
    assert torch.equal(other[1].weight, model[1].weight)


def test_other_files_of_safetensors_load(tmp_path):
    model = net()
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    load_weights(convert(net()), tmp_path / "w.safetensors")


@both
def test_keys_and_shapes_that_do_not_fit(tmp_path, ending):
    path = save(nn.Conv2d(3, 4, 5), tmp_path / f"w.{ending}")
    for model in (nn.Conv2d(3, 4, 7), nn.Conv2d(3, 4, 5, bias=False), net()):
        with pytest.raises(InputError, match=f"w.{ending} does not fit the model") as caught:
            load_weights(model, path)
        assert "\n" not in str(caught.value)
    load_weights(nn.Conv2d(3, 4, 5, bias=False), path, strict=False)


PREFIXES = ["module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.", "model.model."]


@both
@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.filterwarnings("error")
def test_names_that_wrappers_add_to_are_understood(tmp_path, ending, prefix):
    holder = nn.Module()
    inner = convert(net(), window="hamming")
    for part in prefix.split(".")[:-2]:
        holder.add_module(part, nn.Module())
    holder.get_submodule(".".join(prefix.split(".")[:-2])).add_module(prefix.split(".")[-2], inner)
    path = save(holder, tmp_path / f"w.{ending}")
    assert all(key.startswith(prefix) for key in holder.state_dict())
    model = convert(net(), window="hamming")
    load_weights(model, path)
    x = torch.rand(1, 3, 9, 9)
    assert torch.equal(model.eval()(x), inner.eval()(x))
    with pytest.warns(WindowWarning, match=r"has the window kaiser\(6.0\), but .* saved with hamming") as caught:
        load_weights(convert(net(), window=("kaiser", 6.0)), path)
    assert len(caught) == 2
    with pytest.raises(InputError, match="layer '0' was saved with the window hamming but has none"):
        load_weights(net(), path)


def test_weights_of_the_wrapped_load_into_a_wrapper(tmp_path):
    wrapper = nn.DataParallel(net())
    compiled: Any = torch.compile(net())
    for name, model in (("plain", net()), ("compiled", compiled)):
        load_weights(wrapper, save(model, tmp_path / f"{name}.pt"))
        for one, two in zip(wrapper.parameters(), model.parameters(), strict=True):
            assert torch.equal(one, two)


def test_an_averaged_models_count_of_updates_is_no_weight(tmp_path):
    model = convert(net(), window="hamming")
    average = AveragedModel(model)
    average.update_parameters(model)
    save_weights(average, tmp_path / "average.safetensors")
    for path in (tmp_path / "average.safetensors", save(average, tmp_path / "average.pt")):
        other = convert(net(), window="hamming")
        load_weights(other, path)
        assert all(torch.equal(one, two) for one, two in zip(other.parameters(), model.parameters(), strict=True))
        again = AveragedModel(other)
        load_weights(again, path)
        assert int(again.n_averaged) == 1
        with pytest.raises(InputError, match="layer '0' was saved with the window hamming but has none"):
            load_weights(net(), path)


def test_weights_without_values_are_not_saved(tmp_path):
    with pytest.raises(
        InputError, match=r"'0.weight' has no values yet, or it is offloaded \(meta device\); allowed: "
    ):
        save_weights(net().to("meta"), tmp_path / "empty.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_layer_on_its_own_and_parts_that_are_compiled(tmp_path):
    layer, other = WindowedConv2d(3, 4, 5), WindowedConv2d(3, 4, 5)
    load_weights(other, save(nn.DataParallel(layer), tmp_path / "layer.pt"))
    assert torch.equal(layer.weight, other.weight)
    model, second = net(), net()
    weight = model.get_parameter("2.0.weight")
    model[2] = torch.compile(model[2])
    load_weights(second, save(model, tmp_path / "part.pt"))
    assert torch.equal(second.get_parameter("2.0.weight"), weight)


def test_names_that_the_model_has_are_left_and_two_for_one_tensor_are_refused(tmp_path):
    model = nn.ModuleDict({"model": nn.Linear(2, 2), "other": nn.Linear(2, 2)})
    load_weights(nn.ModuleDict({"model": nn.Linear(2, 2), "other": nn.Linear(2, 2)}), save(model, tmp_path / "a.pt"))
    state = nn.Linear(2, 2).state_dict()
    torch.save(
        {**{f"module.{k}": v for k, v in state.items()}, **{f"model.{k}": v for k, v in state.items()}},
        tmp_path / "b.pt",
    )
    with pytest.raises(InputError, match="2 tensors are missing, such as 'weight'; 4 are too many"):
        load_weights(nn.Linear(2, 2), tmp_path / "b.pt")


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_the_state_dict_in_a_training_frameworks_file(tmp_path, key):
    model, other = net(), net()
    torch.save({"epoch": 3, key: {f"model.{k}": v for k, v in model.state_dict().items()}}, tmp_path / "w.ckpt")
    load_weights(other, tmp_path / "w.ckpt")
    assert torch.equal(other[0].weight, model[0].weight)


def test_a_file_of_another_model_is_refused_in_a_short_line(tmp_path):
    from torchvision.models import resnet18, resnet50

    path = save(resnet50(), tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"w\.pt does not fit the model: .* are too many, such as 'layer1") as caught:
        load_weights(resnet18(), path)
    assert len(str(caught.value)) < 300


@both
def test_truncated_and_tampered_files(tmp_path, ending):
    path = save(convert(net()), tmp_path / f"w.{ending}")
    whole = path.read_bytes()
    for part in (whole[: len(whole) // 2], b"", b"\x00" * 100, b"text"):
        path.write_bytes(part)
        with pytest.raises(InputError, match=f"w.{ending}") as caught:
            load_weights(convert(net()), path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"0": 3}', '{"0": "{}"}', '{"0": "hamming"}'])
def test_a_damaged_entry_in_the_header(tmp_path, text):
    path = tmp_path / "w.safetensors"
    save_file(net().state_dict(), path, metadata={HEADER: text})
    with pytest.raises(InputError, match="cannot be read"):
        load_weights(convert(net()), path)


@pytest.mark.parametrize("window", [Window("kaiser", (6.0,)), LearnableWindow("kaiser", start=(6.0,))], ids=str)
def test_a_damaged_window_in_the_header_is_refused(window):
    whole = json.loads(window.to_json())
    inner = whole.get("learnable", whole)
    texts = ["[" * 10**5, "3", "[1]", '"x"', "null"]
    for key, held in list(inner.items()):
        for other in (None, "x", -1, 0.5, [], {}, ["x"], [{}]):
            if type(other) is not type(held) or other == ["x"]:
                inner[key] = other
                texts.append(json.dumps(whole))
        inner[key] = held
        del inner[key]
        texts.append(json.dumps(whole))
        inner[key] = held
    for text in texts:
        try:
            found = type(window).from_json(text)
        except InputError as error:
            said = str(error)
        else:
            type(window).from_json(found.to_json())
            continue
        assert "\n" not in said


def test_nothing_is_unpickled_but_tensors(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    torch.save({"weight": Trap()}, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"w\.pt cannot be read safely"):
        load_weights(net(), tmp_path / "w.pt")
    assert not (tmp_path / "sprung").exists()
    torch.save({"model": {}, "epoch": 3}, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"w\.pt is not a state dict"):
        load_weights(net(), tmp_path / "w.pt")
    torch.save([1], tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"w\.pt is not a state dict"):
        load_weights(net(), tmp_path / "w.pt")


def test_names_and_folders(tmp_path):
    with pytest.raises(InputError, match=r"ends in \.safetensors"):
        save_weights(net(), tmp_path / "w.pt")
    with pytest.raises(InputError, match="not found"):
        load_weights(net(), tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="not found"):
        load_weights(net(), tmp_path)
    save_weights(net(), tmp_path / "new" / "w.safetensors")
    with pytest.raises(InputError, match="cannot be written"):
        save_weights(net(), tmp_path / "new" / "w.safetensors" / "below-a-file.safetensors")


def test_a_full_disk_leaves_the_old_file_and_nothing_half_written(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    save_weights(net(), path)
    old = path.read_bytes()

    def full(self, content):
        with open(self, "wb") as file:
            file.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\); free some space"):
        save_weights(net(), path)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_without_safetensors_the_extra_is_named(tmp_path, monkeypatch):
    def missing(module, extra):
        raise InputError(f"this needs {module}: pip install 'windowconv[{extra}]'")

    monkeypatch.setattr(checkpoint, "require", missing)
    with pytest.raises(InputError, match=r"pip install 'windowconv\["):
        save_weights(net(), tmp_path / "w.safetensors")
