"""The list of conditions, and that each gives pictures that do not depend on the batch."""

from collections import Counter

import pytest
import torch

from natural_pictures import natural_like
from windowconv.errors import InputError
from windowconv.lab.robustness.conditions.bands import energy, spectrum
from windowconv.lab.robustness.conditions.catalogue import CLEAN, CUTOFFS, Condition, as_bytes, as_floats, conditions
from windowconv.lab.robustness.conditions.corruptions import CORRUPTIONS, corrupt

IMAGES = natural_like(4, 28, 1)
SLOW = "glass_blur"  # is compiled first
CHEAP = [c for c in conditions((28, 28), 1) if c.family != "corruption" or (c.parameter == 3 and c.series != SLOW)]


@pytest.mark.parametrize(
    ("size", "noise", "passes"),
    [((28, 28), 9, 6), ((32, 40), 9, 6), ((224, 224), 9, 7), ((8, 9), 9, 4), ((8, 8), 6, 4)],
)
def test_the_list(size: tuple[int, int], noise: int, passes: int) -> None:
    made = conditions(size, 3)
    families = Counter(condition.family for condition in made)
    assert families == {"corruption": 75, "band noise": noise, "low pass": passes, "high pass": passes}
    assert len({condition.name for condition in made}) == len(made)
    for condition in made:
        if condition.family == "corruption":
            assert condition.band == CORRUPTIONS[condition.series].band
        elif condition.family != "band noise":
            assert condition.parameter in CUTOFFS
            assert condition.parameter > 0.5 / min(size)


@pytest.mark.parametrize("condition", [CLEAN, *CHEAP], ids=lambda condition: condition.name)
def test_a_condition_gives_pictures_whatever_the_batch(condition: Condition) -> None:
    made = condition.apply(IMAGES, first=2, seed=1)
    assert made.shape == IMAGES.shape
    assert made.dtype == torch.float32
    assert 0 <= made.min() <= made.max() <= 1
    parts = [condition.apply(IMAGES[:1], 2, 1), condition.apply(IMAGES[1:], 3, 1)]
    torch.testing.assert_close(made, torch.cat(parts), atol=1e-6, rtol=0)
    assert torch.equal(made, condition.apply(IMAGES.float() / 255, 2, 1))
    assert torch.equal(made, IMAGES.float() / 255) is (condition is CLEAN)


def test_corruptions_are_those_of_the_module() -> None:
    condition = next(c for c in conditions((28, 28), 1) if c.name == "snow-2")
    assert torch.equal(condition.apply(IMAGES, 4, 6), corrupt(IMAGES, "snow", 2, 6, 4).float() / 255)


@pytest.mark.parametrize("condition", [c for c in CHEAP if c.family == "band noise"], ids=lambda c: c.name)
def test_noise_has_the_same_energy_in_its_band(condition: Condition) -> None:
    grey = torch.full((50, 1, 32, 32), 0.5)  # little is clipped
    found = spectrum(energy(condition.apply(grey) - grey), grey.numel())
    assert found.rms == pytest.approx(condition.parameter, rel=0.03)
    assert condition.band is not None
    assert found.shares[condition.band] > 0.97


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conditions((28, 28), 2), "channels=2; corruptions are for images of 1 or 3"),
        (lambda: conditions((7, 28), 1), r"image_size=\(7, 28\); images to corrupt have 8 pixels a side at least"),
        (lambda: CLEAN.apply(torch.full((1, 1, 8, 8), -0.1)), "images reach from -0.1 to -0.1; allowed: 0 to 1"),
        (lambda: CLEAN.apply(torch.zeros(1, 1, 8, 8, dtype=torch.int64)), "of torch.int64; allowed: floats"),
        (lambda: CHEAP[0].apply(torch.full((1, 1, 28, 28), float("nan"))), "images reach from nan"),
    ],
)
def test_what_cannot_be_is_named(call, message) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_bytes_and_floats_are_one() -> None:
    every = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(as_bytes(as_floats(every)), every)
