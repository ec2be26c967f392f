"""What documents of earlier versions import from old modules is what the new ones have."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

import windowconv.lab  # which installs the finder
from windowconv.lab.moved import MOVED


@pytest.mark.parametrize("old", MOVED)
def test_old_modules_have_their_documented_names(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, f"windowconv.lab.{old}", raising=False)
    with pytest.warns(DeprecationWarning, match="has moved: import windowconv.lab."):
        module = import_module(f"windowconv.lab.{old}")
    for name, home in MOVED[old].items():
        assert getattr(module, name) is getattr(import_module(f"windowconv.lab.{home}"), name)


def test_names_of_packages() -> None:
    from windowconv.lab.robustness.conditions import conditions
    from windowconv.lab.studies.design import Design

    assert callable(conditions)
    assert Design.__name__ == "Design"


def test_modules_that_never_were() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"windowconv\.lab\.nowhere"):
        import_module("windowconv.lab.nowhere")
    assert windowconv.lab.__name__ == "windowconv.lab"
