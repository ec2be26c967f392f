"""Gratings against NumPy's transform: one of each pair, and pure."""

import numpy as np
import pytest
import torch

from windowconv.errors import InputError
from windowconv.spectra import forward
from windowconv.spectra.gratings import grating_frequencies, grating_images


@pytest.mark.parametrize("size", [1, 2, 5, 8, 9])
def test_each_pair_of_frequencies_is_listed_once(size):
    listed = [tuple(k) for k in grating_frequencies(size).tolist()]
    assert len(listed) == len(set(listed)) == (size**2 + (1 if size % 2 else 4)) // 2
    both = {tuple(np.array(k) % size) for k in listed} | {tuple(-np.array(k) % size) for k in listed}
    assert len(both) == size**2
    assert all(-size / 2 <= row < size / 2 and -size / 2 <= column < size / 2 for row, column in listed)
    distance = [np.hypot(*k) for k in listed]
    assert distance == sorted(distance)


@pytest.mark.parametrize("size", [(7, 7), (8, 8), (6, 9)])
def test_a_grating_has_its_frequency_and_no_other(size):
    frequencies = torch.tensor([[0, 0], [1, 0], [-2, 3], [2, 3], [3, 1]])
    waves = grating_images(frequencies, size, (0.0, 0.7)).numpy()
    assert waves.shape == (5, 2, *size)
    for (row, column), by_phase in zip(frequencies.tolist(), waves, strict=True):
        for wave in by_phase:
            spectrum = np.abs(np.fft.fft2(wave))
            own = {(row % size[0], column % size[1]), (-row % size[0], -column % size[1])}
            found = {tuple(map(int, at)) for at in np.argwhere(spectrum > 1e-10)}
            assert found == own


@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_signals_have_each_pair_once_and_their_frequency_alone(size):
    listed = grating_frequencies(size, axes=1)
    assert listed.flatten().abs().tolist() == list(range(size // 2 + 1))
    waves = grating_images(listed, size, (0.0, 0.7)).numpy()
    assert waves.shape == (len(listed), 2, size)
    for (k,), by_phase in zip(listed.tolist(), waves, strict=True):
        for wave in by_phase:
            assert set(np.flatnonzero(np.abs(np.fft.fft(wave)) > 1e-10)) == {k % size, -k % size}


def test_long_gratings_are_as_exact_as_short_ones():
    wave = grating_images(torch.tensor([[0, 511]]), (1, 1024))[0, 0, 0].numpy()
    expected = np.cos(2 * np.pi * (511 * np.arange(1024) % 1024) / 1024)
    np.testing.assert_allclose(wave, expected, atol=1e-15)


@pytest.mark.parametrize("size", [0, -3, 2.5, True])
def test_bad_size(size):
    with pytest.raises(InputError, match=f"size={size}"):
        grating_frequencies(size)


def test_bad_axes():
    with pytest.raises(InputError, match="axes=3; allowed: 1 or 2"):
        grating_frequencies(4, axes=3)


def test_bad_frequencies_and_too_much_memory(monkeypatch):
    for given in (torch.ones(3, 2), torch.ones(3, 3, dtype=torch.int64), torch.tensor([1, 2])):
        with pytest.raises(InputError, match="integers"):
            grating_images(given, 8)
    monkeypatch.setattr(forward, "LARGEST", 2**20)
    with pytest.raises(InputError, match="GiB"):
        grating_images(grating_frequencies(32), 32)
    with pytest.raises(InputError, match="size=1000"):
        grating_frequencies(1000)
