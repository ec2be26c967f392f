"""Fine-tuning: it starts from what the pretrained network computes, and leaves an ordinary run."""

import hashlib
import re
import shlex
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import tyro
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.models import resnet18

from windowconv.conversion import convert
from windowconv.errors import InputError
from windowconv.inspection.subject import IMAGENET
from windowconv.lab.commands.finetune import REQUIRED, Finetune
from windowconv.lab.config import FinetuneTraining, RunConfig, Training
from windowconv.lab.data import load
from windowconv.lab.models.build import build
from windowconv.lab.models.matching import network_spec
from windowconv.lab.models.replicas import Alone
from windowconv.lab.runs.folder import Run
from windowconv.lab.training import finetune as tuning
from windowconv.lab.training.finetune import channel_repeats, check_preserved, starting_network
from windowconv.lab.training.loop import Loop
from windowconv.lab.training.optimizer import make_optimizer
from windowconv.lab.training.original import Original, find_head, load_original, read_weights
from windowconv.windowed import WindowedMixin

# 7x7 of a stem grown to 9x9 is amplified, and says so
pytestmark = pytest.mark.filterwarnings("ignore:preserve=True amplifies:windowconv.errors.WindowWarning")

Shell = Callable[..., tuple[int, str, str]]
WIDTHS = [8, 16, 32, 64]
WORDS = "finetune --model resnet18 --width 8 --image-size 32 --epochs 1 --batch-size 4 --threads 1 --workers 0"


@pytest.fixture(autouse=True)
def _no_leakage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its measurement takes most of a small run's time, and has tests of its own."""
    monkeypatch.setattr(Loop, "_log_leakage", lambda *_: None)


def trained_like(network: nn.Module) -> nn.Module:
    """The network as training might leave it: no statistics of batch norm are 0 or 1."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


def small(classes: int) -> nn.Module:
    return trained_like(build("resnet18", {"arm": "3x3", "classes": classes, "channels": 3, "widths": WIDTHS}))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Of the small network, with 2 classes, as `image_folder` has."""
    torch.save(small(2).state_dict(), tmp_path / "small.pth")
    return tmp_path / "small.pth"


def normalised(images: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in IMAGENET)
    return (images - mean) / std


def test_a_network_whose_classes_are_the_datas_starts_where_it_was(
    shell: Shell, weights: Path, image_folder: Path, tmp_path: Path
) -> None:
    out_folder = tmp_path / "run"
    code, out, err = shell(WORDS, "--weights", weights, "--data", image_folder, "--lr", "0", "--out", out_folder)
    assert code == 0
    plain = small(2)
    plain.load_state_dict(torch.load(weights))
    test = load(image_folder, image_size=32).test
    with torch.inference_mode():
        right = int((plain(normalised(test.images / 255)).argmax(1) == test.labels).sum())  # pyright: ignore[reportAttributeAccessIssue]
    lines = out.splitlines()
    assert lines[0] == "resnet18 from small.pth has 2 classes, as the data have: its last layer (fc) is kept"
    assert lines[1].startswith("7x7-hamming computes the same: outputs on 6 training images differ by ")
    assert float(lines[1].split(" differ by ")[1].split()[0]) < 1e-5
    assert lines[2] == f"test accuracy before fine-tuning {right / 4:.2%} ({right} of 4)"
    assert lines[3].startswith("test accuracy ")
    assert "epoch 1/1" in err

    run = Run.open(out_folder)
    config = run.config
    assert (config.network, config.arm, config.preserve) == ("resnet18", "7x7-hamming", True)
    assert config.start == hashlib.sha256(weights.read_bytes()).hexdigest()[:16]
    model = run.model()
    assert sum(isinstance(module, WindowedMixin) for module in model.modules()) >= 17
    for name, value in plain.named_parameters():  # a learning rate of 0 leaves them, but for batch norm's buffers
        own = model.get_submodule(f"network.{name.rpartition('.')[0]}")
        got = own.effective_weight if isinstance(own, WindowedMixin) else own.get_parameter(name.rpartition(".")[2])
        if value.ndim == 4 and value.shape != got.shape:
            edge = (got.shape[-1] - value.shape[-1]) // 2
            outside = got.detach().clone()
            outside[..., edge:-edge, edge:-edge] = 0
            assert outside.abs().max() == 0
            got = got[..., edge:-edge, edge:-edge]
        torch.testing.assert_close(got, value, rtol=1e-5, atol=1e-7, msg=lambda m, n=name: f"{n}: {m}")


