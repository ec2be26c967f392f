"""Run folders that cannot be used are refused in one line that names the thing."""

import errno
import json
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from windowconv.errors import InputError
from windowconv.lab.config import RunConfig
from windowconv.lab.data import ImageData
from windowconv.lab.models.matching import network_spec
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import read_json, write_json
from windowconv.lab.runs.writer import RunWriter, recording, run_record

Make = Callable[..., Run]


def refused(call: Callable[[], object], *words: str) -> str:
    """The message of the `InputError`, which is one line and holds these words."""
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


def change(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_json(tmp_path / "new/a.json", {"x": [1, None, "é"]})
    assert read_json(tmp_path / "new/a.json") == {"schema_version": 1, "x": [1, None, "é"]}
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.json"]


def test_nan_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    refused(lambda: Run.open(tmp_path), repr(str(tmp_path)), "not a run folder", "run.json")
    refused(lambda: Run.open(tmp_path / "none"), "not a run folder")
    (tmp_path / "file").touch()
    refused(lambda: Run.open(tmp_path / "file"), "not a run folder")


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_schema_version_is_refused(version: object, make_run: Make) -> None:
    run = make_run()
    change(run.folder / "run.json", schema_version=version)
    refused(lambda: Run.open(run.folder), f"schema version {version!r}", "reads 1", "use the version that wrote it")


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", '{"name": 1}', "\xff"])
def test_damaged_json_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text, encoding="latin-1")
    refused(lambda: Run.open(tmp_path), str(tmp_path / "run.json"), "damaged", "again")


@pytest.mark.parametrize("key", ["status", "config", "config_hash", "data"])
def test_a_record_without_its_fields_is_refused(key: str, make_run: Make) -> None:
    run = make_run()
    change(run.folder / "run.json", **{key: None})
    refused(lambda: Run.open(run.folder), "damaged", repr(key), "again")


@pytest.mark.parametrize("config", [{"milestones": None}, {"milestones": [0.5], "more": 1}])
def test_another_versions_config_is_refused(config: dict[str, Any], make_run: Make) -> None:
    run = make_run()
    change(run.folder / "run.json", config=config)
    refused(lambda: Run.open(run.folder).config, "3x3-seed0", "config")


def test_a_config_out_of_range_is_refused(make_run: Make) -> None:
    run = make_run()
    change(run.folder / "run.json", config={**run.record["config"], "epochs": 0})
    refused(lambda: Run.open(run.folder).config, "3x3-seed0", "epochs=0")


def test_missing_weights_are_refused(make_run: Make) -> None:
    run = make_run()
    run.weights.unlink()
    refused(run.model, "3x3-seed0 has no weights", "'finished'")


@pytest.mark.parametrize("keep", [0, 4, 100, -40])
def test_truncated_weights_are_refused(keep: int, make_run: Make) -> None:
    run = make_run("5x5-hamming")
    whole = run.weights.read_bytes()
    run.weights.write_bytes(whole[:keep])
    refused(run.model, "model.safetensors", "damaged?")


def test_tampered_headers_are_refused(make_run: Make) -> None:
    run = make_run("5x5-hamming")
    state = load_file(run.weights)
    with safe_open(run.weights, "pt") as file:
        header = file.metadata()
    builder = json.loads(header["builder"])

    def with_header(**changes: str) -> Callable[[], object]:
        save_file(state, run.weights, {**header, **changes})
        return run.model

    refused(with_header(builder="x"), "header names")
    plain = {**builder, "arguments": {**builder["arguments"], "arm": "5x5"}}
    refused(with_header(builder=json.dumps(plain)), "saved with the window", "convert the model first")
    wider = {**builder, "arguments": {**builder["arguments"], "widths": [3, 6]}}
    refused(with_header(builder=json.dumps(wider)), "model.safetensors does not fit the model")
    refused(with_header(windowconv="["), "header")
    assert isinstance(with_header()(), torch.nn.Module)


@pytest.mark.parametrize("text", ["{", "3\n", '{"step": 1}\n', '{"kind": "final"'])
def test_damaged_metrics_are_refused(text: str, make_run: Make) -> None:
    run = make_run()
    (run.folder / "metrics.jsonl").write_text(text)
    refused(run.final, "3x3-seed0: metrics.jsonl is damaged", "again")


