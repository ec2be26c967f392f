"""Adaptive polyphase sampling, against all components by hand; shifts change nothing."""

import torch
from torch import nn

from windowconv.lab.models.relatives.polyphase import PolyphaseSampling


def test_the_component_of_the_largest_norm_is_kept_image_by_image() -> None:
    x = torch.randn(5, 3, 6, 9, generator=torch.Generator().manual_seed(0))
    got = PolyphaseSampling(3)(x)
    chosen = set()
    for image, kept in zip(x, got, strict=True):
        components = {(a, b): image[:, a::3, b::3] for a in range(3) for b in range(3)}
        best = max(components, key=lambda place: components[place].norm())
        torch.testing.assert_close(kept, components[best])
        chosen.add(best)
    assert len(chosen) > 1


def test_equal_norms_keep_the_first_and_odd_sides_get_longer() -> None:
    x = torch.arange(3.0).expand(1, 1, 3, 3)
    torch.testing.assert_close(PolyphaseSampling(2)(torch.ones(1, 1, 4, 4)), torch.ones(1, 1, 2, 2))
    torch.testing.assert_close(PolyphaseSampling(2)(x), torch.tensor([[1.0, 2.0], [1.0, 2.0]])[None, None])


def test_a_network_with_circular_padding_is_invariant_to_shifts() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular"), nn.ReLU(), PolyphaseSampling(2)]
    layers += [nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"), PolyphaseSampling(2), nn.AdaptiveAvgPool2d(1)]
    network = nn.Sequential(*layers).double()
    x = torch.rand(2, 2, 16, 16, dtype=torch.float64)
    for shift in ((1, 0), (3, 5)):
        torch.testing.assert_close(network(x.roll(shift, (2, 3))), network(x), rtol=0, atol=1e-12)


def test_gradients_go_to_the_samples_that_are_kept() -> None:
    x = torch.rand(1, 1, 4, 4, requires_grad=True)
    PolyphaseSampling(2)(x).sum().backward()
    assert x.grad is not None
    assert x.grad.sum() == 4
