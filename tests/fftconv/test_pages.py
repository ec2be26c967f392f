"""Fresh memory made ready: the tensor stays what it is, and its pages are there."""

import sys

import pytest
import torch

from windowconv.fftconv import pages


def test_contents_stay():
    tensor = torch.arange(4_000_000)
    assert pages.ready(tensor) is tensor
    assert torch.equal(tensor, torch.arange(4_000_000))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")
def test_pages_are_mapped():
    tensor = torch.empty(16 << 20, dtype=torch.uint8)
    pages.ready(tensor)
    libc = pages._libc()
    places = range(tensor.data_ptr(), tensor.data_ptr() + tensor.numel(), 1 << 20)
    assert all(pages._is_mapped(libc, place) for place in places)


def test_small_and_other_tensors_are_left_alone():
    for tensor in (torch.empty(0), torch.empty(10), torch.empty(5_000_000, device="meta")):
        assert pages.ready(tensor) is tensor


def test_without_the_system_call(monkeypatch):
    monkeypatch.setattr(pages, "_libc", lambda: None)
    tensor = torch.empty(4_000_000)
    assert pages.ready(tensor) is tensor
