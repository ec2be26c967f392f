from __future__ import annotations

import numpy as np
import pytest
import torch

from windowconv.errors import InputError
from windowconv.lab.data import gratings, in_memory, load
from windowconv.lab.data.formats.gratings import CLASSES, FREQUENCIES, ORIENTATIONS


@pytest.fixture(scope="module")
def data():
    return load("gratings")


def test_sizes_classes_and_balance(data):
    assert data.name == "gratings"
    assert (len(data.train), len(data.test), data.train.shape) == (8000, 2000, (1, 28, 28))
    assert len(data.classes) == 16
    assert "f0.19_45deg" in data.classes
    assert torch.bincount(data.train.labels).tolist() == [500] * 16
    assert torch.bincount(data.test.labels).tolist() == [125] * 16


def test_deterministic_and_train_is_not_test(data):
    assert gratings().content_hash == data.content_hash
    assert gratings(seed=1).content_hash != data.content_hash
    small = gratings(40, 40)
    train, test = (in_memory(part).images[:5] for part in (small.train, small.test))
    assert small.train.content_hash != small.test.content_hash
    assert not torch.equal(train, test)
    assert load("gratings", image_size=33).image_size == (33, 33)


def test_spectrum_peaks_where_the_class_says():
    """The mean power spectrum, by numpy's FFT, of each class: its peak is the class's frequency and direction."""
    data = in_memory(gratings(3200, 16, image_size=56).train)
    spectrum = np.abs(np.fft.fft2(data.images[:, 0].numpy() / 255.0 - 0.5)) ** 2
    bins = np.fft.fftfreq(56)
    for label, name in enumerate(CLASSES):
        frequency, degrees = FREQUENCIES[label // 4], ORIENTATIONS[label % 4]
        assert name == f"f{frequency}_{degrees}deg"
        power = spectrum[data.labels.numpy() == label].mean(0)
        power[0, 0] = 0
        row, column = np.unravel_index(power.argmax(), power.shape)
        fx, fy = bins[column], bins[row]
        assert np.hypot(fx, fy) == pytest.approx(frequency, rel=0.15)
        # A grating and its negative have the same spectrum: directions are compared modulo 180 degrees.
        difference = (np.rad2deg(np.arctan2(fy, fx)) - degrees + 90) % 180 - 90
        assert abs(difference) < 13


def test_no_linear_classifier_but_its_spectrum_tells(data):
    """Ridge regression on pixels stays near chance, 1/16; on the magnitudes of the spectrum it is far above."""
    pixels = [in_memory(part).images[:, 0].numpy() / 255.0 - 0.5 for part in (data.train, data.test)]
    target = np.eye(16)[data.train.labels]

    def accuracy(train: np.ndarray, test: np.ndarray, ridge: float) -> float:
        weight = np.linalg.solve(train.T @ train + ridge * np.eye(train.shape[1]), train.T @ target)
        return float(((test @ weight).argmax(1) == data.test.labels.numpy()).mean())

    flat = [part.reshape(len(part), -1) for part in pixels]
    magnitudes = [np.abs(np.fft.rfft2(part)).reshape(len(part), -1) for part in pixels]
    assert accuracy(flat[0], flat[1], 100) < 0.12
    assert 0.6 < accuracy(magnitudes[0], magnitudes[1], 1000) < 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train": 0}, "train=0"),
        ({"test": -2}, "test=-2"),
        ({"seed": -1}, "seed=-1"),
        ({"image_size": 0}, "image_size=0"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(InputError, match=message):
        gratings(**arguments)
