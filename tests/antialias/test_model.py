"""A model that blurs before it subsamples: same keys and shapes, and each layer is what it says."""

import copy
import io
import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from windowconv import convert, fold
from windowconv.antialias import BlurPool2d, antialias, plan_antialias, undo_antialias
from windowconv.errors import InputError


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 7, stride=2, padding=3),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(6, 8, 3, stride=2, padding=1),
        nn.Conv2d(8, 4, 1, stride=2),
    ).eval()


X = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_each_layer_computes_at_stride_1_and_blurs() -> None:
    model = network()
    found = antialias(model)
    blur, x = BlurPool2d(), X
    for layer in model:
        dense: Any = copy.deepcopy(layer)
        if hasattr(dense, "stride"):
            dense.stride = 1 if isinstance(layer, nn.MaxPool2d) else (1, 1)
            x = blur(dense(x))
        else:
            x = dense(x)
    torch.testing.assert_close(found(X), x)
    assert found(X).shape == model(X).shape


def test_keys_and_the_model_given_stay() -> None:
    model = network()
    before = model(X)
    found = antialias(model)
    assert list(found.state_dict()) == list(model.state_dict())
    found.load_state_dict(model.state_dict())
    assert torch.equal(model(X), before)
    assert torch.equal(undo_antialias(found)(X), before)
    assert not torch.equal(found(X), before)
    other = antialias(model, inplace=True)
    assert other is model
    assert torch.equal(undo_antialias(model, inplace=True)(X), before)
    assert "antialias_stride" not in vars(model[0])


def test_copies_and_pickles_blur_by_themselves() -> None:
    found = antialias(network())
    file = io.BytesIO()
    torch.save(found, file)
    file.seek(0)
    for other in (copy.deepcopy(found), torch.load(file, weights_only=False)):
        undo_antialias(found, inplace=False)
        assert torch.equal(other(X), found(X))
        assert torch.equal(undo_antialias(other)(X), network()(X))


@given(
    size=st.integers(1, 5),
    stride=st.integers(1, 3),
    side=st.integers(7, 12),
    data=st.data(),
    kind=st.sampled_from("cma"),
)
@settings(max_examples=60)
def test_shapes_stay(size: int, stride: int, side: int, data: st.DataObject, kind: str) -> None:
    padding = data.draw(st.integers(0, size // 2))
    dilation = data.draw(st.integers(1, 2)) if kind != "a" else 1
    if kind == "c":
        layer: nn.Module = nn.Conv2d(1, 1, size, (stride, 2), padding, dilation)
    elif kind == "m":
        layer = nn.MaxPool2d(size, (stride, 2), padding, dilation)
    else:
        layer = nn.AvgPool2d(size, (stride, 2), padding)
    x = torch.rand(1, 1, side, side)
    if dilation * (size - 1) + 1 > side + 2 * padding:
        return
    found = antialias(nn.Sequential(layer), padding_mode="replicate", include="0")
    assert found(x).shape == layer(x).shape


def test_the_plan() -> None:
    plan = plan_antialias(network(), X)
    assert [(p.name, p.before, p.convolves) for p in plan.places] == [
        ("0", False, True), ("2", False, False), ("3", False, True), ("4", True, True)
    ]  # fmt: skip
    assert plan.macs is not None
    assert plan.macs[1] > 2 * plan.macs[0]
    text = str(plan)
    assert "stride 1, then a blur of 3 taps" in text
    assert "4 times" in text
    assert "of the whole model" in text
    kept = plan_antialias(network(), stem="pool").places
    assert [p.does for p in kept][:2] == ["left: the stem, as asked", "stride 1, then a blur of 3 taps"]
    assert not isinstance(antialias(network(), stem="pool")[0]._modules.get("antialias"), BlurPool2d)


def test_choices() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 4, stride=4), nn.MaxPool2d(2, ceil_mode=True), nn.MaxPool2d(2))
    reasons = [place.reason for place in plan_antialias(model).places]
    assert reasons == ["non-overlapping patches", "ceil_mode, whose last output has no samples of its own", ""]
    assert plan_antialias(model, include="0").places[0].changes
    assert plan_antialias(model, include="0").places[0].taps == 7
    assert [place.name for place in plan_antialias(model, exclude=["0", "1"]).places] == ["2"]
    twice = plan_antialias(antialias(network(), exclude="4")).places  # a blurred layer has stride 1
    assert [place.name for place in twice if place.changes] == ["4"]


@pytest.mark.parametrize("convolution", [nn.Conv1d, nn.Conv3d])
def test_other_numbers_of_axes(convolution: Any) -> None:
    axes = 1 if convolution is nn.Conv1d else 3
    model = nn.Sequential(convolution(2, 3, 3, stride=2, padding=1))
    x = torch.rand(1, 2, *[8] * axes)
    assert antialias(model)(x).shape == model(x).shape


def test_windowed_layers_blur_too_and_fold() -> None:
    windowed = convert(network(), kernel_size={3: 5}, include="3")
    found = antialias(windowed)
    assert found(X).shape == windowed(X).shape
    torch.testing.assert_close(fold(found)(X), found(X), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        convert(antialias(network()), kernel_size=9, include="3", preserve=True)(X), antialias(network())(X),
        atol=1e-4, rtol=1e-3,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (nn.Sequential(nn.Conv2d(1, 1, 3)), {}, "none has a stride above 1"),
        (nn.Sequential(nn.Conv2d(3, 4, 4, stride=4)), {}, "non-overlapping patches"),
        (network(), {"stem": "none"}, "stem='none'; allowed: 'all', 'pool'"),
        (network(), {"include": "7"}, "include='7'"),
        (network(), {"taps": 0}, "taps=0"),
        (network(), {"window": "haming"}, "did you mean 'hamming'"),
    ],
)
def test_what_cannot_be_done_is_refused(model: nn.Module, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        antialias(model, **options)


def test_undo_needs_a_blurred_model() -> None:
    with pytest.raises(InputError, match="allowed: a model with layers that antialias changed"):
        undo_antialias(network())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch.jit is deprecated
        traced = torch.jit.trace(network(), X)
    with pytest.raises(InputError, match="scripted or traced"):
        antialias(traced)
