"""`windowconv inspect`, as it is typed."""

import json

import pytest
import torch

from windowconv.cli import main


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a user's own networks and images."""
    from PIL import Image

    (tmp_path / "cli_networks.py").write_text(
        "import torch\n"
        "from torch import nn\n"
        "def net(k=5):\n"
        "    torch.manual_seed(0)\n"
        "    layers = [nn.Conv2d(3, 4, k, stride=2, padding=k // 2), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1)]\n"
        "    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))\n"
        "def other(): return net(7)\n"
        "class Two(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 4, 5)\n"
        "    def forward(self, x, y): return self.conv(x + y)\n"
        "class Picky(Two):\n"
        "    def forward(self, x): return self.conv({}[x.ndim])\n"
        "def none(): return nn.Linear(2, 2)\n"
        "def sound(): return nn.Sequential(nn.Conv1d(1, 4, 41, stride=4), nn.ReLU(), nn.Conv1d(4, 4, 9))\n"
        "def ill():\n"
        "    made = net()\n"
        "    made[2].weight.data.fill_(float('nan'))\n"
        "    return made\n"
    )
    (tmp_path / "pictures" / "more").mkdir(parents=True)
    for i in range(5):
        noise = torch.randint(0, 256, (20, 24, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(i))
        Image.fromarray(noise.numpy()).save(tmp_path / "pictures" / ("more" if i % 2 else ".") / f"{i}.png")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_page_json_and_summary(here, capsys):
    assert main(["inspect", "cli_networks:net", "--out", "found"]) == 0
    said = capsys.readouterr().out
    assert "2 convolutions with kernels of more than one tap" in said
    assert "model = windowconv.convert(model, window='hamming', kernel_size={3: 7, 5: 7}, preserve=True" in said
    record = json.loads((here / "found" / "inspection.json").read_text())
    assert record["schema_version"] == 1
    assert [row["layer"] for row in record["layers"]] == ["0", "2"]
    assert "aliasing" not in record
    page = (here / "found" / "report.html").read_text()
    assert "Layer by layer" in page
    assert "On images" not in page
    assert "http" not in page.replace("http://www.w3.org", "")  # nothing is fetched


def test_against_with_images(here, capsys):
    arguments = ["cli_networks:net", "--against", "cli_networks:other", "--images", "pictures", "--size", "16"]
    assert main(["inspect", *arguments, "--heat-map", "--receptive-field", "--count", "4", "--out", "found"]) == 0
    record = json.loads((here / "found" / "inspection.json").read_text())
    assert record["images"] == 4
    assert record["aliasing"]["layers"][0]["name"] == "0"
    assert record["against"]["layers"][0]["kernel"] == [7, 7]
    assert len(record["changed"]["error"]) == 16
    page = (here / "found" / "report.html").read_text()
    assert "Comparison" in page
    assert str(here) not in page + (here / "found" / "inspection.json").read_text()


def test_a_network_of_sound_is_shown_in_hz(here, capsys):
    assert main(["inspect", "cli_networks:sound", "--rate", "16000", "--out", "found"]) == 0
    assert "more than 1/4 cycles/sample from its peaks" in capsys.readouterr().out
    page = (here / "found" / "report.html").read_text()
    assert "16,000 Hz: frequencies of the first layer are in Hz" in page
    assert "its frequency response" in page
    assert 'class="explorer"' not in page
    assert "cycles/pixel" not in page
    assert json.loads((here / "found" / "inspection.json").read_text())["rate"] == 16_000


def test_arguments_of_both_networks(here):
    arguments = ["cli_networks:net", "--model-args", "k=9", "--against", "cli_networks:net", "--against-args", "k=3"]
    assert main(["inspect", *arguments, "--out", "found"]) == 0
    record = json.loads((here / "found" / "inspection.json").read_text())
    assert record["layers"][0]["kernel"] == [9, 9]
    assert record["against"]["layers"][0]["kernel"] == [3, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "model='nowhere'; allowed: a run folder"),
        (["cli_networks:none"], "without convolutions"),
        (["cli_networks:ill"], "layer '2': weight has 144 NaN"),
        (["cli_networks:net", "--images", "absent"], "images='absent'; allowed: a folder"),
        (["cli_networks:net", "--images", "empty", "--size", "16"], "holds no images"),
        (["cli_networks:Two", "--images", "pictures", "--size", "16"], "Two cannot be called with images alone.*'y'"),
        (["cli_networks:Two", "--receptive-field"], "Two cannot be called with images alone.*'y'"),
        (["cli_networks:Picky", "--receptive-field"], "allowed: a shape that the model accepts .*4"),
        (["cli_networks:net", "--model-args", "k"], "model-args='k'; allowed: NAME=VALUE"),
        (["cli_networks:net", "--against-args", "k=5"], "against-args='k=5'; allowed: only together with --against"),
        (["cli_networks:net", "--heat-map"], "--images"),
        (["cli_networks:sound", "--images", "pictures"], "images=pictures; allowed: .* 2 axes; .* has those of 1"),
        (["cli_networks:sound", "--receptive-field"], "receptive-field=True; allowed: .* 2 axes"),
        (["cli_networks:net", "--rate", "8000"], "rate=8000; allowed: only for kernels of one axis"),
        (["cli_networks:net", "--count", "0"], "count=0"),
        (["cli_networks:net", "--size", "0"], "size=0"),
        (["cli_networks:net", "--mean", "0.5"], "mean"),
        (["cli_networks:net", "--against-weights", "w.pt"], "--against"),
        (["cli_networks:net", "--device", "nowhere"], "device='nowhere'"),
        (["cli_networks:net", "--images", "pictures", "--size", "1"], "too small|1x1|size"),
    ],
)
@pytest.mark.usefixtures("here")
def test_bad_input_is_one_line(arguments, message, capsys):
    import re

    assert main(["inspect", *arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert re.search(message, lines[0]), lines[0]


def test_a_run_folder(here, tmp_path, capsys):
    from windowconv.lab.config import RunConfig
    from windowconv.lab.data import gratings
    from windowconv.lab.progress import show_progress
    from windowconv.lab.training.train import train

    data = gratings(64, 16)
    config = RunConfig(data="gratings", arm="7x7-hamming", seed=0, epochs=1, width=4, depth=2)
    with show_progress([1.0]) as progress:
        train(config, data, tmp_path / "run", progress)
    capsys.readouterr()
    assert main(["inspect", "run", "--images", "gratings", "--count", "8"]) == 0
    said = capsys.readouterr().out
    assert "The weights are the run's last." in said
    assert "hamming" in said
    assert (here / "inspect" / "run" / "report.html").is_file()
