"""Ten and more families of networks: grown shapes, `preserve`, fold, and ONNX of the folded model.

`pytest tests/test_families.py -m "" -rA` lists for each how many convolutions are windowed, left and skipped.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from tolerances import assert_close
from windowconv.conversion import convert
from windowconv.errors import InputError
from windowconv.folding import fold
from windowconv.kernel_geometry import KernelSize
from windowconv.plan import plan_conversion
from windowconv.windowed import WindowedMixin

pytestmark = pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")


class UNet(nn.Module):
    """Two levels down and up again, with skip connections and both usual ways of going up."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([self.block(1, 8), self.block(8, 16), self.block(16, 32)])
        self.up = nn.ModuleList(
            [nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1), nn.ConvTranspose2d(16, 8, 2, stride=2)]
        )
        self.join = nn.ModuleList([self.block(32, 16), self.block(16, 8)])
        self.head = nn.Conv2d(8, 2, 1)

    @staticmethod
    def block(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for i, block in enumerate(self.down):
            x = block(nn.functional.max_pool2d(x, 2) if i else x)
            skips.append(x)
        skips.pop()
        for up, join in zip(self.up, self.join, strict=True):
            x = join(torch.cat([up(x), skips.pop()], 1))
        return self.head(x)


def sequence_network() -> nn.Module:
    """A 1-D network with strides, dilation and string padding."""
    return nn.Sequential(
        nn.Conv1d(2, 8, 7, stride=2, padding=3),
        nn.ReLU(),
        nn.Conv1d(8, 8, 3, padding="same", dilation=2),
        nn.ReLU(),
        nn.Conv1d(8, 16, 3, groups=2),
        nn.ReLU(),
        nn.Conv1d(16, 16, 1),
        nn.ConvTranspose1d(16, 4, 5, stride=2, padding=2, output_padding=1),
    )


def vgg_features() -> nn.Module:
    """VGG11-bn without its linear layers, a gigabyte that has nothing to convert."""
    return torchvision.models.vgg11_bn().features


@dataclass(frozen=True)
class Family:
    """A network, its input's shape, how its kernels grow, and its convolutions: windowed, left, skipped."""

    name: str
    make: Callable[[], Any]
    input: tuple[int, ...]
    counts: tuple[int, int, int]
    kernel_size: KernelSize = 7


def grow_by_two(name: str, layer: Any) -> list[int]:
    return [k + 2 if k > 1 else k for k in layer.kernel_size]


def vision(name: str, side: int, counts: tuple[int, int, int], kernel_size: KernelSize = 7, **options: Any) -> Family:
    def make() -> nn.Module:
        return torchvision.models.get_model(name, num_classes=10, **options)

    return Family(name, make, (1, 3, side, side), counts, kernel_size)


def image(name: str, side: int, counts: tuple[int, int, int], kernel_size: KernelSize = 7, **options: Any) -> Family:
    def make() -> nn.Module:
        return timm.create_model(name, num_classes=10, **options)

    return Family(f"timm-{name}", make, (1, 3, side, side), counts, kernel_size)


SMALL = [
    vision("resnet18", 32, (17, 3, 0), {3: 7, 7: 9}),
    Family("unet", UNet, (2, 1, 16, 20), (6, 2, 0), grow_by_two),
    Family("1d", sequence_network, (2, 2, 40), (4, 1, 0), 9),
]
FULL = [
    Family("vgg11_bn", vgg_features, (1, 3, 32, 32), (8, 0, 0), 7),
    vision("densenet121", 32, (59, 61, 0)),
    vision("efficientnet_b0", 32, (17, 64, 0)),
    vision("convnext_tiny", 32, (18, 4, 0), 9),
    vision("regnet_y_400mf", 32, (17, 68, 0)),
    vision("mobilenet_v3_small", 32, (12, 40, 0)),
    vision("shufflenet_v2_x0_5", 32, (20, 36, 0)),
    Family(
        "r3d_18",
        lambda: torchvision.models.get_model("r3d_18", num_classes=10),
        (1, 3, 4, 32, 32),
        (17, 3, 0),
        {3: 5, 7: 9},
    ),
    Family(
        "r2plus1d_18",
        lambda: torchvision.models.get_model("r2plus1d_18", num_classes=10),
        (1, 3, 4, 32, 32),
        (34, 3, 0),
        {3: 5, 7: 9},
    ),
    Family(
        "fcn_resnet50",
        lambda: torchvision.models.get_model("fcn_resnet50", weights_backbone=None, num_classes=3),
        (1, 3, 32, 32),
        (18, 37, 0),
        {3: 5, 7: 9},
    ),
    image("resnetv2_50", 32, (17, 37, 0)),
    image("tf_efficientnet_b0", 32, (12, 64, 5)),
    image("mobileone_s0", 32, (85, 106, 0)),
    image("repvgg_a0", 32, (22, 22, 0)),
    image("xception41", 64, (41, 43, 0)),
    image("inception_v3", 96, (54, 40, 0), 9),
    image("convmixer_768_32", 32, (32, 33, 0), 9),
    image("hrnet_w18_small", 64, (65, 26, 0), {3: 5}),
]
FAMILIES = [*SMALL, *(pytest.param(family, marks=pytest.mark.slow) for family in FULL)]
families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def made(family: Family, dtype: torch.dtype = torch.float32) -> Any:
    """The network with random weights, whose normalisations are not all the identity."""
    torch.manual_seed(0)
    model = family.make()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_var is not None:
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.eval().to(dtype)


def tensors(output: Any) -> list[Tensor]:
    """A model's outputs, whatever it gives."""
    if isinstance(output, dict):
        output = tuple(output.values())
    return list(output) if isinstance(output, list | tuple) else [output]


def shapes(model: nn.Module, x: Tensor) -> dict[str, list[tuple[int, ...]]]:
    """Each module's output shapes by name."""
    found: dict[str, list[tuple[int, ...]]] = {}
    hooks = [
        module.register_forward_hook(
            lambda module, inputs, output, name=name: found.setdefault(name, []).extend(
                tuple(t.shape) for t in tensors(output) if isinstance(t, Tensor)
            )
        )
        for name, module in model.named_modules()
    ]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return found


def example(family: Family, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(family.input, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


@families
def test_growth_keeps_every_shape_and_preserve_the_function(family: Family):
    model = made(family, torch.float64)
    plan = plan_conversion(model, kernel_size=family.kernel_size)
    actions = Counter(layer.action for layer in plan.layers)
    counts = actions["window"], actions["leave"], actions["skip"]
    grown = sum(layer.size != layer.old_size for layer in plan.layers)
    print(f"{family.name}: {counts[0]} windowed ({grown} grown), {counts[1]} left, {counts[2]} skipped")
    assert counts == family.counts
    assert grown > 0

    x = example(family, torch.float64)
    with torch.no_grad():
        expected = tensors(model(x))
    before = shapes(model, x)
    kept = convert(model, kernel_size=family.kernel_size, preserve=True)
    assert shapes(kept, x) == before
    with torch.no_grad():
        assert_close(tensors(kept(x)), expected, scale=1e3)  # rounding, through all the layers

    folded = fold(kept)
    assert {n: type(m) for n, m in folded.named_modules()} == {n: type(m) for n, m in model.named_modules()}
    assert list(folded.state_dict()) == list(model.state_dict())
    with torch.no_grad():
        assert_close(tensors(folded(x)), tensors(kept(x)), scale=10)


@pytest.mark.slow
def test_families_with_nothing_to_convert_say_why():
    with pytest.raises(InputError, match=r"model=SwinTransformer; allowed: .*non-overlapping patches"):
        convert(torchvision.models.swin_t())
    with pytest.raises(InputError, match=r"model=ResNetV2; allowed: .*StdConv2d"):
        convert(timm.create_model("resnetv2_50x1_bit"))


@families
def test_fold_gives_back_classes_keys_and_shapes_where_nothing_grew(family: Family):
    model = made(family)
    converted = convert(model)
    folded = fold(converted)
    assert not any(isinstance(m, WindowedMixin) for m in folded.modules())
    assert [(n, type(m)) for n, m in folded.named_modules()] == [(n, type(m)) for n, m in model.named_modules()]
    assert {k: v.shape for k, v in folded.state_dict().items()} == {k: v.shape for k, v in model.state_dict().items()}
    assert repr(folded) == repr(model)
    x = example(family)
    with torch.no_grad():
        assert_close(tensors(folded(x)), tensors(converted(x)))


@families
def test_onnx_of_the_folded_model(family: Family, tmp_path: Path):
    import onnxruntime

    converted = convert(made(family), kernel_size=family.kernel_size)
    folded = fold(converted)
    x = example(family)
    path = tmp_path / "model.onnx"
    torch.onnx.export(folded, (x,), str(path), dynamo=True, verbose=False, external_data=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    got: list[Any] = list(session.run(None, {session.get_inputs()[0].name: x.numpy()}))
    with torch.no_grad():
        expected = tensors(converted(x))
    assert_close([torch.from_numpy(np.asarray(y)) for y in got], expected, scale=50)
