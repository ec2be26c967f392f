"""One pass through a model, which is left as it was."""

import pytest
import torch
from torch import nn

from windowconv.hooks import visit_calls


def test_each_call_is_seen_and_the_model_stays_as_it_was():
    model = nn.Sequential(nn.Linear(2, 3), nn.Dropout(), nn.Linear(3, 1))
    model[1].eval()
    modes = [module.training for module in model.modules()]
    seen = []
    visit_calls(
        model, {"0": model[0], "2": model[2]}, [torch.rand(4, 2)], lambda n, m, x: seen.append((n, tuple(x.shape)))
    )
    assert seen == [("0", (4, 2)), ("2", (4, 3))]
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_after_an_error_too():
    model = nn.Sequential(nn.Linear(2, 3)).train()
    with pytest.raises(RuntimeError):
        visit_calls(model, {"0": model[0]}, [torch.rand(4, 5)], lambda *_: None)
    assert model[0].training
    assert not model[0]._forward_pre_hooks
