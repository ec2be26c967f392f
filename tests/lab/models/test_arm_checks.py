"""Axes that do not go together are refused by a sentence that says what would do."""

import pytest

from windowconv.errors import InputError
from windowconv.lab.models.arms import parse_arm


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("7x7-hamming-flex", "-flex takes no window; allowed: 7x7-flex, or 7x7-hamming"),
        ("7x7-hamming-dcls", "-dcls takes no window"),
        ("7x7-hamming-dilated-blur", "-dilated takes no window"),
        ("3x3-dilated", "-dilated needs a larger kernel; allowed: 5x5 or larger"),
        ("3x3-replk", "-replk needs a larger kernel"),
        ("7x7-replk-dcls", "-replk is for free taps; allowed with -dcls: dense kernels, -depthwise, -convnext"),
        ("7x7-hamming-pooled-blur", "-pooled does not go with -blur; allowed: one of the two"),
        ("7x7-stack-dcls", "allowed: a stack of 3x3 kernels without a window"),
        ("7x7-blur-sqrt", "names no window; such as 7x7-hamming-sqrt-blur"),
    ],
)
def test_they_are_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_arm(name)
    assert str(caught.value).startswith(f"arm={name!r}")


@pytest.mark.parametrize("downsampling", ["blur", "flc", "asap", "aps"])
@pytest.mark.parametrize("rest", ["hamming", "kaiser-energy", "learnable-cosine", "hamming-even-depthwise", "convnext"])
def test_every_subsampling_goes_with_windows_and_forms(downsampling: str, rest: str) -> None:
    params = ":6" if "kaiser" in rest else ""
    arm = parse_arm(f"7x7-{rest}-{downsampling}{params}")
    assert arm.subsampling == downsampling
    assert arm == parse_arm(f"7x7-{rest}-{downsampling}{params}")


def test_the_order_of_suffixes_does_not_matter() -> None:
    one, other = parse_arm("7x7-hamming-blur-depthwise-params"), parse_arm("7x7-hamming-params-depthwise-blur")
    fields = ("window", "form", "subsampling", "match")
    assert [getattr(one, f) for f in fields] == [getattr(other, f) for f in fields]
    assert [getattr(one, f) for f in fields] == ["hamming", "depthwise", "blur", "params"]
