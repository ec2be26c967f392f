"""Windowed layers within a model of transformers."""

from pathlib import Path
from typing import Any

import pytest
import torch

from plain_networks import WINDOWS, Network, images, plain_network
from tolerances import assert_close
from windowconv.learnable import LearnableWindowModule

transformers = pytest.importorskip("transformers")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")]


class Config(transformers.PretrainedConfig):
    """The settings of `Model`."""

    model_type = "windowed"

    def __init__(self, window: str = "hamming", **options: Any) -> None:
        self.window = window
        super().__init__(**options)


class Model(transformers.PreTrainedModel):
    """A user's model that holds windowed layers."""

    config_class = Config
    base_model_prefix = "network"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.network = Network(WINDOWS[config.window])
        self.post_init()

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return self.network(input)


class Initialised(Model):
    """The same, with an initialisation of learnable windows."""

    def _init_weights(self, module: torch.nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, LearnableWindowModule):
            module.reset_parameters()


@pytest.mark.compatibility("transformers", "PreTrainedModel: save_pretrained, from_pretrained, in float32 and bfloat16")
@pytest.mark.parametrize("options", [{}, {"device_map": "cpu"}], ids=["plain", "device_map"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("window", WINDOWS)
def test_a_model_saved_and_loaded_computes_the_same(window, dtype, options, tmp_path: Path):
    model = Model(Config(window)).to(dtype)
    model.save_pretrained(tmp_path)
    loaded, info = Model.from_pretrained(tmp_path, dtype=dtype, output_loading_info=True, **options)
    assert not any(info.values())
    input = images().to(dtype)
    assert loaded.dtype == dtype
    assert torch.equal(loaded(input), model(input))
    assert_close(loaded(input), plain_network(model)(input), scale=4)
    loaded(input).sum().backward()
    assert all(p.grad is not None for p in loaded.parameters())


@pytest.mark.compatibility("transformers", "the same file in another dtype (dtype=torch.bfloat16)")
@pytest.mark.parametrize("window", WINDOWS)
def test_a_model_loaded_in_another_dtype(window, tmp_path: Path):
    model = Model(Config(window))
    model.save_pretrained(tmp_path)
    loaded = Model.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert_close(loaded(images().bfloat16()).float(), plain_network(model)(images()), torch.bfloat16, scale=8)


@pytest.mark.compatibility(
    "transformers",
    "learnable windows from a checkpoint without them",
    note="`_init_weights` must call `reset_parameters()` of each `LearnableWindowModule`, as for all that is your own",
)
def test_init_weights_starts_learnable_windows(tmp_path: Path):
    model = Initialised(Config("learnable"))
    model.save_pretrained(tmp_path, state_dict={k: v for k, v in model.state_dict().items() if "learnable" not in k})
    loaded, info = Initialised.from_pretrained(tmp_path, output_loading_info=True)
    assert info["missing_keys"] == {f"network.{name}.learnable_window.raw" for name in ("stem", "conv")}
    for layer in (loaded.network.stem, loaded.network.conv):
        start = layer.learnable_window.start_raw()
        assert_close(layer.learnable_window.raw, start.float())


@pytest.mark.compatibility("transformers", "_init_weights", note="as for torch's layers: the raw weight is drawn")
def test_init_weights_draws_the_raw_weight():
    model = Model(Config())
    torch.manual_seed(0)
    model.init_weights()
    assert float(model.network.stem.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
    assert_close(model(images()), plain_network(model)(images()), scale=4)
