"""A run's time is extrapolated from steps of every kind."""

import pytest
from benchmarks.strong import kinds, minutes, page

from windowconv.lab.config import RunConfig

ENVIRONMENT = {"device": "a processor", "threads": 1, "torch": "2", "windowconv": "0"}


def test_steps_are_counted_by_their_kind() -> None:
    config = RunConfig(train_images=100, batch_size=30, epochs=10, stem_epochs=3)  # four steps an epoch
    assert kinds(config) == {0: 12, 12: 28}
    small = RunConfig(train_images=100, batch_size=30, epochs=10, stem_epochs=3, start_size=9, start_share=0.5)
    assert kinds(small) == {0: 12, 12: 8, 20: 20}


def test_minutes_are_those_of_steps_and_evaluations() -> None:
    times = {
        "0": {"auto": [1.0, 2.0, 9.0], "direct": [6.0, 6.0, 6.0]},
        "12": {"auto": [1.0], "direct": [5.0]},
        "evaluation": {"auto": [0.5], "direct": [1.0]},
    }
    row = {"recipe": "r", "arm": "3x3", "steps": {"0": 12, "12": 28}, "passes": 16, "seconds": times}
    assert minutes(row, "auto") == pytest.approx((12 * 2 + 28 + 8) / 60)
    assert minutes(row, "direct") == pytest.approx((12 * 6 + 28 * 5 + 16) / 60)
    text = page({"environment": ENVIRONMENT, "rows": [row]})
    assert "| r | 3x3 | 40 | 3 | 1.0 | 3.8 | 3.8 |" in text
    assert "**Extrapolated**" in text