def test_another_number_of_classes_gets_a_fresh_last_layer_by_the_seed(
    shell: Shell, image_folder: Path, tmp_path: Path
) -> None:
    network = small(5)
    save_file(network.state_dict(), tmp_path / "five.safetensors")
    heads = []
    for seed in (0, 0, 1):
        out_folder = tmp_path / f"run{len(heads)}"
        more = ["--weights", tmp_path / "five.safetensors", "--data", image_folder, "--seed", seed, "--out", out_folder]
        code, out, _ = shell(f"{WORDS} --arm 5x5-hamming --lr 0", *more)
        assert code == 0
        first, second, third = out.splitlines()
        assert first == "resnet18 from five.safetensors has 5 classes, the data have 2: its last layer (fc) is new"
        assert second.startswith("5x5-hamming computes the same: outputs on 6 ")
        assert third.startswith("test accuracy ")
        state = load_file(out_folder / "model.safetensors")
        assert torch.equal(state["network.bn1.weight"], network.state_dict()["bn1.weight"])
        heads.append(state["network.fc.weight"])
    assert heads[0].shape == (2, 64)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_it_learns_from_there_and_its_command_says_how(
    shell: Shell, weights: Path, image_folder: Path, tmp_path: Path
) -> None:
    more = ["--weights", weights, "--data", image_folder, "--out", tmp_path / "run"]
    code, out, err = shell(f"{WORDS} --no-preserve --normalize none --epochs 2 --seed 3", *more)
    assert code == 0
    assert "computes the same" not in out
    run = Run.open(tmp_path / "run")
    assert run.record["command"] == (
        "windowconv finetune --model resnet18 --weights FILE --width 8 --image-size 32 --normalize none --epochs 2 "
        "--batch-size 4 --data insects --arm 7x7-hamming --seed 3 --no-preserve"
    )
    state, before = run.model().state_dict(), torch.load(weights)
    assert state["layer1.0.conv1.weight"].shape == (8, 8, 7, 7)
    assert not torch.equal(state["fc.weight"], before["fc.weight"])
    assert torch.allclose(state["fc.weight"], before["fc.weight"], atol=0.1)
    grown, old = state["layer4.1.conv2.weight"], before["layer4.1.conv2.weight"]
    assert float(grown.std()) == pytest.approx(float(old.std()) * 3 / 7, rel=0.1)  # drawn anew at the old scale
    code, _, err = shell(f"{WORDS} --no-preserve --normalize none --epochs 2 --seed 3", *more)
    assert (code, "holds this run, finished before: nothing was trained" in err) == (0, True)
    code, _, err = shell(WORDS, *more)
    assert code == 2
    assert "holds a finished run of other settings or images; choose another --out" in err


