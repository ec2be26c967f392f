"""The page of tables, made from a record and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

from benchmarks.bars import Bar, Ratios, Verdict, judge
from benchmarks.markdown import cell, table
from benchmarks.pairs import Ratio
from benchmarks.record import Record, Row
from benchmarks.training.epoch import PARTS, RECIPE
from benchmarks.training.timing import a_second, ceiling, own, rows_of, theirs, times_faster, unsteady
from benchmarks.training.workloads import WORKLOADS, Case

SHARE, TIMES = 0.95, 10.0
UNSTEADY = 1.5  # a row with a larger spread had better be measured again

READING = (
    "Images are noise. Loops and loaders are timed in turn in one process; times are medians, and ratios medians of "
    "the rounds' ratios, each with its 95 % interval and the number of rounds n; with fewer than 6 the interval is "
    "from the smallest to the largest. **Ours** is an epoch of windowconv's own loop on images in memory: loader, "
    "augmentation, schedule, seeds, checks, log and progress included. **Bare** is the same network with the same "
    "algorithms, memory format and precision, cross-entropy and torch's SGD on batches that are on the device already. "
    "**Torchvision's** is the bare loop on torch's DataLoader over PIL images with torchvision's transforms image by "
    "image, with 0 or 2 workers (the faster counts), timed with its queue filled."
)


def page(record: Record) -> str:
    """The whole page."""
    parts = [
        ["# Training: images a second", _where(record), READING, *_disturbed(record)],
        ["## Bars", *_bars(record)],
        ["## The loop", *_loop(record)],
        ["## Against torchvision's way to train", *_torchvision(record)],
        ["## The loader alone", *_loader(record)],
        ["## Peak memory", *_memory(record)],
        ["## One epoch whole", *_epoch(record)],
    ]
    return "\n\n".join("\n\n".join(part) for part in parts if len(part) > 1) + "\n"


def _where(record: Record) -> str:
    e = record.environment
    device = e["device"] if e["device"] == e["processor"] else f"{e['device']}, {e['processor']}"
    sources = ", ".join(sorted({row["sources"] for row in record.rows.values()}))
    option = "" if e["device"] == e["processor"] else " --device cuda"
    return (
        f"{device}, {e['cores']} cores, {e['threads']} threads, {e['instructions']}; torch {e['torch']}, torchvision "
        f"{e['torchvision']}, windowconv {e['windowconv']}, sources {sources}, Python {e['python']}. "
        f"{len(record.rows)} rows. Made by `python -m benchmarks.training{option}`."
    )


def _disturbed(record: Record) -> list[str]:
    found = [f"{key} ({unsteady(row):.1f})" for key, row in record.rows.items() if unsteady(row) > UNSTEADY]
    if not found:
        return []
    text = f"{len(found)} of {len(record.rows)} rows were disturbed: some loop's times vary more than {UNSTEADY:g}-fold"
    return [f"{text}, largest over smallest in brackets: {', '.join(found)}."]


# --- bars -------------------------------------------------------------------------------------------------------------


def bars(record: Record) -> list[Bar]:
    """One for each workload that was measured, and one for the loader."""
    names = dict.fromkeys(key.split("/")[0] for key, _ in rows_of(record.group("speed")))
    found = [Bar(f"our loop, {_title(name)}: of bare images/s", SHARE, True, partial(_shares, name)) for name in names]
    return [*found, Bar("our loader: times torchvision's images/s", TIMES, True, _loaders)]


def _shares(workload: str, record: Record) -> Ratios:
    rows = rows_of(record.group(f"speed/{workload}"))
    return [(key.replace("/", ", "), times_faster(row, "ours", "bare")) for key, row in rows]


def _loaders(record: Record) -> Ratios:
    rows = rows_of(record.group("loader"))
    return [(f"batch {row['batch']}", times_faster(row, "ours", theirs(row))) for _, row in rows]


def _bars(record: Record) -> list[str]:
    verdicts = [found for bar in bars(record) if (found := judge(bar, record)) is not None]
    parts = table(("bar", "limit", "verdict", "rows", "worst", "where"), [_bar(verdict) for verdict in verdicts])
    short = [f"- {v.bar.name} (at least {v.bar.limit:g}): {'; '.join(v.others)}" for v in verdicts if v.others]
    return [*parts, "Rows that do not meet their bar:", "\n".join(short)] if short else parts


def _bar(v: Verdict) -> Sequence[str]:
    return v.bar.name, f">= {v.bar.limit:g}", f"**{v.verdict}**", str(v.rows), _share(v.ratio), v.where


def _title(workload: str) -> str:
    return WORKLOADS[workload].title if workload in WORKLOADS else workload


# --- parts ------------------------------------------------------------------------------------------------------------

CASE = ("network", "arm", "precision", "")


def _speed(record: Record, head: Sequence[str], cells: Callable[[Row], Sequence[str]]) -> list[str]:
    """A row for each case, those too slow to measure left out."""
    rows = rows_of(record.group("speed"))
    return table([*CASE, *head], ([*_case(key), *cells(row)] for key, row in rows))


def _case(key: str) -> list[str]:
    case = Case.of(key)
    return [_title(case.workload), case.arm, case.precision, "compiled" if case.compiled else "eager"]


def _loop(record: Record) -> list[str]:
    def cells(row: Row) -> Sequence[str]:
        share = times_faster(row, "ours", "bare")
        ours, bare = (f"{a_second(row, name):,.0f}" for name in ("ours", "bare"))
        done = f"{row['steps']} x {row['batch']}"
        return done, f"{row['fft']} of {row['layers']}", ours, bare, _share(share), share.verdict_at_least(SHARE)

    head = ("steps x batch", "layers by fft", "ours", "bare", "ours of bare", "verdict")
    parts = _speed(record, head, cells)
    slow = [f"{key} ({row['too_slow_s']:.0f} s)" for key, row in record.group("speed").items() if "too_slow_s" in row]
    if slow:
        parts.append(f"Not measured, since a step would take too long (about so long in brackets): {', '.join(slow)}.")
    return parts


def _torchvision(record: Record) -> list[str]:
    def cells(row: Row) -> Sequence[str]:
        loop, other = own(row), theirs(row)
        ours = f"{a_second(row, loop):,.0f}{'*' if loop == 'streamed' else ''}"
        gain = cell(times_faster(row, loop, other))
        return ours, f"{a_second(row, other):,.0f}", other.split()[-1], gain, cell(ceiling(row))

    head = ("ours", "torchvision's", "workers", "times faster", "with a free loader")
    rows = _speed(record, head, cells)
    text = (
        "With a free loader: how many times faster the bare loop is than its step and the loader, each timed alone, "
        "together. A star: files (JPEG, 500x375) cropped at random, read from disk by both."
    )
    return [*rows, text] if rows else []


def _loader(record: Record) -> list[str]:
    def cells(row: Row) -> Sequence[str]:
        other = theirs(row)
        gain = times_faster(row, "ours", other)
        rates = (f"{a_second(row, name):,.0f}" for name in ("ours", other))
        return str(row["batch"]), *rates, other.split()[-1], cell(gain, times=True), gain.verdict_at_least(TIMES)

    rows = table(
        ("batch", "ours", "torchvision's", "workers", "times faster", "verdict"),
        (cells(row) for _, row in rows_of(record.group("loader"))),
    )
    return [*rows, "Images a second at 32x32, mirrored and cropped at random after a padding of 4."] if rows else []


def _memory(record: Record) -> list[str]:
    def cells(row: Row) -> Sequence[str]:
        ours, bare = row["ours"]["peak"], row["bare"]["peak"]
        return _mib(ours), _mib(bare), f"{ours / bare:.2f}", _mib(row["bare"]["before"])

    found = ((key, row) for key, row in record.group("memory").items() if "ours" in row)
    rows = table(
        [*CASE, "ours, MiB", "bare, MiB", "ours over bare", "before"],
        ([*_case(key), *cells(row)] for key, row in found),
    )
    text = (
        "Three steps, each row in a process of its own. On a CPU the largest resident set, on a GPU what torch "
        "allocated at most. Before: what the bare loop's process holds before its network is built, Python and torch."
    )
    return [*rows, text] if rows else []


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f}"


def _epoch(record: Record) -> list[str]:
    def cells(arm: str, row: dict[str, Any]) -> Sequence[str]:
        whole = row["seconds"]["whole"]
        spread = f"{median(whole):.1f} ({min(whole):.1f} to {max(whole):.1f}; n={len(whole)})"
        shares = (median(p / w for p, w in zip(row["seconds"][name], whole, strict=True)) for name in PARTS)
        return arm, spread, *(f"{share:.1%}" for share in shares)

    found = record.group("epoch")
    rows = table(("arm", "seconds", *PARTS), (cells(arm, row) for arm, row in found.items()))
    if not rows:
        return []
    train, test = next(iter(found.values()))["images"]
    text = (
        f"The network and settings of `{RECIPE}` on {train:,} images of 28x28, evaluated on {test:,}; leakage recorded "
        "before and after, one checkpoint written. Median (smallest to largest), and the parts' shares."
    )
    return [*rows, text]


def _share(ratio: Ratio) -> str:
    """A ratio with three digits: 0.95 is the limit."""
    return f"{ratio.median:.3f} ({ratio.low:.3f} to {ratio.high:.3f}; n={ratio.pairs})"