def test_a_run_without_its_end_has_no_final_figures(make_run: Make) -> None:
    run = make_run()
    (run.folder / "metrics.jsonl").write_text('{"kind": "step"}\n')
    refused(run.final, "3x3-seed0 was not trained to the end")
    (run.folder / "metrics.jsonl").unlink()
    refused(run.final, "metrics.jsonl cannot be read")


def test_a_missing_evaluation_is_refused_by_name(make_run: Make) -> None:
    refused(lambda: make_run().evaluation("fgsm"), "fgsm.json", "No such file")


def record_of(data: ImageData) -> dict[str, Any]:
    config = RunConfig(data="gratings")
    spec = network_spec(config, config.arm, 0, len(data.classes), (data.channels, *data.image_size))
    return run_record("run", config, data, spec, torch.device("cpu"), {"0": "direct"})


def test_a_full_disk_while_logging_is_one_line(tiny: ImageData, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    writer = RunWriter(tmp_path / "run", record_of(tiny))
    writer._log._path = Path("/dev/full")
    refused(lambda: writer.log("step", step=1), "run: metrics.jsonl cannot be written", os.strerror(errno.ENOSPC))


def full_for(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """From now on, the disk is full half-way through a file whose name holds `word`."""
    write = Path.write_bytes

    def write_bytes(self: Path, data: bytes) -> int:
        if word in self.name:
            write(self, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)


@pytest.mark.parametrize("word", ["model.safetensors", "test.safetensors", "test.json", "metrics.jsonl"])
def test_a_full_disk_while_saving_fails_the_run_and_leaves_no_half_file(
    word: str, make_run: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_for(monkeypatch, word)
    refused(make_run, word, os.strerror(errno.ENOSPC))
    folder = tmp_path / "3x3-seed0"
    assert not [p for p in folder.rglob("*") if p.is_file() and (word in p.name or p.name.endswith(".part"))]
    if word != "metrics.jsonl":
        record = Run.open(folder).record
        assert record["status"] == "failed"
        assert os.strerror(errno.ENOSPC) in record["reason"]
        assert str(tmp_path) not in record["reason"]  # a record names no machine's folders


def test_a_full_disk_from_the_start_leaves_nothing(
    make_run: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_for(monkeypatch, "")
    refused(make_run, "run.json", os.strerror(errno.ENOSPC))
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (None, "finished", None),
        (KeyboardInterrupt(), "stopped", "interrupted"),
        (RuntimeError("a\n  b"), "failed", "a b"),
        (MemoryError(), "failed", "MemoryError"),
    ],
)
def test_recording_marks_how_a_run_ended(
    error: BaseException | None, status: str, reason: str | None, tiny: ImageData, tmp_path: Path
) -> None:
    with pytest.raises(type(error)) if error else nullcontext(), recording(tmp_path, record_of(tiny)) as writer:
        assert Run.open(tmp_path).record["status"] == "running"
        writer.log("step", step=1)
        if error:
            raise error
    record = Run.open(tmp_path).record
    assert (record["status"], record["reason"]) == (status, reason)


def test_no_command_goes_on_with_a_number_that_is_none(make_run: Make, tmp_path: Path, shell: Any) -> None:
    run = make_run()
    with safe_open(run.weights, "pt") as file:
        metadata = file.metadata()
    tensors = load_file(run.weights)
    name = next(name for name in reversed(tensors) if name.endswith("running_mean"))  # in no kernel
    tensors[name][0] = float("nan")
    save_file(tensors, run.weights, metadata)
    Image.new("L", (12, 12)).save(image := tmp_path / "image.png")
    for words in (f"predict {run.folder} {image}", f"evaluate {run.folder}", f"inspect {run.folder}"):
        wanted = f"{run.folder.name}: layer {name.removesuffix('.running_mean')!r}: running_mean has 1 NaN"
        code, out, err = shell(words)
        assert (code, out) == (2, "")
        assert err == f"windowconv: {wanted} or infinite values; allowed: finite numbers\n"