def test_a_run_that_was_cut_goes_on(
    shell: Shell, weights: Path, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = f"{WORDS} --epochs 3 --checkpoint-minutes 0 --weights"
    assert shell(words, weights, "--data", image_folder, "--out", tmp_path / "whole")[0] == 0
    end_epoch = Loop._end_epoch

    def cut(loop: Loop) -> None:
        if loop.epoch == 2:
            raise KeyboardInterrupt
        end_epoch(loop)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_end_epoch", cut)
        assert shell(words, weights, "--data", image_folder, "--out", tmp_path / "cut")[0] == 130
    code, out, _ = shell(words, weights, "--data", image_folder, "--out", tmp_path / "cut")
    assert code == 0
    assert "before fine-tuning" not in out
    whole, resumed = (Run.open(tmp_path / name) for name in ("whole", "cut"))
    assert len(resumed.record["resumed"]) == 1
    state = load_file(whole.weights)
    assert all(torch.equal(value, state[key]) for key, value in load_file(resumed.weights).items())
    other = tmp_path / "other.pth"
    torch.save(small(2).state_dict(), other)
    (tmp_path / "cut/run.json").write_text((tmp_path / "cut/run.json").read_text().replace("finished", "stopped"))
    code, _, err = shell(words, other, "--data", image_folder, "--out", tmp_path / "cut")
    assert code == 2
    assert "holds an unfinished run with other settings or data" in err


def opened(
    name: str, network: nn.Module, arm: str, channels: int = 3, normalize: Any = "imagenet"
) -> tuple[Original, Any]:
    """A network as `finetune` opens it, and what a run of 3 classes makes of it."""
    training = RunConfig(network=name, normalize=normalize, arm=arm)
    spec = network_spec(training, arm, 0, 3, (channels, 32, 32))
    state = dict(network.state_dict())
    return load_original(training, channels * channel_repeats(spec), find_head(training), state, "x.pth"), spec


def test_torchvisions_resnet_computes_the_same_in_the_arm() -> None:
    network = trained_like(resnet18(num_classes=3))
    original, spec = opened("torchvision/resnet18", network, "7x7-hamming")
    assert (original.head, original.classes) == ("fc", 3)
    images = torch.rand(4, 3, 32, 32)
    start = starting_network(original, spec, preserve=True).eval()
    assert [key for key, _ in start.named_parameters()] == [f"network.{key}" for key, _ in network.named_parameters()]
    assert start.get_submodule("network.conv1").kernel_size == (9, 9)
    with torch.inference_mode():
        expected = network(normalised(images))
        torch.testing.assert_close(start(images), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    assert check_preserved(original, spec, images).startswith("7x7-hamming computes the same: outputs on 4 ")


@pytest.mark.parametrize("arm", ["3x3", "5x5", "5x5-hamming-energy", "5x5-learnable-cosine", "5x5-hamming-radial"])
@pytest.mark.parametrize(("channels", "normalize"), [(1, "none"), (3, "imagenet")])
def test_timms_networks_and_grey_images_go_as_well(arm: str, channels: int, normalize: str) -> None:
    timm = pytest.importorskip("timm")
    network = trained_like(timm.create_model("test_resnet", num_classes=3))
    original, spec = opened("timm/test_resnet", network, arm, channels, normalize)
    images = torch.rand(2, channels, 32, 32)
    start = starting_network(original, spec, preserve=True).eval()
    given = normalised(images) if normalize == "imagenet" else images.expand(-1, 3, -1, -1)
    with torch.inference_mode():
        expected = network(given)
        torch.testing.assert_close(start(images), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    seen: list[Tensor] = []
    original.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    assert "computes the same" in check_preserved(original, spec, images)
    assert len(seen) == 2  # the converted copy has the hook too
    assert all(torch.equal(images, given) for images in seen)


def test_the_laboratorys_networks_take_grey_images_as_colour_ones_where_they_normalise() -> None:
    given = {"arm": "3x3", "classes": 3, "channels": 3, "widths": [16, 32, 64, 128]}
    network = trained_like(build("resnet18", given))
    original, spec = opened("resnet18", network, "5x5-hamming", 1)
    images = torch.rand(2, 1, 32, 32)
    start = starting_network(original, spec, preserve=True).eval()
    with torch.inference_mode():
        expected = network(normalised(images.expand(-1, 3, -1, -1)))
        torch.testing.assert_close(start(images), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_controls_go_without_preserve() -> None:
    training = RunConfig(network="resnet18", width=8, arm="5x5-shuffled", seed=2)
    original = load_original(training, 3, "fc", dict(small(2).state_dict()), "x.pth")
    spec = network_spec(training, training.arm, training.seed, 2, (3, 32, 32))
    layer = starting_network(original, spec, preserve=False).get_submodule("layer1.0.conv1")
    built = build(spec.builder, spec.arguments).get_submodule("layer1.0.conv1")
    assert isinstance(layer, WindowedMixin)
    assert isinstance(built, WindowedMixin)
    assert layer.window == built.window


@pytest.mark.parametrize("factor", [1.5, float("nan")])
def test_a_conversion_that_changes_the_function_is_refused_before_anything_is_written(
    factor: float, shell: Shell, weights: Path, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = tuning.convert_to_arm

    def wrong(network: nn.Module, *rest: Any) -> nn.Module:
        result = right(network, *rest)
        result.get_parameter("layer1.0.conv2.weight").data.mul_(factor)
        return result

    monkeypatch.setattr(tuning, "convert_to_arm", wrong)
    code, out, err = shell(WORDS, "--weights", weights, "--data", image_folder, "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert "windowconv: arm='7x7-hamming' did not keep the function: outputs on 6 training images differ by" in err
    assert "(allowed: 0.001); pass --no-preserve" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--weights none.pth", "weights='none.pth' cannot be used: path='none.pth' not found"),
        ("--weights text.pth", "weights='text.pth' cannot be used: text.pth cannot be read safely"),
        (
            "--weights text.safetensors",
            "weights='text.safetensors' cannot be used: text.safetensors cannot be read as safetensors",
        ),
        (
            "--weights other.pth",
            "weights='other.pth' are not those of model='resnet18' before any conversion: they have no",
        ),
        (
            "--width 16",
            "weights='small.pth' are not those of model='resnet18' before any conversion: 101 have other shapes, ",
        ),
        (
            "--model vgg11-bn",
            "weights='small.pth' are not those of model='vgg11-bn' before any conversion: they have no ",
        ),
        ("--model resnet18-cifar", "'conv1.weight' with (8, 3, 7, 7), not (8, 3, 3, 3)"),
        (
            "--model torchvision/resnet34",
            "before any conversion: 80 tensors are missing, such as 'layer1.2.conv1.weight'; ",
        ),
        (
            "--model torchvision/resnet81",
            "did you mean 'torchvision/resnet18'?",
        ),
        (
            "--model resnet",
            "model='resnet'; allowed: torchvision/NAME, timm/NAME, small, resnet18, resnet18-cifar, vgg",
        ),
        ("--model small", "weights='small.pth' are not those of model='small' before any conversion: "),
        ("--model torchvision/squeezenet1_0", "model='torchvision/squeezenet1_0' has 0 linear layers that classify"),
        (
            "--arm 7x7-shuffled",
            "arm='7x7-shuffled': the control -shuffled keeps no function; pass --no-preserve with it",
        ),
        ("--arm 7x7-hamming-init", "the control -init keeps no function; pass --no-preserve with it"),
        ("--arm 7x7-hamming-rates", "the control -rates keeps no function; pass --no-preserve with it"),
        ("--arm 7x7-hamming-params", "arm='7x7-hamming-params': -params changes a network's widths"),
        (
            "--arm 7x7-hann",
            "arm='7x7-hann' cannot keep the function: layer 'conv1': preserve=True with a window that is zero at",
        ),
        (
            "--arm 7x7-learnable-gaussian:0.2",
            "arm='7x7-learnable-gaussian:0.2' cannot keep the function: layer 'conv1': ",
        ),
        ("--arm 1x1", "arm='1x1'; allowed: square kernels of odd size from 3 to 1023"),
        ("--arm 7x7-haming", "did you mean 'hamming'?"),
        (
            "--data cifar10",
            "data='cifar10' is held in memory; pass --no-stream and --augment flip-crop or none with it",
        ),
        ("--data none", "data='none'; allowed"),
        ("--lr nan", "lr=nan; allowed: a finite number"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    words: str, expected: str, shell: Shell, weights: Path, image_folder: Path
) -> None:
    for name in ("text.pth", "text.safetensors"):
        Path(name).write_text("no weights")
    torch.save({"a": torch.zeros(2)}, "other.pth")
    Path("small.pth").write_bytes(weights.read_bytes())
    code, out, err = shell(f"{WORDS} --weights small.pth --data {image_folder} --out run {words}")
    assert (code, out) == (2, "")
    assert err.startswith("windowconv: ")
    assert expected in err
    assert err.count("\n") == 1
    assert not Path("run").exists()


def test_what_is_needed_is_asked_for(shell: Shell) -> None:
    code, _, err = shell("finetune --recipe imagenet-resnet18-small")
    assert code == 2
    assert "--model" in err
    assert "--weights" in err
    assert "--data" not in err  # the recipe's


def test_converted_weights_are_refused_with_what_to_pass_instead(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    path = make_run("5x5-hamming").weights
    message = "cannot be used: model.safetensors: layer '0' was saved with the window hamming, but finetune converts a "
    message += "network itself; pass weights from before any conversion"
    with pytest.raises(InputError, match=re.escape(message) + "$"):
        read_weights(path)
    other = convert(small(2), window="hamming", kernel_size={3: 7, 7: 9})
    torch.save(other.state_dict(), tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth: layer 'conv1' was saved with the window hamming, but finetune"):
        read_weights(tmp_path / "other.pth")
    torch.save(convert(small(2), window=None).state_dict(), tmp_path / "other.pth")
    assert read_weights(tmp_path / "other.pth")[0].keys() == small(2).state_dict().keys()


def test_weights_of_a_wrapped_network_are_understood() -> None:
    network = small(2)
    state = nn.DataParallel(network).state_dict()
    found = load_original(Training(network="resnet18", width=8), 3, "fc", state, "x.pth")
    for one, two in zip(found.network.parameters(), network.parameters(), strict=True):
        assert torch.equal(one, two)


def test_batch_counters_may_be_missing_as_in_old_files() -> None:
    state = {key: value for key, value in small(2).state_dict().items() if "num_batches" not in key}
    training = Training(network="resnet18", width=8)
    assert load_original(training, 3, "fc", state, "x.pth").classes == 2
    state.pop("bn1.running_mean")
    state["more"] = torch.zeros(1)
    message = (
        r"before any conversion: 1 tensors are missing, such as 'bn1\.running_mean'; 1 are too many, such as 'more'$"
    )
    with pytest.raises(InputError, match=message):
        load_original(training, 3, "fc", state, "x.pth")


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"network": "timm/test_resnet", "lr": 0.05, "preserve": False, "arm": "7x7-kaiser:8.6", "seed": 3},
        {"stream": False, "augment": "flip-crop", "image_size": None, "schedule": "steps", "epochs": 4, "width": 16},
    ],
)
def test_the_command_makes_the_run_again(config: dict[str, Any]) -> None:
    base: dict[str, Any] = {**asdict(FinetuneTraining(network="resnet18")), "start": "0123456789abcdef"}
    run = RunConfig(**{**base, "data": "my photos", "arm": "7x7-hamming", "preserve": True, **config})
    words = shlex.split(run.command)
    assert words[:2] == ["windowconv", "finetune"]
    again = tyro.cli(Finetune, args=words[2:])
    assert again.weights == Path("FILE")
    assert (again.data, again.arm, again.seed, again.preserve) == (run.data, run.arm, run.seed, run.preserve)
    assert RunConfig(**{**asdict(run), **asdict(again.training)}) == run


def test_the_laboratorys_own_small_network_is_fine_tuned_by_the_command_that_a_study_records(
    shell: Shell, image_folder: Path, tmp_path: Path
) -> None:
    size = "--depth 2 --width 4 --image-size 8 --epochs 1 --batch-size 4 --threads 1"
    code, _, _ = shell(f"train {size}", "--data", image_folder, "--out", tmp_path / "plain")
    assert code == 0
    digest = hashlib.sha256((tmp_path / "plain/model.safetensors").read_bytes()).hexdigest()[:16]
    trained = Run.open(tmp_path / "plain").config
    wanted = replace(trained, arm="5x5-hamming", start=digest, preserve=True, epochs=2)
    words = wanted.command.replace("FILE", str(tmp_path / "plain/model.safetensors"))
    words = words.replace(f"--data {wanted.data}", f"--data {image_folder}").removeprefix("windowconv ")
    code, out, _ = shell(f"{words} --threads 1", "--out", tmp_path / "tuned")
    assert code == 0
    assert "5x5-hamming computes the same" in out
    assert Run.open(tmp_path / "tuned").record["config_hash"] == wanted.config_hash


def test_train_has_none_of_finetunes_options_in_its_command() -> None:
    assert RunConfig().command == "windowconv train --data fashion-mnist --arm 3x3 --seed 0"
    searched = RunConfig(purpose="search", val_fraction=0.1)
    assert searched.command == "windowconv train --val-fraction 0.1 --data fashion-mnist --arm 3x3 --seed 0"


def test_a_recipe_gives_all_but_the_network() -> None:
    found = Finetune.defaults(["--recipe", "imagenet-resnet18-small"])
    assert found is not None
    given = found.training
    assert (given.image_size, given.epochs, given.crop_area, found.data) == (64, 12, (0.1, 1.0), "imagenet")
    assert (given.network, given.width, given.depth, given.match, found.preserve) == (REQUIRED, 64, 4, "none", True)


def test_converted_layers_do_not_decay_by_default() -> None:
    torch.manual_seed(0)
    network = build("resnet18-cifar", {"arm": "7x7-hamming", "classes": 4, "channels": 3, "widths": (16, 16, 16, 16)})
    replicas = Alone(network)
    for settings, decaying in ((FinetuneTraining(), False), (FinetuneTraining(decay="all"), True)):
        groups = make_optimizer(replicas, settings).param_groups
        decays = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
        assert sum(map(len, (group["params"] for group in groups))) == len(list(network.parameters()))
        assert bool(decays[id(network.get_submodule("layer1.0.conv1").weight)]) == decaying
        assert decays[id(network.get_submodule("fc").weight)] == settings.weight_decay
