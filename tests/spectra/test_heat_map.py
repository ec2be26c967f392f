"""Fourier heat maps: the basis by definition, and classifiers whose errors are known."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from windowconv.errors import InputError
from windowconv.spectra.heat_map import fourier_basis, fourier_heat_map

GREY = torch.full((30, 1, 8, 8), 0.5)
ZEROS = torch.zeros(30, dtype=torch.int64)


class Tuned(nn.Module):
    """Class 1 where the image less `level` has more than `threshold` of the basis image at k, of either sign."""

    def __init__(self, k: tuple[int, int], threshold: float = 1.0, level: float = 0.5, signed: bool = False) -> None:
        super().__init__()
        self.wave = nn.Parameter(fourier_basis(torch.tensor([k]), (8, 8))[0].float())
        self.threshold, self.level, self.signed = threshold, level, signed

    def forward(self, x: Tensor) -> Tensor:
        found = ((x[:, 0] - self.level) * self.wave).sum((1, 2))
        score = (found if self.signed else found.abs()) - self.threshold
        return torch.stack([torch.zeros_like(score), score], 1)


@pytest.mark.parametrize("size", [(8, 8), (7, 7), (6, 9)])
def test_the_basis_is_real_of_norm_one_with_two_points(size):
    every = torch.cartesian_prod(*[torch.arange(-(n // 2), n - n // 2) for n in size])
    basis = fourier_basis(every, size)
    assert basis.dtype == torch.float64
    for (row, column), wave in zip(every.tolist(), basis.numpy(), strict=True):
        assert np.linalg.norm(wave) == pytest.approx(1, abs=1e-12)
        spectrum = np.abs(np.fft.fft2(wave))
        points = {(row % size[0], column % size[1]), (-row % size[0], -column % size[1])}
        assert {tuple(map(int, at)) for at in np.argwhere(spectrum > 1e-9)} == points


def test_the_basis_is_the_one_made_by_an_inverse_transform():
    """A spectrum of (1 + i) / 2 at one frequency and its conjugate at the other, scaled by sqrt(pixels)."""
    for row, column in ((1, 2), (-4, 1), (3, -4), (0, 3)):
        spectrum = np.zeros((8, 8), complex)
        spectrum[-row, -column] = 0.5 + 0.5j
        spectrum[row, column] = 0.5 - 0.5j
        expected = 8 * np.fft.ifft2(spectrum)
        assert np.abs(expected.imag).max() < 1e-12
        np.testing.assert_allclose(fourier_basis(torch.tensor([[row, column]]), (8, 8))[0], expected.real, atol=1e-12)


@pytest.mark.parametrize("k", [(0, 0), (2, -1), (0, 3), (-4, 2), (-4, -4)])
def test_a_classifier_tuned_to_one_frequency_errs_there_and_nowhere_else(k):
    found = fourier_heat_map(Tuned(k), GREY, ZEROS, norm=2.0)
    partner = tuple(n if 2 * n == -8 else -n for n in k)
    expected = torch.zeros(8, 8, dtype=torch.float64)
    for row, column in (k, partner):
        expected[row + 4, column + 4] = 1
    assert torch.equal(found.error, expected)
    assert found.clean_error == 0
    assert found.rows.tolist() == found.columns.tolist() == [n / 8 for n in range(-4, 4)]
    assert (found.images, found.norm) == (30, 2.0)
    assert fourier_heat_map(Tuned(k), GREY, ZEROS, norm=0.9).error.max() == 0  # the norm is below the threshold


def test_signs_are_random_and_even_for_each_image_and_channel():
    images = torch.full((400, 1, 8, 8), 0.5)
    labels = torch.zeros(400, dtype=torch.int64)
    found = fourier_heat_map(Tuned((1, 2), signed=True), images, labels, norm=2.0, size=5)
    assert 0.4 < found.error[3, 4].item() < 0.6
    assert found.error[3, 4] == found.error[1, 0]
    other = fourier_heat_map(Tuned((1, 2), signed=True), images, labels, norm=2.0, size=5, seed=1)
    assert 0.4 < other.error[3, 4].item() < 0.6
    assert other.error[3, 4] != found.error[3, 4]

    class Agree(nn.Module):
        """Class 1 where two channels have moved the same way."""

        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([self.one.expand(len(x)) * 0, ((x[:, 0] - 0.5) * (x[:, 1] - 0.5)).sum((1, 2))], 1)

    both = fourier_heat_map(Agree(), images.expand(-1, 2, -1, -1), labels, norm=1.0, size=3)
    assert 0.4 < both.error.min().item() <= both.error.max().item() < 0.6


@pytest.mark.parametrize("size", [1, 4, 5])
def test_the_lowest_frequencies_are_the_middle_of_the_whole_map(size):
    images = torch.rand(20, 2, 8, 8)
    net = nn.Sequential(nn.Flatten(), nn.Linear(128, 3))
    labels = torch.arange(20) % 3
    whole = fourier_heat_map(net, images, labels, norm=1.0)
    some = fourier_heat_map(net, images, labels, norm=1.0, size=size)
    middle = slice(4 - size // 2, 4 - size // 2 + size)
    assert torch.equal(some.error, whole.error[middle, middle])
    assert torch.equal(some.rows, whole.rows[middle])
    assert some.error[size // 2, size // 2].item() == whole.error[4, 4].item()
    assert whole.error[5:, 5:].flip(0, 1).equal(whole.error[1:4, 1:4])
    assert whole.clean_error == pytest.approx((net(images).argmax(1) != labels).double().mean().item())


def test_batches_do_not_matter_and_each_pair_is_evaluated_once():
    images = torch.rand(10, 2, 6, 7)
    net = nn.Sequential(nn.Flatten(), nn.Linear(84, 3))
    labels = torch.arange(10) % 3
    seen = []
    whole = fourier_heat_map(net, images, labels, norm=1.0, progress=lambda *done: seen.append(done))
    assert seen[-1] == (22, 22)  # (6 * 7 + 2) / 2
    for batch_size in (3, 10, 37):
        assert torch.equal(fourier_heat_map(net, images, labels, 1.0, batch_size=batch_size).error, whole.error)
    batches = [(images[:4], labels[:4]), (images[4:], labels[4:])]
    assert torch.equal(fourier_heat_map(net, batches, norm=1.0).error, whole.error)
    assert net.training


def test_noise_comes_first_then_clipping_then_normalisation():
    black = torch.zeros_like(GREY)
    tuned = Tuned((0, 2), threshold=2.5, level=0.0)
    assert fourier_heat_map(tuned, black, ZEROS, norm=4.0).error[4, 6] == 1
    assert fourier_heat_map(tuned, black, ZEROS, norm=4.0, clip=True).error[4, 6] == 0  # half of the wave is cut
    shifted = Tuned((0, 2), level=5.0)
    found = fourier_heat_map(shifted, GREY, ZEROS, norm=2.0, normalize=lambda x: (x - 0.5) + 5)
    assert found.error[4, 6] == 1
    assert found.error.sum() == 2
    assert found.clean_error == 0


def test_limit_takes_the_first_images():
    images = torch.rand(12, 1, 8, 8)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    labels = torch.arange(12) % 3
    some = fourier_heat_map(net, images, labels, size=3, limit=5)
    assert some.images == 5
    assert torch.equal(some.error, fourier_heat_map(net, images[:5], labels[:5], size=3).error)


@pytest.mark.parametrize(
    ("images", "labels", "options", "message"),
    [
        (GREY * 3, ZEROS, {}, "images from 1.5 to 1.5; allowed: 0 to 1"),
        (GREY - 1, ZEROS, {}, "images from"),
        (GREY, None, {}, "labels=None"),
        (GREY, ZEROS[:4], {}, r"labels.shape=\(4,\)"),
        (GREY, ZEROS.float(), {}, "integers"),
        (GREY, ZEROS, {"norm": 0.0}, "norm=0.0"),
        (GREY, ZEROS, {"norm": float("nan")}, "norm=nan"),
        (GREY, ZEROS, {"size": 9}, "size=9; allowed: 1 to 8"),
        ([GREY, GREY[..., :4]], ZEROS, {}, "allowed: one size"),
        (GREY[..., :4], ZEROS, {}, "a shape that the model accepts"),
        (GREY.expand(-1, 3, 8, 8) * torch.nan, ZEROS, {}, "NaN"),
    ],
)
def test_bad_input(images, labels, options, message):
    with pytest.raises(InputError, match=message):
        fourier_heat_map(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), images, labels, **options)
