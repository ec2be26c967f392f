"""The page of an inspection, and of two networks side by side."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any

import torch

import windowconv
from windowconv import plots
from windowconv.inspection.comparison import comparison
from windowconv.inspection.galleries import galleries
from windowconv.inspection.images import on_gratings, on_images, receptive_fields
from windowconv.inspection.kernels import inside_the_kernels
from windowconv.inspection.measure import Inspection
from windowconv.inspection.page_colours import page_colours
from windowconv.inspection.summary_text import by_size, pair_curves, summary
from windowconv.report import Column, Explorer, Figure, Page, Section, Table, Text
from windowconv.spectra.network import PAIRS
from windowconv.tables import by_sign

EXPLORER = "What a window does to a kernel of any size, computed in this page from formulas, not from this network."


def make_page(inspection: Inspection, other: Inspection | None = None) -> Page:
    """The report on a network; `other` is the network to compare it with."""
    subject = inspection.subject
    both = [inspection] if other is None else [inspection, other]
    drawn = [block for each in both for block in galleries(each)]
    sections = [
        *(_summary(each, other is not None) for each in both),
        *([comparison(inspection, other)] if other is not None else []),
        Section("Layer by layer", [block for each in both for block in (_layers(each), *_left_out(each))]),
        _curves(both),
        inside_the_kernels(both),
        Section("What a window would change", [_window_effects(each) for each in both]),
        *([Section("Kernels", drawn)] if drawn else []),
        *on_gratings(both),
        *on_images(both),
        *receptive_fields(both),
        *_explorer(both),
    ]
    title = subject.name if other is None else f"{subject.name} against {other.subject.name}"
    return Page(f"Spectral leakage of {title}", _lead(inspection), sections, _facts(both))


def _explorer(both: Sequence[Inspection]) -> list[Section]:
    """The explorer, which shows kernels of two axes; nothing where there are none."""
    shown = any(len(layer.kernel) == 2 for each in both for layer in each.leakage.layers)
    return [Section("Try a window", [Explorer(EXPLORER)])] if shown else []


def _summary(inspection: Inspection, named: bool) -> Section:
    title = f"Summary of {inspection.subject.name}" if named else "Summary"
    return Section(title, [Text("\n\n".join(summary(inspection))), *_suggestions(inspection)])


def _lead(inspection: Inspection) -> str:
    return (
        "What this network's filters select, and what else they let through. Leakage measures how selective filters "
        "are, not how accurate the network is."
    )


def _facts(both: Sequence[Inspection]) -> dict[str, str]:
    facts: dict[str, str] = {}
    for inspection in both:
        subject = inspection.subject
        extra = "".join(f", {name} {value}" for name, value in subject.facts.items() if name != "run")
        facts[subject.name] = f"weights {subject.weights}{extra}"
    facts["frequency grid"] = f"{both[0].leakage.grid} frequencies per axis"
    facts["versions"] = f"windowconv {windowconv.__version__}, torch {torch.__version__}, Python "
    facts["versions"] += platform.python_version()
    if both[0].subject.rate is not None:
        facts["sampling rate"] = f"{both[0].subject.rate:,.6g} Hz: frequencies of the first layer are in Hz"
    if both[0].images:
        facts["images"] = str(both[0].images)
    facts["time"] = ", ".join(f"{sum(each.seconds.values()):.1f} s" for each in both)
    return facts


def _suggestions(inspection: Inspection) -> list[Text]:
    advice = inspection.advice
    return [] if advice is None else [Text("Suggested:"), Text(advice.call, code=True), Text(advice.note)]


def _layers(inspection: Inspection) -> Table:
    index = inspection.leakage.radii.index(1 / 4)
    columns: list[str | Column] = ["layer", "kernel", "stride", "window", "filters"]
    numbers = {"L(1/8)": False, "L(1/4)": False, "random L(1/4)": False, "filter L(1/8)": True, "filter L(1/4)": True}
    numbers |= {"peak": False, "bandwidth": True, "flatness": True, "aliased": False, "support": True}
    columns += [Column(name, ".3f", numeric=True, detail=detail) for name, detail in numbers.items()]
    rows = []
    for layer in inspection.leakage.layers:
        noise = layer.noise(inspection.leakage.grid)[index]
        means = layer.means()
        summed, single, others = list(means.values())[:2], list(means.values())[2:4], list(means.values())[4:9]
        named = [layer.name or "(the model)", layer.size, by_sign(layer.stride), layer.window or "none"]
        rows.append([*named, layer.filters, *single, noise, *summed, *others])
    note = (
        f"L(r): share of a kernel's spectral energy more than r {inspection.unit} from the nearer of its two peaks, "
        f"averaged over the layer's kernels ({PAIRS} sampled at random in larger layers). Random: the same for random "
        "kernels of that size. Filter: the same for whole filters, with the energies of their channels summed; nearly "
        f"white in wide layers. The other columns are means over filters. Peak and bandwidth are in {inspection.unit}; "
        "flatness is 1 for a single tap; aliased is the share of white noise above the stride's Nyquist frequency; "
        "support is the radius in taps that holds 90 % of the energy."
    )
    caption = f"{inspection.subject.name}: convolutions with kernels of more than one tap"
    return Table(caption, columns, rows, note, sortable=True)


def _left_out(inspection: Inspection) -> list[Text]:
    lines = inspection.leakage.left_out()
    return [Text("\n\n".join(lines))] if lines else []


def _curves(both: Sequence[Inspection]) -> Section:
    first = both[0]
    radii, colours = first.leakage.radii, page_colours(both)
    groups = {size: pair_curves(layers) for size, layers in by_size(first.leakage.layers).items()}
    groups = {size: curves for size, curves in groups.items() if len(curves)}
    noise = {size: layers[0].noise(first.leakage.grid) for size, layers in by_size(first.leakage.layers).items()}
    blocks: list[Any] = []
    if groups:
        figure = plots.curves_by_size(groups, radii, noise, colours, first.unit)
        caption = "Share of kernels' energy farther than r from their peaks, by kernel size. Below the dotted line of "
        caption += "its size, a layer leaks less than random kernels."
        blocks.append(Figure(plots.svg(figure), caption, "Leakage curves by kernel size"))
    for at, r in ((1 / 8, "1/8"), (1 / 4, "1/4")):
        index = radii.index(at)
        values = {
            each.subject.name: [la.pair_curve[index] for la in each.leakage.layers if la.pair_curve is not None]
            for each in both
        }
        figure = plots.leakage_by_depth({name: held for name, held in values.items() if held}, at, colours, first.unit)
        blocks.append(
            Figure(plots.svg(figure), f"Leakage beyond {r} {first.unit} against depth.", f"Leakage at {r} by depth")
        )
    intro = "Less is not always better: a window widens the band around the peak and lowers leakage far from it."
    return Section("Leakage", blocks, intro)


def _window_effects(inspection: Inspection) -> Table | Text:
    columns: list[str | Column] = ["layer", "kernel", "windowed size"]
    columns += [Column(name, ".3f", numeric=True) for name in ("L(1/8)", "windowed", "L(1/4)", "windowed")]
    columns += [Column("change of L(1/4)", "+.3f", numeric=True), Column("energy kept", ".1%", True, detail=True)]
    columns += [Column("window alone, L(1/4)", ".3f", True, detail=True)]
    rows = []
    for effect in inspection.effects:
        after = effect.after or (None, None)
        cells = [effect.now[0], after[0], effect.now[1], after[1], effect.change, effect.kept, effect.least[1]]
        rows.append([effect.layer or "(the model)", by_sign(effect.kernel), by_sign(effect.size), *cells])
    note = (
        "Means over kernels, as they are and times a Hamming window, largest change first. Kernels below 5 taps are "
        "too small for a window: the windowed size is what to grow them to. Window alone: leakage of the window "
        "itself, which a pure grating would have under it. These are the present kernels; training with the window "
        "finds others."
    )
    name = inspection.subject.name
    table = Table(f"{name}: effect of a Hamming window on the present kernels", columns, rows, note, sortable=True)
    if not rows:
        return Text(f"{name}: every layer with a kernel of more than one tap is windowed already.")
    return table
