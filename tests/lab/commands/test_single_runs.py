"""The subcommands on runs of gratings and of real images, through the command line."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from windowconv.lab.data import ImageData, in_memory, load
from windowconv.lab.runs.folder import Run

SMALL = "--train-images 70 --test-images 43 --epochs 1 --width 2 --depth 2"
Shell = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(shell: Shell, tmp_path: Path) -> Path:
    assert shell(f"train --data gratings --image-size 12 --arm 5x5-hamming {SMALL} --out", tmp_path / "run")[0] == 0
    return tmp_path / "run"


def save_images(data: ImageData, folder: Path, n: int) -> list[Path]:
    folder.mkdir()
    for i in range(n):
        pixels = in_memory(data.test).images[i].permute(1, 2, 0).squeeze(-1).numpy()
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return [folder / f"{i}.png" for i in range(n)]


def test_train_says_where_the_run_is_and_by_default_puts_it_below_runs(shell: Shell) -> None:
    code, out, err = shell(f"train --data gratings --image-size 12 {SMALL} --seed 4 --threads 1")
    assert code == 0
    folder = Path("runs/3x3-seed4")
    figures = Run.open(folder).evaluation()["figures"]
    assert f"({figures['correct']} of 43). Run: {folder.resolve()}" in out
    assert err.startswith("[1/1] 3x3-seed4: epoch 1/1, loss ")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, again, err = shell(f"train --data gratings --image-size 12 {SMALL} --seed 4 --threads 1")
    assert (code, again, err) == (0, out, f"{folder} holds this run, finished before: nothing was trained\n")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    code, _, err = shell(f"train --data gratings --image-size 12 {SMALL} --seed 4 --lr 0.01 --out {folder}")
    assert code == 2
    assert "holds a finished run of other settings or images; choose another --out, or remove that folder" in err


@pytest.mark.filterwarnings("always::windowconv.errors.WindowWarning")
def test_compare_prints_the_table_and_where_the_report_is(shell: Shell, tmp_path: Path) -> None:
    words = f"compare --data gratings --image-size 12 {SMALL} --arms 3x3 5x5-hann --seeds 1 --out"
    code, out, err = shell(words, tmp_path / "study")
    assert code == 0
    assert re.search(r"^2 runs, trained for \d+ s; this took \d+ s in all\. Report: ", out, re.MULTILINE)
    assert f"Report: {tmp_path / 'study/report.html'}\n" in out
    assert "minus 3x3" in out
    assert err.count("windowconv: warning: 0, 3: window hann is zero at 16 of 25 taps") == 1
    code, out, err = shell(words, tmp_path / "study")
    assert code == 0
    assert "2 of 2 runs finished before, reused" in err
    (tmp_path / "study/report.html").unlink()
    code, out, _ = shell("report", tmp_path / "study")
    assert (code, out) == (0, f"Report: {tmp_path / 'study/report.html'}\n")
    assert (tmp_path / "study/report.html").is_file()


def test_evaluate_measures_the_runs_own_test_images_again(shell: Shell, run: Path) -> None:
    before = Run.open(run).evaluation(), load_file(run / "evaluations/test.safetensors")
    shutil.rmtree(run / "evaluations")
    code, out, err = shell("evaluate", run)
    assert (code, err) == (0, "")
    figures = before[0]["figures"]
    assert f"run on gratings: accuracy {figures['accuracy']:.2%} ({figures['correct']} of 43)" in out
    assert Run.open(run).evaluation() == before[0]
    assert torch.equal(load_file(run / "evaluations/test.safetensors")["predictions"], before[1]["predictions"])


def test_evaluate_on_other_images_has_another_name(shell: Shell, run: Path) -> None:
    code, out, _ = shell("evaluate --data gratings", run)  # all 2,000, not the run's 43
    assert code == 0
    assert "of 2,000" in out or "of 2000" in out
    assert Run.open(run).evaluation("gratings-test")["figures"]["n"] == 2000
    assert Run.open(run).evaluation()["figures"]["n"] == 43


def test_evaluate_refuses_images_that_changed(shell: Shell, run: Path) -> None:
    record = run / "run.json"
    record.write_text(record.read_text().replace(Run.open(run).record["data"]["test_hash"], "0" * 64))
    code, _, err = shell("evaluate", run)
    assert code == 2
    assert "differ from those of the run" in err
    assert "pass --data gratings" in err


def test_evaluate_asks_where_a_folder_is(shell: Shell, image_folder: Path, tmp_path: Path) -> None:
    out_folder = tmp_path / "bees"
    words = "train --epochs 1 --width 2 --depth 2 --data"
    assert shell(words, image_folder, "--out", out_folder)[0] == 0
    assert str(tmp_path) not in (out_folder / "run.json").read_text()
    code, _, err = shell("evaluate", out_folder)
    assert code == 2
    assert err == "windowconv: bees was trained on the folder 'insects'; say where it is with --data\n"
    code, out, _ = shell("evaluate", out_folder, "--data", image_folder)
    assert code == 0
    assert "of 4)" in out


def test_predict_says_what_the_network_says(shell: Shell, run: Path, tmp_path: Path) -> None:
    data = load("gratings", image_size=12)
    paths = save_images(data, tmp_path / "images", 3)
    code, out, err = shell("predict --top 2", run, *paths)
    assert (code, err) == (0, "")
    with torch.inference_mode():
        shares = Run.open(run).model()(in_memory(data.test).images[:3].float() / 255).softmax(1)
    expected = []
    for i, row in enumerate(shares):
        top = row.topk(2)
        named = [f"{data.classes[j]} {v:.1%}" for v, j in zip(top.values.tolist(), top.indices.tolist(), strict=True)]
        expected.append(f"{i}.png: {', '.join(named)}")
    assert out.splitlines() == expected


def test_predict_brings_other_images_to_the_runs_form(shell: Shell, run: Path, tmp_path: Path) -> None:
    grey = Image.effect_noise((40, 30), 60)
    grey.save(tmp_path / "grey.png")
    grey.convert("RGB").save(tmp_path / "rgb.png")
    code, out, _ = shell("predict --top 99", run, tmp_path / "grey.png", tmp_path / "rgb.png")
    first, second = out.splitlines()
    assert code == 0
    assert first.removeprefix("grey") == second.removeprefix("rgb")
    assert first.count("%") == 16


def test_predict_refuses_what_it_cannot_read(shell: Shell, run: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    good = save_images(load("gratings", image_size=12), tmp_path / "images", 1)[0]
    for words, more, expected in (
        ("predict", [], "predict takes one image file at least"),
        ("predict", [tmp_path / "none.png"], "none.png"),
        ("predict", [tmp_path], "is not a file"),
        ("predict", [good, tmp_path / "broken.png"], "broken.png: the image can't be decoded"),
        ("predict --top 0", [good], "top=0; allowed: 1 or more"),
    ):
        code, out, err = shell(words, run, *more)
        assert (code, out) == (2, "")
        assert expected in err
        assert len(err.splitlines()) == 1


def test_images_of_an_oblong_run_are_not_resized(shell: Shell, tmp_path: Path, encode: Callable[..., bytes]) -> None:
    for split in ("train", "val"):
        for class_name in "ab":
            folder = tmp_path / "oblong" / split / class_name
            folder.mkdir(parents=True)
            (folder / "1.png").write_bytes(encode(1, size=(10, 8)))
    out = tmp_path / "run"
    assert shell("train --epochs 1 --width 2 --depth 2 --data", tmp_path / "oblong", "--out", out)[0] == 0
    assert shell("predict", out, tmp_path / "oblong/val/a/1.png")[0] == 0
    (tmp_path / "other.png").write_bytes(encode(1, size=(10, 10)))
    code, _, err = shell("predict", out, tmp_path / "oblong/val/a/1.png", tmp_path / "other.png")
    assert code == 2
    assert "other.png" in err
    assert "bring it to 10x8" in err


def test_an_image_folder_with_a_broken_image_stops_before_the_training(
    shell: Shell, image_folder: Path, tmp_path: Path
) -> None:
    (image_folder / "val/ant/1.png").write_bytes(b"no image")
    code, _, err = shell("compare --data", image_folder, "--out", tmp_path / "study")
    assert code == 2
    assert "val/ant/1.png: the image can't be decoded" in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "study").exists()


@pytest.mark.filterwarnings("always::windowconv.errors.WindowWarning")
def test_broken_images_are_left_out_if_asked(shell: Shell, image_folder: Path, tmp_path: Path) -> None:
    (image_folder / "train" / "ant" / "2.png").write_bytes(b"not an image")
    words = f"train --data {image_folder} --epochs 1 --width 2 --depth 2 --batch-size 2 --bad-images skip --out"
    code, _, err = shell(words, tmp_path / "run")
    assert code == 0
    assert "windowconv: warning: 1 of 10 images cannot be decoded and are left out: train/ant/2.png\n" in err
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["data"]["left_out"] == ["train/ant/2.png"]
    assert shell("evaluate --data-root", image_folder.parent, "--data", image_folder, tmp_path / "run")[0] == 0


def test_images_of_another_size_are_refused(shell: Shell, image_folder: Path, tmp_path: Path,
                                            encode: Callable[..., bytes]) -> None:  # fmt: skip
    (image_folder / "val/ant/1.png").write_bytes(encode(1, size=(9, 8)))
    code, _, err = shell("compare --data", image_folder, "--out", tmp_path / "study")
    assert code == 2
    assert "is 9x8 where the first image is 8x8: pass --image-size" in err


FASHION = f"compare --arms 3x3 7x7-hamming --seeds 1 {SMALL} --data fashion-mnist"


def test_a_comparison_on_fashion_mnist(shell: Shell, data_root: Path, tmp_path: Path) -> None:
    code, out, _ = shell(FASHION, "--data-root", data_root, "--out", tmp_path / "study")
    assert code == 0
    assert "on fashion-mnist" in out
    record = json.loads((tmp_path / "study/study.json").read_text())
    assert record["data"]["image_size"] == [28, 28]
    image = save_images(load("fashion-mnist", data_root), tmp_path / "images", 1)[0]
    code, out, _ = shell("predict", tmp_path / "study/3x3-seed0", image)
    assert code == 0
    assert sum(name in out for name in record["data"]["classes"]) == 3


def test_a_truncated_file_is_named_with_its_checksum(shell: Shell, data_root: Path, tmp_path: Path) -> None:
    source = next(p for p in data_root.rglob("FashionMNIST/raw") if p.is_dir())
    raw = tmp_path / "root/FashionMNIST/raw"
    shutil.copytree(source, raw)
    packed = raw / "t10k-images-idx3-ubyte.gz"
    packed.chmod(0o644)
    packed.write_bytes(packed.read_bytes()[:-1000])
    code, _, err = shell(FASHION, "--data-root", tmp_path / "root", "--out", tmp_path / "study")
    assert code == 2
    assert "t10k-images-idx3-ubyte.gz: has MD5" in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "study").exists()


def test_data_that_are_nowhere_are_missed_quickly(shell: Shell, tmp_path: Path) -> None:
    code, _, err = shell(FASHION, "--data-root", tmp_path / "none", "--out", tmp_path / "study")
    assert code == 2
    first, second = err.splitlines()
    assert "downloading it into" in first
    assert second.startswith("windowconv: Fashion-MNIST was not found in")
    assert "put the four official .gz files into" in second
    assert not (tmp_path / "study").exists()
