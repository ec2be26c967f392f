"""The page of tables, made from a record and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from statistics import median

from benchmarks.bars import Verdict, judge
from benchmarks.fftconv.bars import BARS, name_of
from benchmarks.fftconv.layers import IN_PICTURE
from benchmarks.fftconv.rates import REPEATS
from benchmarks.fftconv.ratios import (
    UNSTEADY,
    against_same,
    against_small,
    loss_of_auto,
    slowdown,
    smallest_direct,
    speedup,
    spread,
)
from benchmarks.markdown import cell, milliseconds, table
from benchmarks.record import Record, Row

PAGE = "fftconv.md"
PICTURE = "fftconv-k.png"


def page(record: Record, notes: Sequence[str] = ()) -> str:
    """The whole page."""
    e = record.environment
    where = (
        f"{e['device']}, {e['cores']} cores, {e['threads']} threads, {e['instructions']}; torch {e['torch']}, "
        f"windowconv {e['windowconv']}, sources {', '.join(sorted({row['sources'] for row in record.rows.values()}))}, "
        f"Python {e['python']}. {len(record.rows)} rows. Made by `python -m benchmarks.fftconv`."
    )
    parts = [
        [
            "# Large kernels in the frequency domain, in time, error and memory",
            where,
            READING,
            *notes,
            *_unsteady(record),
        ],
        ["## Bars", *_bars(record)],
        ["## Time against the kernel's size", f"![Training step against k]({PICTURE})", *_against_kernel(record)],
        *_layers(record),
        ["## Errors against float64", *_errors(record)],
        ["## Whole networks", *_networks(record), *_memory(record)],
        ["## Prepared inference", *_prepared(record)],
        ["## Other ways", *_others(record)],
        ["## Scaling", *_scaling(record)],
        ["## The machine", *_rates(record)],
    ]
    return "\n\n".join("\n\n".join(part) for part in parts if len(part) > 1) + "\n"


READING = (
    "Times are medians; ratios are medians of the ratios of pairs, timed in turn in one process, each with its 95 % "
    "interval and the number of pairs n; with fewer than 6 pairs the interval is from the smallest to the largest. "
    "A training step of a layer is the forward pass and the gradients of input and weight from a dense output "
    "gradient; forward alone is without a graph. Ours (`fft`) is `windowconv.fft_conv2d` by the native operator, on "
    "channels-last tensors unless said; `pure` is the same in pure PyTorch. Torch's own (`direct`, `3x3`) is the "
    "faster of channels-last and contiguous, both measured; one clearly slower in the warm-up was timed no further. "
    "`auto` is what windowconv chooses; its loss is the time of its choice over that of the better one. "
    "A time with a star is from the warm-up. Shapes: batch x channels (as many out as in), pixels a side, k."
)


def _unsteady(record: Record) -> list[str]:
    found = [f"{key} ({spread(row):.1f})" for key, row in record.rows.items() if spread(row) > UNSTEADY]
    if not found:
        return []
    text = (
        f"{len(found)} of {len(record.rows)} rows were disturbed: some variant's times vary more than {UNSTEADY:g}-fold"
    )
    return [f"{text}, largest over smallest in brackets: {', '.join(found)}."]


# --- parts ------------------------------------------------------------------------------------------------------------


def _bars(record: Record) -> list[str]:
    verdicts = [(bar, judge(bar, record)) for bar in BARS]
    rows = [_bar(verdict) for _, verdict in verdicts if verdict is not None]
    head = ("bar", "limit", "verdict", "rows", "worst", "n", "worst / limit", "where")
    parts = table(head, rows)
    parts += [f"Not measured: {', '.join(bar.name for bar, verdict in verdicts if verdict is None)}."] * any(
        verdict is None for _, verdict in verdicts
    )
    short = [v for _, v in verdicts if v is not None and v.verdict != "met"]
    details = [f"- {v.bar.name} (limit {v.bar.limit:g}): {'; '.join(v.others)}" for v in short]
    return [*parts, "Rows that do not meet their bar:", "\n".join(details)] if details else parts


def _bar(v: Verdict) -> Sequence[str]:
    limit = f"{'>=' if v.bar.at_least else '<='} {v.bar.limit:g}"
    spread = f"{v.ratio.median:.3g}"
    if v.ratio.low != v.ratio.high:
        spread += f" ({v.ratio.low:.3g} to {v.ratio.high:.3g})"
    return v.bar.name, limit, f"**{v.verdict}**", str(v.rows), spread, str(v.ratio.pairs), f"{v.margin:.2f}", v.where


def _against_kernel(record: Record) -> list[str]:
    rows = record.group("layers/float32/training").values()
    rows = [row for row in rows if (row["shape"]["channels"], row["shape"]["pixels"]) in IN_PICTURE]
    return table(
        ("shape", "fft, ms", "pure, ms", "direct, ms", "3x3 direct, ms"),
        (
            (name_of(r), milliseconds(r["small"], "fft"), milliseconds(r["small"], "pure"), *_direct_times(r))
            for r in sorted(rows, key=lambda r: (r["shape"]["pixels"], r["shape"]["channels"], r["shape"]["kernel"]))
        ),
    )


def _direct_times(row: Row) -> tuple[str, str]:
    same = against_same(row).variant_s
    return f"{1e3 * same:.0f}", f"{1e3 * against_small(row).baseline_s:.0f}"


def _layers(record: Record) -> list[list[str]]:
    parts = []
    for dtype, kind in product(("float32", "bfloat16"), ("training", "forward")):
        rows = record.group(f"layers/{dtype}/{kind}").values()
        pure = dtype == "float32"
        head = ["shape", "fft, ms", "contiguous, ms", "faster than direct", "of torch's 3x3"]
        head += ["pure: faster", "pure: of 3x3"] if pure else []
        name = {"training": "training step", "forward": "forward alone"}[kind]
        parts.append([f"## Layers: {dtype}, {name}", *table([*head, "auto", "loss"], (_layer(r, pure) for r in rows))])
    return parts


def _layer(row: Row, pure: bool) -> list[str]:
    cells = [name_of(row), milliseconds(row["small"], "fft"), milliseconds(row["small"], "fft contiguous")]
    for variant in ("fft", "pure") if pure else ("fft",):
        known = variant in row.get("same", row["small"])["samples"]
        cells += [cell(against_same(row, variant), times=True) if known else ""]
        cells += [cell(against_small(row, variant)) if variant in row["small"]["samples"] else ""]
    return [*cells, row["auto"], _loss(row)]


def _loss(row: Row) -> str:
    lost = loss_of_auto(row)
    return "" if lost.median == 1 else cell(lost)


def _errors(record: Record) -> list[str]:
    parts = [
        "|a - b| / |b| over the whole tensor, b the direct convolution in float64 of the same inputs; 2 images. "
        "Each cell: output, gradient of the input, gradient of the weight."
    ]
    for dtype in ("float32", "bfloat16"):
        rows = record.group(f"errors/{dtype}").values()
        ways = [way for way in ("fft", "direct", "pure") if any(way in row for row in rows)]
        largest = ["largest", *(f"{max(max(row[way].values()) for row in rows):.2g}" for way in ways)]
        cells = [[name_of(row), *(", ".join(f"{e:.2g}" for e in row[way].values()) for way in ways)] for row in rows]
        parts += table((dtype, *ways), [*cells, largest] if cells else [])
    return parts if len(parts) > 1 else []


def _networks(record: Record) -> list[str]:
    parts = []
    for row in record.group("networks").values():
        small, same = row["small"], row["same"]
        cells = [
            (
                name,
                milliseconds(small, name),
                cell(slowdown(small, name, "3x3")) if name in small["samples"] else "",
                "",
            )
            for name in (*small["samples"], *small["dropped"])
        ]
        name, time, share, _ = cells[0]
        cells[0] = (name, time, share, cell(against_same(row, name), times=True))
        cells += [
            (name, milliseconds(same, name), "", "") for name in (*same["samples"], *same["dropped"]) if name != "auto"
        ]
        parts += [f"{row['name']}: whole training step."]
        parts += table(("", "ms", "of the 3x3 network's", "faster than 7x7 direct"), cells)
    return parts


def _memory(record: Record) -> list[str]:
    cells = [
        (row["name"], variant, f"{size / 2**20:.0f}", f"{size / smallest_direct(row):.2f}")
        for row in record.group("memory").values()
        for variant, size in row["bytes"].items()
    ]
    text = "Peak memory of a training step above that of a process with its imports, each in a process of its own:"
    return [text, *table(("network", "", "MiB", "of 7x7 direct"), cells)] if cells else []


def _prepared(record: Record) -> list[str]:
    cells = [
        (
            name_of(row),
            milliseconds(row["small"], "prepared"),
            milliseconds(row["small"], "fft"),
            f"{row['bytes'] / 2**20:.0f}",
            cell(against_same(row, "prepared"), times=True),
            cell(against_small(row, "prepared")),
        )
        for row in record.group("prepared").values()
    ]
    head = ("shape", "prepared, ms", "not prepared, ms", "spectra, MiB", "faster than direct", "of torch's 3x3")
    return table(head, cells)


def _others(record: Record) -> list[str]:
    cells = []
    for key, row in record.group("others").items():
        theirs = row.get("name", "depthwise")
        timed = row["same"]
        beside = (milliseconds(timed, theirs), cell(slowdown(timed, theirs, "direct"))) if "name" in row else ("", "")
        kind = key.split("/")[1]
        head = (theirs, name_of(row), kind, milliseconds(timed, "fft"), cell(speedup(timed, "direct", "fft"), True))
        cells.append((*head, *beside, row.get("auto", "")))
    head = ("", "shape", "", "fft, ms", "fft: faster than direct", "theirs, ms", "theirs over direct", "auto")
    return table(head, cells)


def _scaling(record: Record) -> list[str]:
    head = ("threads", "shape", "fft, ms", "fft, ms an image", "faster than direct", "of torch's 3x3", "auto", "loss")
    parts = []
    for group in ("scaling/threads", "scaling/pixels"):
        rows = record.group(group).values()
        parts += table(head, [_scaled(row) for row in rows])
    return parts


def _scaled(row: Row) -> list[str]:
    alone = median(row["small"]["samples"]["fft"])
    cells = [str(row["threads"]), name_of(row), f"{1e3 * alone:.2f}", f"{1e3 * alone / row['shape']['batch']:.2f}"]
    return [*cells, cell(against_same(row), True), cell(against_small(row)), row["auto"], _loss(row)]


def _rates(record: Record) -> list[str]:
    cells = [
        (dtype, name, f"{value:.0f}")
        for dtype, row in record.group("rates").items()
        for name, value in row.items()
        if name != "sources"
    ]
    return table(("", "", f"median of {REPEATS}"), cells)
