"""The bars of FFT convolution, and the rows that each is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

from benchmarks.bars import Bar, Ratios
from benchmarks.fftconv.ratios import against_same, against_small, exact, loss_of_auto, smallest_direct
from benchmarks.fftconv.timing import Shape
from benchmarks.pairs import Ratio
from benchmarks.record import Record, Row


def name_of(row: Row) -> str:
    """A layer's row by its shape."""
    return str(Shape(**row["shape"]))


def _layers(record: Record, group: str, ratio: Callable[[Row], Ratio], **limits: tuple[int, int]) -> Ratios:
    """A ratio of the rows of a group whose shape lies within limits such as `kernel=(7, 7)`."""
    rows = record.group(group).values()
    inside = [row for row in rows if all(low <= row["shape"][name] <= high for name, (low, high) in limits.items())]
    return [(name_of(row), ratio(row)) for row in inside]


def _layer_bars(
    title: str,
    faster: float | None,
    of_small: float | None,
    group: str = "layers/float32/training",
    variant: str = "fft",
    **limits: tuple[int, int],
) -> Iterator[Bar]:
    """The bars of one row of the issue's table."""
    rows = partial(_layers, group=group, **limits)
    if faster is not None:
        times = partial(rows, ratio=partial(against_same, variant=variant))
        yield Bar(f"{title}: times faster than the same k", faster, True, times)
    if of_small is not None:
        share = partial(rows, ratio=partial(against_small, variant=variant))
        yield Bar(f"{title}: time over torch's 3x3", of_small, False, share)


def _auto(record: Record) -> Ratios:
    groups = [f"layers/{dtype}/{kind}" for dtype in ("float32", "bfloat16") for kind in ("training", "forward")]
    groups += ["others/depthwise/training", "others/depthwise/forward", "scaling/threads/1", "scaling/threads/2"]
    groups += ["scaling/pixels"]
    return [(f"{group} {name}", ratio) for group in groups for name, ratio in _layers(record, group, loss_of_auto)]


def _errors(dtype: str) -> Callable[[Record], Ratios]:
    def ratios(record: Record) -> Ratios:
        rows = record.group(f"errors/{dtype}").values()
        pairs = ((name_of(row), what, row["fft"][what], row["direct"][what]) for row in rows for what in row["fft"])
        return [
            (f"{name}, {what}", exact(ours if dtype == "float32" else ours / torchs))
            for name, what, ours, torchs in pairs
        ]

    return ratios


def _network(key: str, variant: str) -> Callable[[Record], Ratios]:
    def ratios(record: Record) -> Ratios:
        row = record.rows.get(f"networks/{key}")
        return [] if row is None else [(row["name"], against_small(row, variant))]

    return ratios


def _memory(record: Record) -> Ratios:
    return [
        (f"{row['name']}, {variant}", exact(row["bytes"][variant] / smallest_direct(row)))
        for row in record.group("memory").values()
        for variant in row["bytes"]
        if variant.startswith("auto")
    ]


MANY = (128, 512)
MIDDLE = (14, 28)
_PURE = {"variant": "pure", "kernel": (7, 7), "channels": MANY}
_BF16 = {"group": "layers/bfloat16/training", "kernel": (7, 7), "channels": MANY}

BARS: tuple[Bar, ...] = tuple(
    chain(
        _layer_bars("k=7, C >= 128, 14 to 28 px", 8, 0.65, kernel=(7, 7), channels=MANY, pixels=MIDDLE),
        _layer_bars("k=7, C >= 128, 7 and 8 px", 5, None, kernel=(7, 7), channels=MANY, pixels=(7, 8)),
        _layer_bars("k=7, C >= 128, 8 px", None, 0.9, kernel=(7, 7), channels=MANY, pixels=(8, 8)),
        _layer_bars("k=7, C >= 128, 7 px", None, 1.0, kernel=(7, 7), channels=MANY, pixels=(7, 7)),
        _layer_bars("k=7, C = 64", 5, 0.8, kernel=(7, 7), channels=(64, 64)),
        _layer_bars("k=5, C >= 128, 14 to 28 px", 5, 0.55, kernel=(5, 5), channels=MANY, pixels=MIDDLE),
        _layer_bars("k=9, C >= 128, 14 to 28 px", 12, 0.7, kernel=(9, 9), channels=MANY, pixels=MIDDLE),
        _layer_bars("k=11, C >= 128, 14 to 28 px", 12, 0.9, kernel=(11, 11), channels=MANY, pixels=MIDDLE),
        _layer_bars("k=3, C >= 128, 14 to 28 px", 2, None, kernel=(3, 3), channels=MANY, pixels=MIDDLE),
        _layer_bars("prepared inference, k=7, C >= 128, 14 to 28 px", 7, 0.65, "prepared", "prepared"),
        _layer_bars("pure PyTorch, k=7, C >= 128", 3.5, None, **_PURE),
        _layer_bars("pure PyTorch, k=7, C >= 128, 8 px and more", None, 1.3, **_PURE, pixels=(8, 56)),
        _layer_bars("pure PyTorch, k=7, C >= 128, 7 px", None, 1.6, **_PURE, pixels=(7, 7)),
        _layer_bars("bf16, k=7, C >= 128", 4, None, **_BF16),
        _layer_bars("bf16, k=7, C >= 128, up to 16 px", None, 1.0, **_BF16, pixels=(7, 16)),
        _layer_bars("bf16, k=7, C >= 128, above 16 px", None, 1.5, **_BF16, pixels=(17, 56)),
        (
            Bar("auto: time over the better of fft and direct", 1.05, False, _auto),
            Bar("fp32: relative error", 1e-6, False, _errors("float32")),
            Bar("bf16: error over torch's", 1.3, False, _errors("bfloat16")),
            Bar("the paper's small network, 7x7 Hamming: time over 3x3", 0.7, False, _network("small", "auto")),
            Bar("ResNet-18 with 7x7 at 224: time over ResNet-18", 1.0, False, _network("resnet18", "auto")),
            Bar("peak memory of a training step: over the direct one's", 2.5, False, _memory),
        ),
    )
)
