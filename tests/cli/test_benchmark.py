"""`windowconv benchmark`, as it is typed."""

import json

import pytest
import torch

from windowconv.cli import main


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a user's own networks."""
    (tmp_path / "timed_networks.py").write_text(
        "from torch import nn\n"
        "class Two(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 4, 5, padding=2)\n"
        "        self.more = nn.Linear(2, 4)\n"
        "    def forward(self, x, y): return self.conv(x).mean((2, 3)) + self.more(y)\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_network_of_two_inputs_by_shapes_and_by_tensors(here, capsys):
    torch.save([torch.rand(3, 3, 8, 8), torch.rand(3, 2)], here / "given.pt")
    for words, batch in (["--input-shape", "3x8x8", "2", "--batch", "2"], 2), (["--inputs", "given.pt"], 3):
        assert main(["benchmark", "timed_networks:Two", "--seconds", "0.01", "--out", "found", *words]) == 0
        said = capsys.readouterr()
        assert "Training: " in said.out
        assert "Inference: " in said.out
        assert "training: choosing algorithms" in said.err
        record = json.loads((here / "found" / "benchmark.json").read_text())
        assert record["inputs"] == [[batch, 3, 8, 8], [batch, 2]]
        page = (here / "found" / "report.html").read_text()
        assert record["phases"][1]["verdict"] in page.replace("&#39;", "'")
        assert str(here) not in page + json.dumps(record)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "does not say what it takes; pass --input-shape"),
        (["--input-shape", "3x8x8"], "Two cannot be called with inputs of 8x3x8x8"),
        (["--input-shape", "3x8xa"], "input-shape='3x8xa'; allowed: a shape without the batch"),
        (["--input-shape", "0x8"], "input-shape='0x8'; allowed"),
        (["--inputs", "none.pt"], "inputs='none.pt' cannot be read: No such file"),
        (["--inputs", "timed_networks.py"], "inputs='timed_networks.py'; allowed: a file of torch.save"),
        (["--inputs", "x.pt", "--input-shape", "3"], "allowed: one of both"),
        (["--batch", "0"], "batch=0; allowed: 1 or more"),
        (["--seconds", "0", "--input-shape", "3x8x8", "2"], "seconds=0; allowed"),
        (["--device", "cpu:7"], "device='cpu:7'; allowed: cpu"),
    ],
)
@pytest.mark.usefixtures("here")
def test_bad_input_is_one_line(words, message, capsys):
    assert main(["benchmark", "timed_networks:Two", *words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]


def test_inspect_runs_a_network_of_two_inputs(here, capsys):
    words = ["--receptive-field", "--input-shape", "3x16x16", "2", "--out", "found", "--device", "auto"]
    assert main(["inspect", "timed_networks:Two", *words]) == 0
    record = json.loads((here / "found" / "inspection.json").read_text())
    assert record["field"]["layer"] == "conv"
    assert main(["inspect", "timed_networks:Two", "--input-shape", "3x16x8", "2"]) == 2
    assert "allowed: channels and equal sides" in capsys.readouterr().err
