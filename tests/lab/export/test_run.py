"""Exported files: they compute what the run's network does, elsewhere, and say what they are."""

import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import resnet18

from windowconv.checkpoint import save_weights
from windowconv.errors import InputError
from windowconv.inspection.subject import IMAGENET
from windowconv.lab.config import RunConfig
from windowconv.lab.data import ImageData, load
from windowconv.lab.export import run as exporting
from windowconv.lab.export.formats import FORMATS, OPSET, OPSETS, quiet
from windowconv.lab.export.run import CHECKED, Agreement, export, export_run, images_for
from windowconv.lab.models.build import PreprocessedNetwork, build, to_header
from windowconv.lab.progress import Progress
from windowconv.lab.runs.folder import Run
from windowconv.lab.training.train import train

Shell = Callable[..., tuple[int, str, str]]
Make = Callable[..., Run]
SUFFIXES = {"onnx": ".onnx", "torch-export": ".pt2", "safetensors": ".safetensors"}


def run_onnx(path: Path, images: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])


def network_of(run: Run, path: Path, images: Tensor) -> Tensor:
    """What an exported file computes, by torch and onnxruntime alone; weights go into layers spelt out here."""
    if path.suffix == ".onnx":
        return run_onnx(path, images)
    if path.suffix == ".pt2":
        return torch.export.load(path).module()(images)
    k = int(run.config.arm[0])
    body = [nn.Conv2d(1, 2, k, 2, k // 2, bias=False), nn.BatchNorm2d(2), nn.ReLU()]
    body += [nn.Conv2d(2, 4, k, 1, k // 2, bias=False), nn.BatchNorm2d(4), nn.ReLU()]
    plain = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 16))
    plain.load_state_dict(load_file(path))
    return plain.eval()(images)


@pytest.mark.parametrize(
    ("format", "arm", "algorithm"),
    [
        ("onnx", "7x7-hamming", "fft"),
        ("torch-export", "7x7-hamming", "fft"),
        ("torch-export", "3x3", "direct"),
        ("safetensors", "7x7-hamming", "fft"),
        ("safetensors", "5x5-learnable-kaiser", "direct"),
        ("safetensors", "3x3", "direct"),
        ("safetensors", "5x5-flex", "direct"),
    ],
)
def test_the_file_computes_what_the_network_does(
    format: str, arm: str, algorithm: str, make_run: Make, shell: Shell
) -> None:
    run = make_run(arm, algorithm=algorithm)
    code, out, err = shell("export --format", format, run.folder)
    assert (code, err) == (0, "")
    path = run.folder / "export" / f"{arm}-seed0{SUFFIXES[format]}"
    assert out.startswith(f"{arm}-seed0 as {format}: the logits of 43 images differ by ")
    assert "and 100.00% have the same top class.\n" in out
    assert out.endswith(f"\nFile: {path} ({path.stat().st_size / 2**20:.2f} MiB)\n")
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    for n in (1, 3, 50):
        images = torch.rand(n, 1, 12, 12)
        with torch.inference_mode():
            torch.testing.assert_close(network_of(run, path, images), run.model()(images), rtol=0, atol=1e-5)


@pytest.fixture
def photos_run(tmp_path: Path, image_folder: Path) -> Callable[..., Run]:
    """`photos_run(**changes)`: a run on the colour images of a folder, normalised."""

    def make(**changes: Any) -> Run:
        options = {"normalize": "imagenet", "epochs": 1, "batch_size": 6, "depth": 2, "width": 2, **changes}
        return train(RunConfig(data="insects", **options), load(image_folder), tmp_path / "photos", Progress())

    return make


@pytest.mark.parametrize("format", list(FORMATS))
def test_a_file_says_what_it_is_and_names_no_folder_of_the_machine(
    format: str, photos_run: Make, tmp_path: Path
) -> None:
    run = photos_run(arm="5x5-hamming")
    path = tmp_path / f"file{SUFFIXES[format]}"
    export(run, format, path, torch.rand(2, 3, 8, 8))
    content = path.read_bytes()
    for private in (str(tmp_path), sys.prefix, str(Path(exporting.__file__).parents[3]), "site-packages", ".py"):
        assert private.encode() not in content
    if format == "onnx":
        check_onnx(path)
        facts = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    elif format == "torch-export":
        extra = {"windowconv.json": ""}
        torch.export.load(path, extra_files=extra)
        facts = json.loads(extra["windowconv.json"])
    else:
        with safe_open(path, "pt") as file:
            facts = file.metadata()
        assert facts.pop("format") == "pt"
    if format != "safetensors":
        images = torch.rand(3, 3, 8, 8)
        with torch.inference_mode():
            torch.testing.assert_close(network_of(run, path, images), run.model()(images), rtol=0, atol=1e-5)
    prepared = json.loads(facts.pop("prepared"))
    assert prepared == {"repeat": 1, "mean": pytest.approx(IMAGENET[0]), "std": pytest.approx(IMAGENET[1])}
    form = "float32 (N, 3, 8, 8) in [0, 1]"
    assert facts == {"run": "photos", "classes": '["ant", "bee"]', "images": form}


def check_onnx(path: Path) -> None:
    """Named ends, batches of any size, standard operators."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    (given,), (result,) = model.graph.input, model.graph.output
    assert (given.name, result.name) == ("images", "logits")
    assert [dim.dim_param or dim.dim_value for dim in given.type.tensor_type.shape.dim] == ["batch", 3, 8, 8]
    assert {entry.domain for entry in model.opset_import} == {""}
    assert {node.op_type for node in model.graph.node} >= {"Conv", "Relu"}


@pytest.mark.parametrize("opset", [None, *OPSETS])
def test_every_opset_runs_in_onnxruntime(opset: int | None, photos_run: Make, tmp_path: Path) -> None:
    run = photos_run(arm="5x5-hamming")
    path, found = export_run(run, "onnx", tmp_path / "a.onnx", str(next(tmp_path.glob("**/val"))), None, opset)
    assert found.holds
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": opset or OPSET}
    check_onnx(path)
    for private in (str(tmp_path), sys.prefix, str(Path(exporting.__file__).parents[3]), "site-packages", ".py"):
        assert private.encode() not in path.read_bytes()
    images = torch.rand(5, 3, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(run_onnx(path, images), run.model()(images), rtol=0, atol=1e-5)


def test_weights_of_a_resnet_load_into_torchvisions(photos_run: Make, image_folder: Path, shell: Shell) -> None:
    run = photos_run(algorithm="direct")
    given = {"arm": "3x3", "classes": 2, "channels": 3, "normalize": "imagenet"}
    network = build("torchvision/resnet18", given)
    save_weights(network, run.folder / "model.safetensors", to_header("torchvision/resnet18", given))
    record = json.loads((run.folder / "run.json").read_text())
    record["numerics"]["algorithm"] = {}  # of the network that was there
    (run.folder / "run.json").write_text(json.dumps(record))
    code, out, err = shell("export --format safetensors", run.folder, "--images", image_folder / "val")
    assert (code, err) == (0, "")
    assert out.startswith("photos as safetensors: the logits of 4 images differ by ")
    theirs = resnet18(num_classes=2).eval()
    theirs.load_state_dict(load_file(run.folder / "export/photos.safetensors"))
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in IMAGENET)
    images = torch.rand(3, 3, 8, 8)
    with torch.inference_mode():
        got, expected = theirs((images - mean) / std), network.eval()(images)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("format", ["torch-export", "safetensors"])
def test_a_file_that_computes_something_else_is_removed(
    format: str, make_run: Make, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, right = make_run("5x5-hamming"), exporting.folded

    def wrong(network: nn.Module) -> nn.Module:
        result = right(network)
        for layer in result.modules():
            if isinstance(layer, nn.Linear):
                layer.bias.data[3] += 1e-3
        return result

    monkeypatch.setattr(exporting, "folded", wrong)
    code, out, err = shell("export --format", format, run.folder)
    assert (code, out) == (2, "")
    assert err.startswith(
        f"windowconv: 5x5-hamming-seed0{SUFFIXES[format]} was removed: its outputs differ from those of"
    )
    assert err.count("\n") == 1
    assert not list((run.folder / "export").iterdir())


def test_what_agrees_is_relative_to_the_largest_logit_and_never_nan() -> None:
    small = Agreement(4, 1e-3, 10.0, 1.0, 1.2e-4)
    assert small.holds
    assert not Agreement(4, 1e-3, 8.0, 1.0, 1.2e-4).holds
    assert not Agreement(4, float("nan"), 10.0, 1.0, 1.2e-4).holds
    assert Agreement(1, 0.0, 0.0, 1.0, 1.2e-4).holds
    expected = torch.tensor([[1.0, -8.0, 0.0], [3.0, 4.0, 0.0]])
    found = exporting._compare(expected, torch.tensor([[1.0, -8.5, 0.0], [4.0, 3.75, 0.0]]))
    assert (found.images, found.difference, found.largest, found.same) == (2, 1.0, 8.0, 0.5)
    assert found.allowed == pytest.approx(1.2e-4, rel=0.01)
    assert str(found) == (
        "the logits of 2 images differ by 1 at most, the largest is 8 (allowed: 1.2e-04 of it), and 50.00% have the "
        "same top class"
    )


def test_it_is_checked_on_the_runs_own_test_images(make_run: Make, tiny: ImageData, shell: Shell) -> None:
    run = make_run(test_images=20)
    images = images_for(run, None, None)
    assert images.shape == (20, 1, 12, 12)
    everything = load("gratings", image_size=12).test.take(20)
    assert torch.equal(images, everything.images.float() / 255)  # pyright: ignore[reportAttributeAccessIssue]
    assert len(images_for(run, "gratings", None)) == CHECKED == 64


def test_a_run_on_a_folder_that_is_not_found_needs_images(
    photos_run: Make, image_folder: Path, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = photos_run()
    own = images_for(run, None, image_folder.parent)
    assert sorted(own.flatten(1).sum(1).tolist()) == pytest.approx(
        sorted(images_for(run, str(image_folder / "val"), None).flatten(1).sum(1).tolist())
    )
    monkeypatch.setenv("WINDOWCONV_DATA", str(tmp_path))
    assert torch.equal(images_for(run, "insects/val", None), images_for(run, str(image_folder / "val"), None))
    monkeypatch.setenv("WINDOWCONV_DATA", str(tmp_path / "nowhere"))
    words = "export --format safetensors"
    for more, expected in (
        ([], "photos was trained on the folder 'insects'; say where it is with --images"),
        (["--images", "none"], "images='none': there is no such folder; allowed: an existing one, or fashion-mnist,"),
        (
            ["--images", "gratings"],
            "images='gratings' has images of (1, 8, 8); allowed: those of the run's shape, (3, 8, ",
        ),
        (["--images", tmp_path / "photos"], "holds no images"),
    ):
        code, out, err = shell(words, run.folder, *more)
        assert (code, out) == (2, "")
        assert err.startswith("windowconv: ")
        assert expected in err
        assert err.count("\n") == 1
    assert not (run.folder / "export").exists()


def test_a_streamed_run_is_checked_on_its_folder_or_shards(
    image_folder: Path, tmp_path: Path, encode: Callable[..., bytes]
) -> None:
    tar = pytest.importorskip("webdataset.writer").TarWriter
    options: dict[str, Any] = {"stream": True, "augment": "none", "image_size": 6, "depth": 2, "width": 2}
    config = RunConfig(data="insects", arm="5x5-hamming", epochs=1, **options)
    run = train(config, load(image_folder, image_size=6, stream=True), tmp_path / "run", Progress())
    found = images_for(run, str(image_folder), None)
    assert found.shape == (10, 3, 6, 6)  # all images below it
    (tmp_path / "shards").mkdir()
    for split in ("train", "val"):
        with tar(str(tmp_path / f"shards/{split}-0.tar"), encoder=False) as writer:
            for i in range(3):
                writer.write({"__key__": f"{i}", "png": encode(i, (9, 7)), "cls": str(i % 2).encode()})
    found = images_for(run, str(tmp_path / "shards"), None)
    assert found.shape == (3, 3, 6, 6)
    assert export(run, "safetensors", tmp_path / "a.safetensors", found).images == 3


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--format onnx --out a.pt2", "out='a.pt2'; allowed for onnx: a name that ends with .onnx"),
        ("--format torch-export --out a", "out='a'; allowed for torch-export: a name that ends with .pt2"),
        ("--format onnx --opset 8", "opset=8 for format='onnx'; allowed: 9 to 25, with format='onnx'"),
        ("--format onnx --opset 26", "opset=26 for format='onnx'; allowed: 9 to 25"),
        ("--format safetensors --opset 18", "opset=18 for format='safetensors'; allowed: 9 to 25, with format='onnx'"),
        ("--format safetensors --out b/a.safetensors", "path='b/a.safetensors' cannot be written"),
        ("--format safetensors --data-root .. --images imagenet", "ImageNet was not found in"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(words: str, expected: str, make_run: Make, shell: Shell) -> None:
    Path("b").write_text("a file")
    code, out, err = shell(f"export {words}", make_run().folder)
    assert (code, out) == (2, "")
    assert err.startswith(f"windowconv: {expected}")
    assert err.count("\n") == 1


def test_other_folders_and_formats_are_refused(make_run: Make, shell: Shell, tmp_path: Path) -> None:
    code, _, err = shell("export --format onnx", tmp_path)
    assert (code, err.count("is not a run folder")) == (2, 1)
    code, _, err = shell("export --format onxx", tmp_path)
    assert code == 2
    run = make_run()
    run.weights.unlink()
    code, _, err = shell("export --format onnx", run.folder)
    assert (code, err) == (2, "windowconv: 3x3-seed0 has no weights (its status is 'finished'); train it to the end\n")


def test_what_is_not_installed_is_named_before_any_work(
    make_run: Make, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(exporting, "export", lambda *_: pytest.fail("it began"))
    code, _, err = shell("export --format onnx", run.folder)
    assert (code, err) == (2, "windowconv: this needs onnxruntime: pip install 'windowconv[export]'\n")


class Asking(nn.Module):
    """Looks at its images' values, which no exporter can follow."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) if images.sum() > 0 else images.flatten(1) + 1


def test_a_network_that_torch_cannot_export_is_said_so_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"^torch cannot export this PreprocessedNetwork: [^\n]+$"):
        FORMATS["onnx"].write(PreprocessedNetwork(Asking().eval()).eval(), torch.rand(2, 1, 4, 4), {}, 20)
    assert capfd.readouterr().err == ""


def test_onnx_refuses_what_protobuf_cannot_hold() -> None:
    with torch.device("meta"):
        network = nn.Linear(2**15, 2**14)
    with pytest.raises(InputError, match=r"^format='onnx' holds 2 GiB at most, the weights take 2\.00; allow"):
        FORMATS["onnx"].write(network, torch.rand(2, 1), {}, 20)


def test_only_the_exporters_own_warnings_are_silenced() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with quiet():
            warnings.warn_explicit("internal", FutureWarning, "x.py", 1, module="torch.onnx._internal.exporter")
            warnings.warn_explicit("internal", DeprecationWarning, "x.py", 2, module="onnxscript")
            warnings.warn_explicit("the user's", UserWarning, "x.py", 3, module="torchlike.network")
    assert [str(warning.message) for warning in seen] == ["the user's"]


def test_a_file_that_stood_there_is_replaced(make_run: Make, tmp_path: Path) -> None:
    run, path = make_run(), tmp_path / "a.safetensors"
    path.write_text("old")
    export(run, "safetensors", path, torch.rand(2, 1, 12, 12))
    assert load_file(path).keys() == run.model().state_dict().keys()
    shutil.rmtree(run.folder)


def test_the_commands_options_are_there_without_torch() -> None:
    names = "windowconv.lab.commands.export, windowconv.lab.commands.finetune"
    script = f"import sys, {names}; print('torch' in sys.modules or 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
