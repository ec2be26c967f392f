"""What every test starts from: one thread, one seed, reproducible Hypothesis examples."""

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile(
    "windowconv", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("windowconv")
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
